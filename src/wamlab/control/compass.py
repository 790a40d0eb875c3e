"""Motion of one size in eight directions, and standing still: play whose actions form a small known set, so that what a
labeller finds in the pictures can be counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64, Int64
from numpy import ndarray

from ..simulators import Simulator
from ..spec import ActionSpec

SECTORS = 8
STILL = 0
"""number of the action that does nothing; 1 to 8 are the directions, counted from the first channel towards the second"""


def compass_actions(spec: ActionSpec) -> Float64[ndarray, "9 A"]:
    """Standing still and eight steps of one size (the smaller limit of the first two channels); other channels are zero, or
    the legal value nearest to it."""
    low, high = np.array(spec.low), np.array(spec.high)
    size = min(*high[:2], *-low[:2])
    angle = np.arange(SECTORS) * 2 * np.pi / SECTORS
    table = np.tile(np.clip(0.0, low, high), (SECTORS + 1, 1))
    table[1:, :2] = size * np.stack([np.cos(angle), np.sin(angle)], 1)
    return table


def compass_classes(actions: Float[ndarray, "N A"], spec: ActionSpec) -> Int64[ndarray, "N"]:
    """Which of the nine each action is nearest to, by its first two channels: the sector of 45 degrees that it points into, or
    standing still below half a step."""
    size = min(*np.array(spec.high)[:2], *-np.array(spec.low)[:2])
    angle = np.arctan2(actions[:, 1], actions[:, 0])
    sector = np.round(angle / (2 * np.pi / SECTORS)).astype(np.int64) % SECTORS + 1
    return np.where(np.linalg.norm(actions[:, :2], axis=1) < size / 2, STILL, sector)


def compass_player(simulator: Simulator, generator: np.random.Generator) -> Callable[[], ndarray]:
    """Each of the nine is held for 1 to 3 control steps. A direction into which the hand cannot go (a table's edge, a thing
    that does not give way) is not taken: its pictures would show something else."""
    table = compass_actions(simulator.task_spec.action)
    left, action = 0, table[STILL]

    def act() -> ndarray:
        nonlocal left, action
        if left == 0 or not can_go(simulator, action):
            choices = [table[i] for i in generator.permutation(len(table))]
            action = next((choice for choice in choices if can_go(simulator, choice)), table[STILL])
            left = int(generator.integers(1, 4))
        left -= 1
        return action

    return act


def can_go(simulator: Simulator, action: Float[ndarray, "A"]) -> bool:
    """Whether the hand then moves within 25 degrees of where the action points; the simulator is left as it was."""
    size = np.linalg.norm(action[:2])
    if size == 0:
        return True
    state, drawing, hand = simulator.save_state(), simulator.renders, simulator.task_spec.robot().name
    simulator.renders = False
    start = simulator.truth()[hand][:2]
    simulator.step(action.astype(np.float32))
    way = simulator.truth()[hand][:2] - start
    simulator.load_state(state)
    simulator.renders = drawing
    return bool(way @ action[:2] > 0.9 * np.linalg.norm(way) * size)
