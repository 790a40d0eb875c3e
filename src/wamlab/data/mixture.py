"""How much of each batch comes from which source: shares over the course of training, and whole numbers of windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from ..errors import WamError


@dataclass(frozen=True)
class Mixture:
    """Shares of the sources, in the order of the datasets.

    share_i(u) = w_i(u) ** (1 / temperature) / sum over j of w_j(u) ** (1 / temperature), with w linear between the points
    and constant before the first and after the last.

    Raises:
        WamError: if the points are out of order, or their weights negative, all zero or not equally many.
    """

    points: tuple[tuple[float, tuple[float, ...]], ...] = ()
    """(progress of the training from 0 to 1, one weight per source), in order; none: as many as a source has windows"""
    temperature: float = 1.0
    """above 1 brings the shares closer together, below 1 further apart"""

    def __post_init__(self) -> None:
        times = [time for time, _ in self.points]
        if not 0 < self.temperature < math.inf or times != sorted(set(times)) or not all(0 <= time <= 1 for time in times):
            raise WamError("the mixture's schedule cannot be followed", where="mixture",
                           expected="a temperature above 0 and ascending points between 0 and 1",
                           got=f"temperature {self.temperature}, points at {times}")
        for time, weights in self.points:
            fine = len(weights) == len(self.points[0][1]) and all(0 <= w < math.inf for w in weights) and sum(weights) > 0
            if not fine:
                raise WamError("the mixture's weights cannot be used", where=f"mixture, at {time:g}", got=weights,
                               expected=f"{len(self.points[0][1])} numbers that are not negative, and not all 0")

    @classmethod
    def parse(cls, words: Sequence[str], temperature: float = 1.0) -> Mixture:
        """From words such as "3,1", or "0:0,1" "0.5:1,1" "1:1,0" for a schedule. Raises WamError for what is neither."""
        points = []
        for word in words:
            time, colon, weights = word.rpartition(":")
            try:
                points.append((float(time) if colon else 0.0, tuple(float(weight) for weight in weights.split(","))))
            except ValueError:
                raise WamError("this is no point of a mixture", where="--mix", got=word, expected="WEIGHT,WEIGHT or "
                               "PROGRESS:WEIGHT,WEIGHT", fix="one weight per dataset, such as --mix 3,1") from None
        return cls(tuple(points), temperature)

    def course(self, steps: int, windows: Sequence[int]) -> Float64[ndarray, "T S"]:
        """The share of each source at each of `steps` steps.

        Args:
            windows: how many each source has.

        Raises:
            WamError: for another number of sources than weights, or a source without windows that is to be drawn from.
        """
        points = self.points or ((0.0, tuple(map(float, windows))),)
        times, weights = np.array([time for time, _ in points]), np.array([weights for _, weights in points])
        if weights.shape[1] != len(windows):
            raise WamError("the mixture is for another number of sources", where="mixture", expected=len(windows),
                           got=weights.shape[1], fix="give one weight per dataset, in their order")
        for number in np.flatnonzero((np.array(windows) == 0) & (weights > 0).any(0)):
            raise WamError(f"the mixture draws on source {number}, of which this model can use no window", where="mixture",
                           expected="weight 0", got=f"weights up to {weights[:, number].max():g}",
                           fix="leave the dataset out, or choose a model that answers: future sought, action absent")
        progress = (np.arange(steps) + 0.5) / steps
        now = np.stack([np.interp(progress, times, column) for column in weights.T], 1)
        flat = (now / now.max(1, keepdims=True)) ** (1 / self.temperature)
        return np.asarray(flat / flat.sum(1, keepdims=True))


def apportion(shares: Float64[ndarray, "T S"], batch: int) -> Int64[ndarray, "T S"]:
    """How many windows of each batch come from each source: whole numbers that add up to `batch`, none from a source whose
    share is 0. What rounding leaves is carried on: a source is never off by as many windows as there are sources."""
    counts = np.zeros(shares.shape, np.int64)
    owed = np.zeros(shares.shape[1])
    for step, share in enumerate(shares):
        owed += share * batch
        count = np.where(share > 0, np.maximum(np.floor(owed + 1e-9), 0), 0).astype(np.int64)
        for _ in range(abs(batch - int(count.sum()))):  # at most about as many as there are sources
            short = count.sum() < batch
            room = share > 0 if short else count > 0
            rest = np.where(room, owed - count, -np.inf if short else np.inf)
            count[rest.argmax() if short else rest.argmin()] += 1 if short else -1
        counts[step], owed = count, owed - count
    return counts
