"""Pictures in which things vanish, grow, smear or appear: what looks for things by their colour is examined here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ....simulators.physics_scenes import RED
from ....spec import ActionSpec, TaskSpec
from ...metric import Evidence, FramePairs
from ...metrics import get
from ..promise import Promise, Table, seen_by
from . import Family, World

CLIPS, FRAMES, SIZE, SIDE = 6, 6, 64, 10
GROUND = 220
SPEC = TaskSpec("physics/drop", "toy", ("main",), (SIZE, SIZE), ("x",), ActionSpec(("x",), (-1.0,), (1.0,), ("m",)), (), 40.0,
                80)


def film(grow: float = 1.0, flat: bool = False) -> UInt8[ndarray, "N h w 3"]:
    """Clips of a red block that falls; every third moment of every clip it is hidden."""
    out = np.full((CLIPS, FRAMES, SIZE, SIZE, 3), GROUND, np.uint8)
    height, width = (SIDE // 2, 2 * SIDE) if flat else (round(SIDE * grow),) * 2
    for clip in range(CLIPS):
        for t in range(FRAMES):
            if t % 3 != 2:
                top, left = 4 + 6 * t, 6 + 5 * clip
                out[clip, t, top:top + height, left:left + width] = np.round(255 * np.array(RED))
    return out.reshape(-1, SIZE, SIZE, 3)


def still(real: UInt8[ndarray, "N h w 3"]) -> UInt8[ndarray, "N h w 3"]:
    """The first frame of every clip, for ever."""
    return np.repeat(real.reshape(CLIPS, FRAMES, SIZE, SIZE, 3)[:, :1], FRAMES, 1).reshape(real.shape)


SABOTEURS: Mapping[str, Callable[[ndarray], ndarray]] = {
    "oracle": lambda real: real, "vanished": lambda real: np.full_like(real, GROUND), "grown": lambda real: film(1.5),
    "flattened": lambda real: film(flat=True), "frozen": still,
}


def table(world: World) -> Table:
    """The world at hand has no part in it."""
    real = film()
    cluster = np.repeat(np.arange(CLIPS), FRAMES)
    rows = {}
    for name, change in SABOTEURS.items():
        pairs = FramePairs(change(real), real, still(real), np.tile(np.arange(1, FRAMES + 1), CLIPS), cluster)
        rows[name] = {s.metric: s.value for s in get("appearance")(Evidence(name, SPEC, frames=pairs))}
    return rows


def blind(score: str, *saboteurs: str) -> dict[str, str]:
    return seen_by(f"appearance.{score}", *saboteurs)


FAMILY = Family("things", table, (
    Promise("appearance", "appearance.permanence", "lower", {"oracle": 0.0, "vanished": 1.0},
            blind=blind("shape", "grown", "flattened") | blind("phantom", "frozen")),
    Promise("appearance", "appearance.phantom", "lower", {"oracle": 0.0, "vanished": 0.0, "frozen": "appearance.phantom.copy"},
            blind=blind("shape", "grown", "flattened")),
    Promise("appearance", "appearance.shape", "lower", {"oracle": 0.0, "vanished": None},
            blind=blind("phantom", "frozen")),
))
