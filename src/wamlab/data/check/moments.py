"""Linear fits over many episodes from sums that can be added and taken away: to leave an episode out costs one subtraction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

Model = Callable[[ndarray], ndarray]


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over rows of inputs and outputs side by side, counted from a common origin so that no digits are lost."""

    inputs: int
    """how many of the columns are inputs"""
    origin: Float64[ndarray, "W"]
    rows: int
    total: Float64[ndarray, "W"]
    square: Float64[ndarray, "W W"]

    @classmethod
    def of(cls, inputs: Sequence[ndarray], outputs: Sequence[ndarray], origin: ndarray | None = None) -> Moments:
        """The sums over some episodes.

        Args:
            inputs, outputs: per episode [rows, channels]; at least one episode, or an `origin`.
            origin: that of the sums to which these are added; None: the mean of the first episode that has rows.
        """
        if origin is None:
            first = next((n for n, x in enumerate(inputs) if len(x)), 0)
            origin = np.concatenate([inputs[first].mean(0), outputs[first].mean(0)]).astype(np.float64)
        rows, total, square = 0, np.zeros(len(origin)), np.zeros((len(origin), len(origin)))
        width = 0
        for x, y in zip(inputs, outputs, strict=True):
            away = np.concatenate([x, y], 1) - origin
            rows, total, square, width = rows + len(away), total + away.sum(0), square + away.T @ away, x.shape[1]
        return cls(width, origin, rows, total, square)

    def __add__(self, other: Moments) -> Moments:
        return Moments(max(self.inputs, other.inputs), self.origin, self.rows + other.rows, self.total + other.total,
                       self.square + other.square)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.inputs, self.origin, self.rows - other.rows, self.total - other.total, self.square - other.square)

    def fit(self, strength: float = 1e-6) -> Model:
        """The linear map with offset from inputs to outputs, least squares with a ridge of `strength` (of the number of rows,
        for inputs of unit deviation)."""
        x, mean = slice(self.inputs), self.total / self.rows
        spread = self.square / self.rows - np.outer(mean, mean)
        varies = np.diag(spread)[x] > 1e-14 * np.diag(self.square)[x] / self.rows  # beyond what rounding leaves of a constant
        scale = np.sqrt(np.where(varies, np.diag(spread)[x], 1))
        gram = spread[x, x] / np.outer(scale, scale) + strength * np.eye(self.inputs)
        weights = np.linalg.solve(gram, spread[x, self.inputs:] / scale[:, None]) / scale[:, None]
        middle, offset = self.origin[x] + mean[x], self.origin[self.inputs:] + mean[self.inputs:]
        return lambda values: (values - middle) @ weights + offset


def fit_linear(inputs: Sequence[ndarray], outputs: Sequence[ndarray], strength: float = 1e-6) -> Model:
    """A linear map with offset from inputs to outputs, over some episodes; see `Moments.fit`."""
    return Moments.of(inputs, outputs).fit(strength)


def fold_of(count: int, folds: int) -> list[list[int]]:
    """Episodes dealt to at most `folds` folds, in turn."""
    folds = min(folds, count)
    return [list(range(fold, count, folds)) for fold in range(folds)]
