"""Imagined frames that are right, blurred, late, or of something else: what judges pictures alone.

These measures cannot tell whether a future follows its action; where a saboteur shows only that, the score that sees it is
named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from scipy.ndimage import uniform_filter

from ...ask.branch_data import Branches
from ...metric import Evidence, FramePairs
from ...metrics import get
from ..pixels import NULL_FUTURES
from ..promise import Promise, Table
from . import Family, World


def noisy(dose: float) -> Callable[[Branches, np.random.Generator], ndarray]:
    """True frames with noise of `dose` grey levels."""
    return lambda branches, generator: np.clip(np.round(branches.frames + generator.normal(0, dose, branches.frames.shape)),
                                               0, 255).astype(np.uint8)


def blurred(branches: Branches, generator: np.random.Generator) -> UInt8[ndarray, "C K F h w 3"]:
    """True frames out of focus."""
    return uniform_filter(branches.frames, (0, 0, 0, 5, 5, 0), mode="nearest")


def late(branches: Branches, generator: np.random.Generator) -> UInt8[ndarray, "C K F h w 3"]:
    """True frames, one offset late."""
    now = np.broadcast_to(branches.context_frames[:, -1][:, None, None], branches.frames[:, :, :1].shape)
    return np.concatenate([now, branches.frames[:, :, :-1]], axis=2)


SHOWN: Mapping[str, Callable[[Branches, np.random.Generator], ndarray]] = dict(NULL_FUTURES) | {
    "noise_5": noisy(5), "noise_20": noisy(20), "noise_60": noisy(60), "blur": blurred, "late": late}


def table(world: World) -> Table:
    """Every way of showing through the measures of pictures."""
    branches, rows = world.branches, {}
    assert branches is not None
    contexts, kinds, steps = branches.frames.shape[:3]
    shape = branches.frames.shape[3:]
    now = np.broadcast_to(branches.context_frames[:, -1][:, None, None], branches.frames.shape).reshape(-1, *shape)
    offset = np.tile(np.array(branches.protocol.offsets), contexts * kinds)
    for name, make in SHOWN.items():
        frames = make(branches, np.random.default_rng(world.seed)).reshape(-1, *shape)
        pairs = FramePairs(frames, branches.frames.reshape(-1, *shape), now, offset,
                           np.repeat(np.arange(contexts), kinds * steps))
        evidence = Evidence(name, world.spec, frames=pairs)
        rows[name] = {s.metric: s.value for metric in ("psnr", "ssim", "physics_iq") for s in get(metric)(evidence)}
    return rows


def promises(name: str, best: float) -> tuple[Promise, ...]:
    """Right frames are best, more noise is worse, copying the last frame gains nothing."""
    return (Promise(name, name, "higher", {"oracle": best, "frozen": f"{name}.copy"}, tolerance=1e-5, margin=0.001,
                    chains=(("oracle", "noise_5", "noise_20", "noise_60"), ("oracle", "blur"), ("oracle", "late", "frozen"))),
            Promise(name, f"{name}.either.gain", "higher", {"frozen": 0.0}, tolerance=1e-5, margin=0.001,
                    chains=(("oracle", "blur"), ("oracle", "noise_60"))))


MOTION = Promise("physics_iq", "physics_iq", "higher", {"oracle": 100.0, "frozen": "physics_iq.copy"}, tolerance=1e-5,
                 margin=0.5, chains=(("oracle", "noise_5", "noise_20", "noise_60"), ("oracle", "blur"),
                                     ("oracle", "late", "frozen")))
FAMILY = Family("pictures", table, (*promises("psnr", 60.0), *promises("ssim", 1.0), MOTION), pictures=True)
