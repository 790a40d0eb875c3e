"""Depth pictures: metres as 16-bit whole numbers of a scale, and packed into the three channels of an Episode's camera.

A depth camera's name ends in ".depth". In an Episode its frames are uint8 [T+1, h, w, 3]: high byte, low byte, zero; the
store keeps them to the bit. They must never pass through a lossy codec, and resizing takes the nearest pixel.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8, UInt16
from numpy import ndarray

SUFFIX = ".depth"
SCALE = 0.001
"""metres per unit"""


def to_units(metres: Float32[ndarray, "*any"]) -> UInt16[ndarray, "*any"]:
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
