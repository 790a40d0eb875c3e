"""Affordances as actions: where a thing is touched, and where the hand goes from there.

SWIM (arXiv 2308.10901) takes contact point and post-contact path from human video as an action space that people and robots
share. Here they are extracted from episodes, by the true places of things or by what segmentation shows of them, and a
controller performs them in a simulator, guided by proprioception alone. The hand's places are those of the state, never
privileged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64
from numpy import ndarray
from scipy.ndimage import binary_dilation

from ..errors import DataError
from ..spec import EntitySpec, TaskSpec
from ..types import Episode

WAYPOINTS = 8
LEAD = 3
"""control steps before the contact from which on the hand's way to it matters"""
PAUSE = 3
"""control steps for which a thing may rest within one motion"""
MOVES = 0.1
"""tolerances by which a thing moves in a control step, where it moves"""
FAR = 3.0
"""tolerances by which a thing has to be moved for the motion to count"""
SEEN_MOVING = 0.6
"""pixels that the middle of a thing's mask moves within `PAUSE` steps, where it is seen to move"""


@dataclass(frozen=True, eq=False)
class Affordance:
    """One touch and what follows. Places in the units of the state."""

    thing: str
    contact: Float64[ndarray, "D"]
    """the hand's place when it touches"""
    reach: Float64[ndarray, "m D"]
    """the hand's places in the last control steps before: how it reaches out"""
    path: Float64[ndarray, "n D"]
    """the hand's places afterwards, at equal times"""
    rest: Float64[ndarray, "R"]
    """what the action's other channels (a gripper) did meanwhile, on average; zero where actions are unknown"""
    start: int
    """control step in which the thing begins to move"""
    stop: int
    """the first observation at which it rests again"""
    pixel: tuple[int, int] | None = None
    """row and column of the contact in the main camera, where masks were looked at"""

    def cut(self, places: int) -> Affordance:
        """Only the first `places` of the path (at least one)."""
        when = np.linspace(self.start + 1, self.stop, len(self.path))[places - 1]
        return replace(self, path=self.path[:places], stop=round(when))

    def shifted(self, by: Float[ndarray, "D"]) -> Affordance:
        """The same, elsewhere: relative to a thing that stands elsewhere."""
        return replace(self, contact=self.contact + by, reach=self.reach + by, path=self.path + by)


def axes_of(spec: TaskSpec) -> int:
    """How many channels of the state, and of the action, are the hand's place."""
    return sum(name in ("x", "y", "z") for name in spec.robot().channels)


def affordances(episode: Episode, spec: TaskSpec, thing: str) -> tuple[Affordance, ...]:
    """Every motion of a thing, by its true places.

    Raises:
        DataError: if the episode does not report the thing.
    """
    entity = spec.entity(thing)
    if thing not in episode.truth:
        raise DataError(f"the episode does not report {thing!r}", where=f"{episode.task}, truth", expected=thing,
                        got=", ".join(episode.truth), fix="look at its segmentation (`affordances_seen`)")
    places = episode.truth[thing][:, :_places(entity)]
    step = np.linalg.norm(np.diff(places, axis=0), axis=1)
    found = [(start, stop) for start, stop in _runs(step > MOVES * entity.tolerance)
             if np.linalg.norm(places[stop] - places[start]) > FAR * entity.tolerance]
    return tuple(_affordance(episode, spec, thing, start, stop, float(step[start])) for start, stop in found)


def affordances_seen(episode: Episode, spec: TaskSpec, thing: str) -> tuple[Affordance, ...]:
    """Every motion of a thing, by segmentation alone: it begins where the hand's mask touches the thing's and the middle of
    that one moves.

    Raises:
        DataError: if the episode has no segmentation (`wam collect TASK --with segmentation`).
    """
    if "segmentation" not in episode.modalities:
        raise DataError("the episode has no segmentation", where=f"{episode.task}, modalities", expected="segmentation",
                        got=", ".join(episode.modalities) or "none", fix="collect it with --with segmentation")
    masks = episode.modalities["segmentation"]
    hand, other = (masks == spec.entities.index(one) for one in (spec.robot(), spec.entity(thing)))
    middle = _middles(other)
    ahead = np.minimum(np.arange(len(masks)) + PAUSE, len(masks) - 1)
    moving = np.linalg.norm(middle[ahead] - middle, axis=1) > SEEN_MOVING
    near = [binary_dilation(one, iterations=2) & two for one, two in zip(hand, other, strict=True)]
    touching = np.array([one.any() for one in near])
    found = []
    for start, stop in _runs((moving & touching)[:-1]):
        if np.linalg.norm(middle[min(stop + PAUSE, len(middle) - 1)] - middle[start]) > 2 * SEEN_MOVING:
            row, column = np.argwhere(near[start]).mean(0)
            found.append(replace(_affordance(episode, spec, thing, start, stop, 0.0), pixel=(round(row), round(column))))
    return tuple(found)


def _affordance(episode: Episode, spec: TaskSpec, thing: str, start: int, stop: int, pushed: float) -> Affordance:
    if not episode.has_state:
        raise DataError("the hand's way is unknown", where=f"{episode.task}, state", expected="proprioception",
                        got="a video without it", fix="give episodes that have their state")
    axes = axes_of(spec)
    hand = episode.state[:, :axes].astype(np.float64)
    step = hand[start + 1] - hand[start]
    before = 1 - min(1.0, pushed / (float(np.linalg.norm(step)) + 1e-9))  # the share of the step before it touches
    contact = hand[start] + before * step
    when = np.linspace(start + 1, stop, WAYPOINTS)
    path = np.stack([np.interp(when, np.arange(len(hand)), hand[:, axis]) for axis in range(axes)], 1)
    known = np.asarray(episode.has_action)[start:stop]
    others = episode.action[start:stop, axes:][known]
    rest = others.mean(0, dtype=np.float64) if len(others) else np.zeros(episode.action.shape[1] - axes)
    return Affordance(thing, contact, hand[max(0, start - LEAD):start + 1], path, rest, start, stop)


def _runs(moving: Bool[ndarray, "T"]) -> list[tuple[int, int]]:
    """(first step, first observation after the last step) of each stretch; pauses of up to `PAUSE` steps do not end one."""
    steps = np.flatnonzero(moving)
    if not len(steps):
        return []
    parts = np.split(steps, np.flatnonzero(np.diff(steps) > PAUSE + 1) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts]


def _middles(masks: Bool[ndarray, "T1 h w"]) -> Float64[ndarray, "T1 2"]:
    """Row and column of the middle of each mask; where it is hidden, of the last one seen."""
    last, rows = np.zeros(2), []
    for mask in masks:
        if mask.any():
            last = np.argwhere(mask).mean(0)
        rows.append(last)
    return np.stack(rows)


def _places(entity: EntitySpec) -> int:
    return sum(name in ("x", "y", "z") for name in entity.channels) or len(entity.channels)


def displacement(truth: Mapping[str, ndarray], affordance: Affordance, spec: TaskSpec) -> Float64[ndarray, "E"]:
    """How far the thing was moved between the affordance's start and stop."""
    places = truth[affordance.thing][:, :_places(spec.entity(affordance.thing))]
    return np.asarray(places[affordance.stop] - places[affordance.start], np.float64)
