"""Performs affordances in a simulator: gets ready, touches, follows the path. Guided by proprioception and the places of
things."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from ..simulators import Simulator
from ..simulators.pushworld_expert import next_point
from ..types import Episode
from .affordance import Affordance, axes_of

NEAR = 0.25
"""steps at full speed from a place at which it counts as reached"""
PATIENCE = 60
"""control steps to get ready"""
PER_PLACE = 6
"""control steps for each place of the path"""
LIFT = 0.12
"""metres above where it gets ready that a hand with three axes travels"""


def perform(simulator: Simulator, affordance: Affordance) -> Episode:
    """Perform an affordance from the state in which the simulator is.

    Returns:
        What happened, as an episode (pictures are black unless the simulator renders).
    """
    spec, axes = simulator.task_spec, axes_of(simulator.task_spec)
    speed = speeds(simulator)
    low, high = np.array(spec.action.low), np.array(spec.action.high)
    seen, truths, actions, success = [simulator.observe()], [simulator.truth()], [], [False]

    def go(place: Float[ndarray, "D"], patience: int, route: Callable[[ndarray, ndarray], ndarray]) -> None:
        for _ in range(patience):
            hand = seen[-1]["state"][:axes].astype(np.float64)
            if (np.abs(place - hand) / speed).max() < NEAR:
                return
            way = (route(hand, place) - hand) / speed
            action = np.concatenate([way / max(1.0, np.abs(way).max()), affordance.rest])
            action = np.clip(action, low, high).astype(np.float32)
            observation, _, _, _, info = simulator.step(action)
            seen.append(observation)
            truths.append(simulator.truth())
            actions.append(action)
            success.append(bool(info["success"]))

    go(affordance.reach[0], PATIENCE, lambda hand, place: _around(simulator, hand, place))
    for place in (*affordance.reach[1:], affordance.contact, *affordance.path):
        go(place, PER_PLACE, lambda hand, place: place)
    return Episode(
        task=spec.task, instruction=spec.instruction,
        frames={name: np.stack([one["frames"][name] for one in seen]) for name in spec.cameras},
        state=np.stack([one["state"] for one in seen]), action=np.array(actions, np.float32).reshape(-1, spec.action.width),
        success=np.array(success), truth={entity.name: np.stack([one[entity.name] for one in truths]) for entity in
        spec.entities}, imitate=np.zeros(len(actions), bool), meta={"source": "affordance", "renderer": simulator.renderer})


def speeds(simulator: Simulator, steps: int = 4) -> Float64[ndarray, "D"]:
    """How far a control step at full speed moves the hand along each axis, tried in the simulator, which is left as it was.
    Of the two ways along an axis the freer one counts."""
    spec, axes = simulator.task_spec, axes_of(simulator.task_spec)
    state, drawing = simulator.save_state(), simulator.renders
    simulator.renders = False
    moved = np.zeros((2, axes))
    for axis in range(axes):
        for way, limit in enumerate((spec.action.low, spec.action.high)):
            action = np.clip(np.zeros(spec.action.width), spec.action.low, spec.action.high).astype(np.float32)
            action[axis] = limit[axis]
            start = simulator.load_state(state)["state"][axis]
            for _ in range(steps):
                seen = simulator.step(action)[0]
            moved[way, axis] = abs(float(seen["state"][axis] - start)) / steps
    simulator.load_state(state)
    simulator.renders = drawing
    return np.maximum(moved.max(0), 1e-6)


def _around(simulator: Simulator, hand: Float64[ndarray, "D"], place: Float64[ndarray, "D"]) -> Float64[ndarray, "D"]:
    """Where to go next on a way to `place` that touches nothing: round things on a table, over them in space."""
    if len(hand) == 2:
        truth = simulator.truth()
        things = [truth[entity.name][:2] for entity in simulator.task_spec.of_group("object", "bystander")]
        return np.asarray(next_point(hand, place, np.stack(things), None), np.float64)
    above = place[2] + LIFT
    if np.linalg.norm(place[:2] - hand[:2]) < 0.015:
        return place
    if hand[2] < above - 0.02 and np.linalg.norm(place[:2] - hand[:2]) > 0.05:
        return np.array([hand[0], hand[1], above])
    return np.array([place[0], place[1], max(above, hand[2]) if np.linalg.norm(place[:2] - hand[:2]) > 0.03 else above])
