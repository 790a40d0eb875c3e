"""Pictures through the distances of a network's features. The network here is a fixed random one: what is examined are the
distances, and the result must not depend on which weights are installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter, uniform_filter

from ....spec import ActionSpec, TaskSpec
from ...metric import Evidence, FramePairs
from ...metrics.perceptual import kvd, pfd
from ..promise import Promise, Table, seen_by
from . import Family, World

CLIPS, FRAMES, SIZE = 12, 4, 32
SPEC = TaskSpec("toy", "toy", ("main",), (SIZE, SIZE), ("x",), ActionSpec(("x",), (-1.0,), (1.0,), ("m",)), (), 10.0, 50)
Clips = UInt8[ndarray, "N T h w 3"]


def network(frames: UInt8[ndarray, "N h w 3"]) -> Float[ndarray, "N 96"]:
    """Random 4x4 patches with stride 2, rectified; their mean and spread over the picture and over its halves."""
    filters = np.random.default_rng(7).normal(size=(4 * 4 * 3, 24)) / 7
    grey = frames / 255 - 0.5
    seen = np.stack([grey[:, row:row + grey.shape[1] - 3:2, column:column + grey.shape[2] - 3:2]
                     for row in range(4) for column in range(4)], -1)  # patches [N, m, n, 3, 16]
    maps = np.maximum(seen.reshape(*seen.shape[:3], -1) @ filters, 0)
    half = maps.shape[2] // 2
    parts = (maps.mean((1, 2)), maps.std((1, 2)), maps[:, :, :half].mean((1, 2)), maps[:, :half].mean((1, 2)))
    return np.concatenate(parts, -1)


def clips() -> Clips:
    """Grounds of smooth noise, before each of which a bright square moves."""
    generator = np.random.default_rng(3)
    ground = 255 * np.clip(0.5 + 1.5 * gaussian_filter(generator.normal(size=(CLIPS, SIZE, SIZE, 3)), (0, 3, 3, 0)), 0, 1)
    out = np.repeat(ground[:, None], FRAMES + 1, 1).astype(np.uint8)
    for clip, (row, column) in zip(out, generator.integers(0, 8, (CLIPS, 2)), strict=True):
        for t, frame in enumerate(clip):
            frame[row + 2:row + 10, column + 4 * t:column + 4 * t + 8] = (240, 60, 40)
    return out


def noisy(dose: float) -> Callable[[Clips], Clips]:
    """Noise of `dose` grey levels, the same draw for every dose."""
    return lambda real: np.clip(real + np.random.default_rng(5).normal(0, dose, real.shape), 0, 255).astype(np.uint8)


SABOTEURS: Mapping[str, Callable[[Clips], Clips]] = {
    "oracle": lambda real: real, "frozen": lambda real: np.repeat(real[:, :1], FRAMES + 1, 1),
    "elsewhere": lambda real: np.roll(real, CLIPS // 2, axis=0), "time_reversed": lambda real: real[:, ::-1],
    "noise_5": noisy(5), "noise_20": noisy(20), "noise_60": noisy(60),
    "blur": lambda real: uniform_filter(real, (0, 0, 7, 7, 0), mode="nearest"),
}


def table(world: World) -> Table:
    """The world at hand has no part in it."""
    real, rows = clips(), {}
    now = np.repeat(real[:, 0], FRAMES, 0)
    for name, change in SABOTEURS.items():
        made, true = (x[:, 1:].reshape(-1, SIZE, SIZE, 3) for x in (change(real), real))
        evidence = Evidence(name, SPEC, frames=FramePairs(
            made, true, now, np.tile(np.arange(1, FRAMES + 1), CLIPS), np.repeat(np.arange(CLIPS), FRAMES)))
        rows[name] = {s.metric: s.value for metric in (pfd, kvd) for s in metric(evidence, network, "a random network")}
    return rows


FAMILY = Family("features", table, (
    Promise("pfd", "pfd", "lower", {"oracle": 0.0, "frozen": "pfd.copy"}, margin=1e-4,
            chains=(("oracle", "noise_5", "noise_20", "noise_60"), ("oracle", "blur"))),
    Promise("kvd", "kvd", "lower", {"oracle": 0.0, "frozen": "kvd.copy"}, margin=1e-5,
            chains=(("oracle", "noise_5", "noise_20", "noise_60"), ("oracle", "blur")),
            # a set of clips is the same set when its clips change places
            blind=seen_by("pfd", "elsewhere")),
))
