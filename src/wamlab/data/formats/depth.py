"""Depth pictures: metres as 16-bit whole numbers of a scale, and packed into the three channels of an Episode's camera.

A depth camera's name ends in ".depth". In an Episode its frames are uint8 [T+1, h, w, 3]: high byte, low byte, zero; the
store keeps them to the bit. They must never pass through a lossy codec, and resizing takes the nearest pixel.

What the numbers of somebody else's pictures mean is said by the metadata of their feature (`Coding`), never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped, UInt8, UInt16
from numpy import ndarray

from ...errors import DataError
from ...reading import number

SUFFIX = ".depth"
SCALE = 0.001
"""metres per unit"""
WHOLE = 0.01
"""millimetres by which a depth may miss a whole one and still be it: 32-bit metres do"""
UNITS = {"mm": 0.001, "cm": 0.01, "m": 1.0}
LINEAR, QUANTISED = ("unit", "depth_unit", "scale", "depth_scale"), ("depth_min", "depth_max", "shift", "use_log")
FIX = 'say it in meta/info.json, in the feature\'s info: "is_depth_map": true and "unit": "mm" (or "scale", metres per unit)'


def to_units(metres: Float[ndarray, "*any"]) -> UInt16[ndarray, "*any"]:
    """Whole millimetres; 0 means unknown, 65535 means 65.535 m or more."""
    return np.clip(np.nan_to_num(metres, nan=0.0, posinf=65.535, neginf=0.0) / SCALE + 0.5, 0, 65535).astype(np.uint16)


def to_metres(units: UInt16[ndarray, "*any"], scale: float = SCALE) -> Float32[ndarray, "*any"]:
    return units.astype(np.float32) * np.float32(scale)


def pack(units: UInt16[ndarray, "*any h w"]) -> UInt8[ndarray, "*any h w 3"]:
    """As frames of an Episode."""
    return np.stack([units >> 8, units & 255, np.zeros_like(units)], -1).astype(np.uint8)


def unpack(frames: UInt8[ndarray, "*any h w 3"]) -> UInt16[ndarray, "*any h w"]:
    """The inverse of `pack`."""
    return (frames[..., 0].astype(np.uint16) << 8) | frames[..., 1]


def said(info: Mapping[str, Any], name: str) -> Any:
    """What the `info` of a feature says under a name, or under the same behind "video."; None where it says nothing."""
    return info.get(name, info.get(f"video.{name}"))


def is_depth(info: Mapping[str, Any], where: str = "info") -> bool:
    """Whether a feature's pictures are depth: as it is marked; without a mark, whether it says what its numbers mean.

    Raises:
        DataError: for a mark that is neither true nor false; `where` is the place of `info`.
    """
    mark = said(info, "is_depth_map")
    if mark is None:
        return any(said(info, name) is not None for name in (*LINEAR, *QUANTISED))
    if not isinstance(mark, bool):
        name = "is_depth_map" if "is_depth_map" in info else "video.is_depth_map"
        raise DataError("nothing says whether the pictures are depth", where=f"{where}.{name}", expected="true or false",
                        got=repr(mark)[:40], fix="write it without quotation marks, or leave it out for colours")
    return mark


@dataclass
class Lost:
    """Pixels whose depth is not kept as it was, counted as they are read."""

    pixels: int = 0
    """all"""
    rounded: int = 0
    """to whole millimetres"""
    clipped: int = 0
    """to 0 or 65.535 m"""

    def add(self, metres: Float[ndarray, "*any"]) -> None:
        """Count pixels before they become whole millimetres; those without a number are unknown before and after."""
        rounded, clipped = changed(metres)
        self.pixels += metres.size
        self.rounded += int(rounded.sum())
        self.clipped += int(clipped.sum())


def changed(metres: Float[ndarray, "*any"]) -> tuple[Bool[ndarray, "*any"], Bool[ndarray, "*any"]]:
    """Which pixels `to_units` rounds, and which it clips."""
    with np.errstate(invalid="ignore", over="ignore"):
        units = np.asarray(metres, np.float64) / SCALE
        clipped = (units < -0.5) | (units >= 65535.5)
        return ~clipped & (np.abs(units - np.rint(units)) > WHOLE), clipped


Table = tuple[UInt16[ndarray, "K"], Bool[ndarray, "K"], Bool[ndarray, "K"]]
"""of each whole number from 0 on: millimetres, whether they are rounded, whether they are clipped"""


@dataclass(frozen=True)
class Coding:
    """What the numbers of a feature's depth pictures mean.

    Codes of a quantised video go from `low` to `high` evenly, or evenly in log(depth + shift); the lowest also stands for all
    that is nearer or was not measured, so it is unknown.
    """

    where: str
    scale: float | None
    """metres per unit; None where nothing is said"""
    quantised: bool = False
    low: float = 0.0
    high: float = 0.0
    shift: float = 0.0
    """metres"""
    log: bool = False
    lost: Lost = field(default_factory=Lost, compare=False)
    """what was not kept of the pictures that were read with it"""

    @classmethod
    def read(cls, info: Mapping[str, Any], where: str) -> Coding:
        """From the `info` of a feature. Raises DataError for what is impossible or said by half."""
        def get(name: str, low: float, high: float) -> float | None:
            value = said(info, name)
            return None if value is None else number(value, f"{where}.{name}", low, high)

        units = {name: said(info, name) for name in ("unit", "depth_unit") if said(info, name) is not None}
        for name, unit in units.items():
            if not isinstance(unit, str) or unit not in UNITS:
                raise DataError("the unit of depth is not known", where=f"{where}.{name}", expected=", ".join(UNITS),
                                got=repr(unit)[:40])
        factors = [value for name in ("scale", "depth_scale") if (value := get(name, 1e-9, 1e3)) is not None]
        sizes = [UNITS[unit] for unit in units.values()]
        if len(set(factors)) > 1 or len(set(sizes)) > 1:
            raise DataError("the scale of depth is said twice, differently", where=where, expected="one unit and one scale",
                            got=", ".join([*units.values(), *map(str, factors)]))
        scale = (factors or [1.0])[0] * (sizes or [1.0])[0] if factors or sizes else None
        if all(said(info, name) is None for name in QUANTISED):
            return cls(where, scale)
        low, high, shift = get("depth_min", 0, 1e4), get("depth_max", 0, 1e4), get("shift", -1e4, 1e4)
        log = said(info, "use_log")
        missing = [name for name, value in (("depth_min", low), ("depth_max", high), ("use_log", log),
                                            *([("shift", shift)] if log else [])) if value is None]
        if missing or low is None or high is None:
            raise DataError("how depth was turned into codes is said by half", where=f"{where}.{missing[0]}",
                            expected=", ".join(QUANTISED), got=f"no {', '.join(missing)}",
                            fix="take them from the tool that wrote the dataset")
        if not isinstance(log, bool) or not low < high or (log and low + (shift or 0.0) <= 0):
            raise DataError("depth cannot have been turned into codes so", where=where,
                            expected="depth_min < depth_max, use_log true or false, depth_min + shift > 0",
                            got=f"{low:g} to {high:g} m, use_log {log!r}, shift {shift}")
        return cls(where, scale, True, low, high, shift or 0.0, log)

    def codes_to_units(self, codes: UInt16[ndarray, "*any"], bits: int) -> UInt16[ndarray, "*any"]:
        """Codes of a video of so many bits as millimetres. Raises DataError if nothing says what they mean."""
        top = 2 ** bits - 1
        if not self.quantised:
            if self.scale is None:
                raise DataError("nothing says what the numbers of the depth video mean", where=self.where,
                                expected=f"{', '.join(QUANTISED)}; or a unit or scale", got="none of them",
                                fix="take them from the tool that wrote the dataset")
            return self.numbers_to_units(codes)
        if int(codes.max(initial=0)) > top:
            raise DataError("the depth video holds codes beyond its bits", where=self.where, expected=f"at most {top}",
                            got=int(codes.max()))
        return self._looked_up(codes, _of_codes(self, top))

    def _looked_up(self, values: Shaped[ndarray, "*any"], table: Table) -> UInt16[ndarray, "*any"]:
        """Whole numbers as millimetres, and counted what is lost."""
        units, *changes = table
        rounded, clipped = (int(mark[values].sum()) if mark.any() else 0 for mark in changes)
        self.lost.pixels += values.size
        self.lost.rounded += rounded
        self.lost.clipped += clipped
        return units[values]

    def numbers_to_units(self, values: Shaped[ndarray, "*any"]) -> UInt16[ndarray, "*any"]:
        """Numbers of a lossless picture as millimetres.

        Where nothing is said of a picture that is marked as depth, LeRobot's rule holds: fractions are metres, 16-bit whole
        numbers millimetres.

        Raises:
            DataError: for 8-bit numbers without a scale, whole metres, and where only codes of a video are described.
        """
        whole, scale = values.dtype.kind in "ui", self.scale
        if scale is None and values.dtype.itemsize > 1:
            scale = SCALE if whole else 1.0
        if scale is None or (whole and scale >= 1) or (self.quantised and self.scale is None):
            got = "no scale" if scale is None or scale < 1 else f"{scale:g} m per unit"
            raise DataError("nothing says what the numbers of the depth picture mean", where=self.where,
                            expected=f"the scale of {values.dtype} numbers", got=got, fix=FIX)
        if values.dtype == np.uint16 and scale == SCALE:
            return values
        if values.dtype in (np.uint8, np.uint16):
            return self._looked_up(values, _of_numbers(scale, int(np.iinfo(values.dtype).max)))
        metres = values.astype(np.float64) * scale
        self.lost.add(metres)
        return to_units(metres)


@lru_cache(maxsize=8)
def _of_codes(coding: Coding, top: int) -> Table:
    """What the codes of a quantised video from 0 to `top` mean."""
    first, last = (math.log(end + coding.shift) if coding.log else end for end in (coding.low, coding.high))
    metres = first + (last - first) * np.arange(top + 1) / top
    if coding.log:
        metres = np.exp(metres) - coding.shift
    units, (rounded, clipped) = to_units(metres), changed(metres)
    rounded &= np.gradient(metres) < SCALE  # codes farther apart are themselves coarser than a millimetre
    units[0], rounded[0], clipped[0] = 0, False, False
    return units, rounded, clipped


@lru_cache(maxsize=8)
def _of_numbers(scale: float, top: int) -> Table:
    """What numbers from 0 to `top` of so many metres each mean."""
    metres = np.arange(top + 1) * scale
    return to_units(metres), *changed(metres)
