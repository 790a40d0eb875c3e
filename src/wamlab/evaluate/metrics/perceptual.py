"""How much imagined frames and clips look like real ones to a pretrained network, always beside copying the last frame.

By default EfficientNet-Lite0, whose weights ship in a package (extra `perceptual`): PFD-Lite0 per frame and KVD-Lite0 per
clip. LPIPS, FVD and DreamSim need weights that the user supplies: see `eyes.perceptual.official`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from ..eyes.perceptual.clips import clips_of
from ..eyes.perceptual.distances import clip_features, frame_distance, paired_mmd
from ..eyes.perceptual.lite0 import SIZE, lite0
from ..eyes.perceptual.official import BESIDE, paired_scores
from ..log import Score
from ..metric import Evidence, Metric

LIMIT = 48
"""clips that are looked at, evenly over all; 240 frames take about 3 seconds of a CPU"""


Eye = Callable[[UInt8[ndarray, "N h w 3"]], Float[ndarray, "N D"]]
"""frames to features"""


def pfd(evidence: Evidence, eye: Eye | None = None, name: str = f"Lite0 at {SIZE} pixels") -> Sequence[Score]:
    """1 - cosine of features of imagined and real frames; of Lite0 if no other network is given."""
    see = lite0() if eye is None else eye
    return paired_scores(evidence, "pfd", lambda a, b: frame_distance(see(a), see(b)), name, LIMIT)


def kvd(evidence: Evidence, eye: Eye | None = None, name: str = f"Lite0 at {SIZE} pixels") -> Sequence[Score]:
    """Unbiased kernel distance of clip features; time matters through mean |df/dt|."""
    frames, see = evidence.frames, lite0() if eye is None else eye
    assert frames is not None
    clips, full = clips_of(frames, LIMIT), frames.prefix + "kvd"
    if len(np.unique(clips.cluster)) < 3:
        return (evidence.score(full, None, unavailable="fewer than 3 episodes or contexts with whole clips"),)

    def features(pictures: ndarray) -> ndarray:
        return clip_features(see(pictures.reshape(-1, *pictures.shape[2:])).reshape(*pictures.shape[:2], -1))

    real, note = features(clips.real), f"{len(clips)} clips of {clips.real.shape[1]} frames; {name}"
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
