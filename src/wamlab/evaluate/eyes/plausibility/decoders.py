"""From two frames to the actions between them. Every decoder has seen true frames and true states only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from ....errors import DataError
from ....spec import EntitySpec
from ...metric import positions

Read = Callable[[UInt8[ndarray, "*batch h w 3"]], Mapping[str, Float[ndarray, "*batch _"]]]
"""states per entity from frames, such as `Readout.states`"""


@runtime_checkable
class Decoder(Protocol):
    """An inverse dynamics of some kind."""

    @property
    def name(self) -> str: ...

    def __call__(self, before: UInt8[ndarray, "N h w 3"], after: UInt8[ndarray, "N h w 3"],
                 steps: int) -> Float[ndarray, "N A"]:
        """The mean action per control step that leads from one frame to the other, in physical units, not clipped."""


@dataclass(frozen=True, eq=False)
class Kinematic:
    """The displacement of the hand, read from both frames, in units of what an action moves it by. What a displacement does
    not tell (a gripper's channel) is the mean of the true actions."""

    read: Read
    hand: str
    weight: Float[ndarray, "p1 A"]
    """action per displacement (metres or the spec's unit per control step), the last row is the constant"""
    name: str = "kinematic"

    def __call__(self, before: UInt8[ndarray, "N h w 3"], after: UInt8[ndarray, "N h w 3"],
                 steps: int) -> Float[ndarray, "N A"]:
        width = len(self.weight) - 1
        moved = (self.read(after)[self.hand] - self.read(before)[self.hand])[:, :width] / steps
        return np.concatenate([moved, np.ones((len(moved), 1))], 1) @ self.weight


def kinematic(read: Read, hand: EntitySpec, truth: Float[ndarray, "N T1 D"],
              actions: Float[ndarray, "N T A"]) -> Kinematic:
    """Fit how far an action moves the hand, by least squares over true states; mean motion against mean action.

    Args:
        truth: the hand's true states over N stretches of T control steps. actions: taken in them.

    Raises:
        DataError: with fewer than 10 stretches, or if the hand never moves.
    """
    moved = (truth[:, -1] - truth[:, 0])[:, :positions(hand)] / actions.shape[1]
    if len(moved) < 10 or np.abs(moved).max() < hand.tolerance / actions.shape[1]:
        raise DataError("how far an action moves the hand cannot be told", where=hand.name, got=f"{len(moved)} stretches",
                        expected="at least 10 stretches in some of which it moves", fix="give true play or demonstrations")
    design = np.concatenate([moved, np.ones((len(moved), 1))], 1)
    ridge = 1e-6 * np.diag(np.append(moved.var(0).max() * np.ones(moved.shape[1]), 0)) * len(moved)
    return Kinematic(read, hand.name, np.linalg.solve(design.T @ design + ridge, design.T @ actions.mean(1)))
