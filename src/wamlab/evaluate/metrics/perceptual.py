"""How much imagined frames and clips look like real ones to a pretrained network, always beside copying the last frame.

By default EfficientNet-Lite0, whose weights ship in a package (extra `perceptual`): PFD-Lite0 per frame and KVD-Lite0 per
clip. LPIPS, FVD and DreamSim need weights that the user supplies: see `perceptual.official`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy import ndarray

from ..log import Score
from ..perceptual.clips import clips_of
from ..perceptual.distances import clip_features, frame_distance, paired_mmd
from ..perceptual.lite0 import SIZE, lite0
from ..perceptual.official import BESIDE, paired_scores
from .base import Evidence, Metric

LIMIT = 48
"""clips that are looked at, evenly over all; 240 frames take about 3 seconds of a CPU"""


def pfd(evidence: Evidence) -> Sequence[Score]:
    """1 - cosine of Lite0 features of imagined and real frames."""
    eye = lite0()
    return paired_scores(evidence, "pfd", lambda a, b: frame_distance(eye(a), eye(b)), f"Lite0 at {SIZE} pixels", LIMIT)


def kvd(evidence: Evidence) -> Sequence[Score]:
    """Unbiased kernel distance of clip features; time matters through mean |df/dt|."""
    frames, eye = evidence.frames, lite0()
    assert frames is not None
    clips, full = clips_of(frames, LIMIT), frames.prefix + "kvd"
    if len(np.unique(clips.cluster)) < 3:
        return (evidence.score(full, None, unavailable="fewer than 3 episodes or contexts with whole clips"),)

    def features(pictures: ndarray) -> ndarray:
        return clip_features(eye(pictures.reshape(-1, *pictures.shape[2:])).reshape(*pictures.shape[:2], -1))

    real, note = features(clips.real), f"{len(clips)} clips of {clips.real.shape[1]} frames; Lite0 at {SIZE} pixels"
    return [evidence.score(full + row, paired_mmd(features(made), real, clips.cluster),
                           n=len(np.unique(clips.cluster)), note=note)
            for row, made in (("", clips.imagined), (".copy", clips.copied))]


def _without(name: str, needs: str) -> Metric:
    """A metric of this name that says what it needs; give the real one in a file of your own."""
    why = f"no weights were given: {needs} (docs/metrics-classical.md)"
    return Metric(name, ("frames",), lambda e: (e.score(_prefix(e) + name, None, unavailable=why),), "lower", (0, 1e9),
                  f"{name.upper()}, once its weights are supplied", f"perceptual.official.{name}_metric", children=BESIDE)


def _prefix(evidence: Evidence) -> str:
    assert evidence.frames is not None
    return evidence.frames.prefix


METRICS = (
    Metric("pfd", ("frames",), pfd, "lower", (0, 2), "how different imagined and real frames are to a pretrained network",
           "1 - cosine of EfficientNet-Lite0 features (PFD-Lite0)", children=BESIDE),
    Metric("kvd", ("frames",), kvd, "lower", (-1e9, 1e9), "how different imagined and real clips are as a set, time included",
           "unbiased polynomial-kernel MMD (KID kernel) on Lite0 clip features (KVD-Lite0), paired", children=BESIDE),
    _without("lpips", "a backbone and the linear heads, each with its SHA-256"),
    _without("fvd", "a TorchScript I3D with its SHA-256"),
    _without("dreamsim", "a TorchScript embedding with its SHA-256"),
)
