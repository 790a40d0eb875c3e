"""Invertible transforms: what an action means, and its scale. Statistics are fitted after the former, never before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from numpy import ndarray
from torch import Tensor

from ..errors import DataError, SpecError
from ..spec import ActionKind

Array = TypeVar("Array", ndarray, Tensor)


def _like(values: ndarray, example: Array) -> Array:
    """`values` as the example's kind of array, on its device and of its type."""
    if isinstance(example, Tensor):
        return torch.as_tensor(values, dtype=example.dtype, device=example.device)
    return values.astype(example.dtype)


@dataclass(frozen=True)
class Affine:
    """`apply(x) = (x - shift) / scale` per channel of the last axis; `invert` undoes it."""

    shift: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, values: Shaped[ndarray, "... D"], mask: Bool[ndarray, "..."] | None = None,
            mode: Literal["meanstd", "range"] = "meanstd", floor: float = 1e-3) -> Affine:
        """Learn the scale of data.

        Args:
            values: rows of D channels, already in the meaning that will be scaled (delta, relative, absolute).
            mask: which rows count.
            mode: "meanstd" maps to mean 0 and deviation 1, "range" maps the smallest and largest value to -1 and 1.
            floor: a channel whose deviation (or half range) is below it counts as constant: it is only shifted, so
                that noise in it is never blown up.

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
        return cls(tuple(shift.tolist()), tuple(np.where(scale < floor, 1.0, scale).tolist()))

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
