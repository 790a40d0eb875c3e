"""Invertible transforms: what an action means, and its scale. Statistics are fitted after the former, never before.

No scale knows a unit: what counts as hardly varying is a share of the channel's own numbers, or of its legal range. Numbers in
millimetres are learned from as those in metres are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Shaped
from numpy import ndarray
from torch import Tensor

from ..errors import DataError, SpecError
from ..spec import ActionKind

Array = TypeVar("Array", ndarray, Tensor)
Limits = tuple[tuple[float, ...], tuple[float, ...]]
"""lowest and highest legal value per channel"""
ROUNDING = 1e-6
"""share of a channel's largest number within which its range is rounding: a few steps of single precision"""
SIZE = 1e-3
"""smallest scale of a channel without limits, as a share of its largest number"""
LEGAL, REST = 0.005, 0.025
"""smallest scale of a channel with limits, as a share of its legal range; and the scale of one that stands still, which has no
deviation of its own, but may be given other values later"""


def _like(values: ndarray, example: Array) -> Array:
    """`values` as the example's kind of array, on its device and of its type."""
    if isinstance(example, Tensor):
        return torch.as_tensor(values, dtype=example.dtype, device=example.device)
    return values.astype(example.dtype)


def stands_still(values: Shaped[ndarray, "... D"]) -> Bool[ndarray, "D"]:
    """Per channel: whether its numbers are one number but for rounding. True where there are no rows."""
    rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
    if not len(rows):
        return np.ones(rows.shape[1], bool)
    return np.asarray(np.ptp(rows, axis=0) <= ROUNDING * np.abs(rows).max(0))


def floors(values: Shaped[ndarray, "... D"], limits: Limits | None = None) -> Float64[ndarray, "D"]:
    """The smallest scale per channel, in its own unit and above 0: a deviation below it is not blown up.

    Args:
        limits: the legal range of each channel, where it has one.

    Where nothing is known of a channel's size (zeros without limits) it is 1.
    """
    rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
    least = SIZE * np.abs(rows).max(0, initial=0)
    if limits is not None:
        width = np.array(limits[1], np.float64) - np.array(limits[0], np.float64)
        legal = np.where(stands_still(values), np.maximum(REST * width, least), LEGAL * width)
        least = np.where(legal > 0, legal, least)
    return np.where(least > 0, least, 1.0)


@dataclass(frozen=True)
class Affine:
    """`apply(x) = (x - shift) / scale` per channel of the last axis; `invert` undoes it."""

    shift: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, values: Shaped[ndarray, "... D"], mask: Bool[ndarray, "..."] | None = None,
            mode: Literal["meanstd", "range"] = "meanstd", floor: float = SIZE, limits: Limits | None = None) -> Affine:
        """Learn the scale of data.

        Args:
            values: rows of D channels, already in the meaning that will be scaled (delta, relative, absolute).
            mask: which rows count.
            mode: "meanstd" maps to mean 0 and deviation 1, "range" maps the smallest and largest value to -1 and 1.
            floor: a channel whose deviation (or half range) is below this share of its size (half the legal range, without
                limits the largest number) counts as constant: it is scaled by that size, so that noise in it is never blown up.
            limits: lowest and highest legal value of each channel, where it has limits.

        Raises:
            DataError: if no row counts or a number is not finite.
        """
        rows = (values if mask is None else values[mask]).reshape(-1, values.shape[-1]).astype(np.float64)
        if not len(rows) or not np.isfinite(rows).all():
            raise DataError("statistics cannot be computed", where="Affine.fit", expected="at least one row of finite numbers",
                            got="no rows" if not len(rows) else "numbers that are not finite", fix="check the dataset")
        if mode == "meanstd":
            shift, scale = rows.mean(0), rows.std(0)
        else:
            shift, scale = (rows.max(0) + rows.min(0)) / 2, (rows.max(0) - rows.min(0)) / 2
        size = np.abs(rows).max(0)
        if limits is not None:
            size = np.maximum((np.array(limits[1]) - np.array(limits[0])) / 2, SIZE * size)
        constant = (scale < floor * size) | stands_still(rows)
        return cls(tuple(shift.tolist()), tuple(np.where(constant, np.where(size > 0, size, 1.0), scale).tolist()))

    def apply(self, x: Array) -> Array:
        self._check(x.shape[-1])
        return (x - _like(np.array(self.shift), x)) / _like(np.array(self.scale), x)

    def invert(self, x: Array) -> Array:
        self._check(x.shape[-1])
        return x * _like(np.array(self.scale), x) + _like(np.array(self.shift), x)

    def _check(self, width: int) -> None:
        if width != len(self.shift):
            raise SpecError("these statistics are of another width", where="Affine", expected=len(self.shift), got=width,
                            fix="use the statistics that were fitted on this kind of data")

    def to_json(self) -> dict[str, list[float]]:
        return {"shift": list(self.shift), "scale": list(self.scale)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Affine:
        """Raises DataError if the numbers are missing, not finite, or a scale is not positive."""
        try:
            shift, scale = (tuple(float(v) for v in value[name]) for name in ("shift", "scale"))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("the statistics are damaged", where="Affine", expected="shift and scale", got=error) from error
        if len(shift) != len(scale) or not np.isfinite([*shift, *scale]).all() or any(s <= 0 for s in scale):
            raise DataError("the statistics are damaged", where="Affine", expected="finite shifts and positive scales",
                            got=value, fix="fit them again, or restore the file they came from")
        return cls(shift, scale)


@dataclass(frozen=True)
class ActionMeaning:
    """Rewrites chunks of actions from one meaning into another, exactly undone by `invert`.

    delta: change per step; relative: sum of the changes since the chunk's start; absolute: the target value, which is
    the reference (where the channel stands at the chunk's start) plus the relative value.
    """

    source: ActionKind
    target: ActionKind
    moving: tuple[bool, ...]
    """per channel: False for those that mean the same in all kinds, such as a gripper command"""
    unit: tuple[float, ...]
    """per channel: the size of one action unit in the reference's unit, for example 0.01 m for cm per step"""

    def apply(self, chunk: Array, reference: Array) -> Array:
        """`chunk` [..., K, A] in the source meaning and `reference` [..., A] to the target meaning.

        Raises:
            SpecError: for another number of channels.
        """
        return self._convert(chunk, reference, self.source, self.target)

    def invert(self, chunk: Array, reference: Array) -> Array:
        """From the target meaning back to the source meaning."""
        return self._convert(chunk, reference, self.target, self.source)

    def _convert(self, chunk: Array, reference: Array, source: ActionKind, target: ActionKind) -> Array:
        steps, width = chunk.shape[-2:]
        if width != len(self.moving) or reference.shape[-1] != width:
            raise SpecError("the chunk does not have the transform's channels", where="ActionMeaning",
                            expected=len(self.moving), got=f"chunk {width}, reference {reference.shape[-1]}")
        if source == target:
            return chunk
        unit, start = _like(np.array(self.unit), chunk), reference[..., None, :]
        add = _like(np.tril(np.ones((steps, steps))), chunk)
        subtract = _like(np.eye(steps) - np.eye(steps, k=-1), chunk)
        relative = {"delta": lambda: add @ chunk, "relative": lambda: chunk,
                    "absolute": lambda: (chunk - start) / unit}[source]()
        wanted = {"delta": lambda: subtract @ relative, "relative": lambda: relative,
                  "absolute": lambda: start + relative * unit}[target]()
        moving = _like(np.array(self.moving), chunk)
        return wanted * moving + chunk * (1 - moving)
