"""The set of actions that is tried from each saved state: what the expert would do, nothing, less of it, something else.

All are chunks [H, A] within the limits, derived from the factual chunk. Gripper channels keep their factual value
wherever only the motion is changed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...errors import SpecError, UnknownName
from ...spec import ActionSpec

Chunk = Float32[ndarray, "H A"]
Change = Callable[["Space", ndarray, np.random.Generator], ndarray]


class Space:
    """Which channels of an action move the robot, and which two of them span the horizontal plane.

    Raises:
        SpecError: for actions that are no motions (absolute targets), for which doing nothing has no common number.
    """

    def __init__(self, spec: ActionSpec):
        if spec.kind == "absolute":
            raise SpecError("counterfactual actions are made for motions", where="action.kind", expected="delta or relative",
                            got=spec.kind, fix="wrap the simulator so that it takes deltas")
        self.spec = spec
        self.low, self.high = np.array(spec.low), np.array(spec.high)
        words = [name.lower().replace("_", " ").split() for name in spec.names]
        self.motion = np.array([not any(word.startswith("grip") for word in name) for name in words])
        found = [next((i for i, name in enumerate(words) if name[-1] in (axis, f"d{axis}")), None) for axis in "xy"]
        self.plane = [i for i in found if i is not None] if None not in found else []

    def clipped(self, chunk: ndarray) -> Chunk:
        return np.clip(chunk, self.low, self.high).astype(np.float32)


def dose(share: float) -> Change:
    """The factual motion times `share`: 0 is no motion, -1 the reverse."""
    return lambda space, chunk, generator: np.where(space.motion, share * chunk, chunk)


def turn(sign: int) -> Change:
    """The factual motion turned by +-90 degrees in the horizontal plane (where there is one; else reversed by half)."""
    def change(space: Space, chunk: ndarray, generator: np.random.Generator) -> ndarray:
        if not space.plane:
            return dose(-0.5 * sign)(space, chunk, generator)
        turned = chunk.copy()
        x, y = space.plane
        turned[:, x], turned[:, y] = -sign * chunk[:, y], sign * chunk[:, x]
        return turned
    return change


def random_direction(space: Space, chunk: ndarray, generator: np.random.Generator) -> ndarray:
    """One direction for the whole chunk, at 60 % of the limits."""
    direction = np.asarray(generator.normal(size=chunk.shape[1]))
    return np.where(space.motion, 0.6 * space.high * direction / np.abs(direction[space.motion]).max(), chunk)


def random_chunk(space: Space, chunk: ndarray, generator: np.random.Generator) -> ndarray:
    """A new random motion every 4 steps."""
    pieces = generator.uniform(space.low, space.high, (-(-len(chunk) // 4), chunk.shape[1]))
    return np.where(space.motion, np.repeat(pieces, 4, 0)[:len(chunk)], chunk)


def late(change: Change) -> Change:
    """The factual chunk for its first half, changed from then on: until there, both have the same future."""
    return lambda space, chunk, generator: np.concatenate([chunk[:parting(len(chunk))],
                                                           change(space, chunk, generator)[parting(len(chunk)):]])


def parting(horizon: int) -> int:
    """For how many steps the late actions equal the factual one."""
    return horizon // 2


ACTIONS: dict[str, Change] = {
    "factual": dose(1), "null": dose(0), "dose 0.25": dose(0.25), "dose 0.5": dose(0.5), "reverse": dose(-1),
    "turn +90": turn(1), "turn -90": turn(-1), "random direction": random_direction, "random chunk": random_chunk,
}
"""by name, in the order in which they are tried; the first is the factual one"""
STANDARD = tuple(ACTIONS)
"""the nine actions of protocol CC-1.0"""
OFFERED = ("factual", "null", "dose 0.5", "reverse", "turn +90", "turn -90")
"""whose true futures are offered, as far as the branches have them"""
LATE = ("late stop", "late turn")
ACTIONS |= {"late stop": late(dose(0)), "late turn": late(turn(1))}


def action_set(spec: ActionSpec, factual: Chunk, generator: np.random.Generator,
               names: tuple[str, ...] = tuple(ACTIONS)) -> Float32[ndarray, "K H A"]:
    """The chunks of the named actions.

    Raises:
        UnknownName: with the nearest names.
    """
    space = Space(spec)
    for name in names:
        if name not in ACTIONS:
            raise UnknownName("counterfactual action", name, ACTIONS)
    return np.stack([space.clipped(ACTIONS[name](space, factual.astype(np.float64), generator)) for name in names])
