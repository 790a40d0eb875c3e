"""LPIPS, FVD and DreamSim as metrics, built from weights that the user supplies. In a file of your own:

    from pathlib import Path
    from wamlab.evaluate.eyes.perceptual.official import lpips_metric
    from wamlab.evaluate.eyes.perceptual.weights import Weights

    METRICS = (lpips_metric("alex", Weights(Path("alexnet.pth"), "7be5be79..."), Weights(Path("alex.pth"), "df73285e...")),)

Every score carries the paths and digests in its note. Without weights the metrics of these names say that they are
unavailable and what they need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from numpy import ndarray

from ....errors import WamError
from ...log import Score
from ...metric import Evidence, Metric
from ...statistics import mean_of_clusters
from .clips import Clips, clips_of
from .distances import frechet
from .lpips import Net, load
from .weights import Weights

Distance = Callable[[ndarray, ndarray], Float64[ndarray, "N"]]
BESIDE = {"copy": "the same for copying the last frame seen", "gain": "copy minus imagination, paired: above 0 is better"}
LEAST_CLIPS = 8


def paired_scores(evidence: Evidence, name: str, distance: Distance, note: str, limit: int | None = None) -> Sequence[Score]:
    """A distance between imagined and real frames, averaged, beside copying the last frame and the difference of both."""
    frames = evidence.frames
    assert frames is not None
    full = frames.prefix + name
    clips = clips_of(frames, limit)
    if not len(clips):
        return (evidence.score(full, None, unavailable="no imagined frame can be compared"),)
    shown = {key: value[:, 1:] for key, value in (("ours", clips.imagined), ("copy", clips.copied), ("real", clips.real))}
    flat = {key: value.reshape(-1, *value.shape[2:]) for key, value in shown.items()}
    ours, copied = (distance(flat[key], flat["real"]) for key in ("ours", "copy"))
    cluster = np.repeat(clips.cluster, shown["real"].shape[1])
    scores = []
    for row, values in {"": ours, ".copy": copied, ".gain": copied - ours}.items():
        estimate, clusters = mean_of_clusters(values, cluster, resamples=2000)
        scores.append(evidence.score(full + row, estimate if estimate else float(values.mean()), n=clusters,
                                     note=f"{len(values)} frames; {note}"))
    return scores


def lpips_metric(net: Net, backbone: Weights, heads: Weights, limit: int | None = None) -> Metric:
    """LPIPS with these weights; they are read, and compared with their digests, when it is first computed."""
    made = cache(lambda: load(net, backbone, heads))
    return Metric("lpips", ("frames",), lambda e: paired_scores(e, "lpips", made(), made().label, limit), "lower", (0, 1e3),
                  "how different imagined and real frames look to a network", f"Zhang et al. 2018, v0.1 heads on {net}",
                  children=BESIDE)


def dreamsim_metric(embedding: Weights, size: int = 224, limit: int | None = None) -> Metric:
    """DreamSim (Fu et al. 2023) with a TorchScript file of its embedding: frames [N, 3, size, size] in [0, 1] to [N, D].
    The distance is 1 - cosine."""
    made = cache(embedding.script)

    def distance(one: ndarray, two: ndarray) -> ndarray:
        a, b = (_embed(made(), x, size).astype(np.float64) for x in (one, two))
        return 1 - (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1) + 1e-12)

    return Metric("dreamsim", ("frames",), lambda e: paired_scores(e, "dreamsim", distance, embedding.label, limit), "lower",
                  (0, 2), "how different imagined and real frames look, as people judged it",
                  "Fu et al. 2023, arXiv 2306.09344", children=BESIDE)


def _embed(network: torch.jit.ScriptModule, frames: UInt8[ndarray, "N h w 3"], size: int, batch: int = 16) -> ndarray:
    out = []
    with torch.inference_mode():
        for start in range(0, len(frames), batch):
            x = torch.from_numpy(np.array(frames[start:start + batch])).movedim(-1, 1).float() / 255
            x = torch.nn.functional.interpolate(x, (size, size), mode="bilinear", align_corners=False, antialias=True)
            out.append(_answer(network, x).flatten(1).numpy())
    return np.concatenate(out)


def _answer(network: torch.jit.ScriptModule, x: torch.Tensor) -> torch.Tensor:
    try:
        found = network(x)
    except RuntimeError as error:
        raise WamError("the TorchScript network does not take these frames", where="perceptual weights", got=str(error)[-200:],
                       expected=f"an input of shape {tuple(x.shape)}", fix="export it for such inputs") from error
    if not isinstance(found, torch.Tensor):
        raise WamError("the TorchScript network gives no tensor", where="perceptual weights", expected="one tensor",
                       got=type(found).__name__, fix="export only the features")
    return found


def fvd_metric(i3d: Weights, size: int = 224, frames: int = 16, limit: int | None = None) -> Metric:
    """Frechet video distance (Unterthiner et al. 2018) with a TorchScript I3D: clips [N, 3, frames, size, size] in [-1, 1] to
    features [N, D]. Shorter clips are stretched by repeating frames, the same for all; the note tells the numbers."""
    made = cache(i3d.script)

    def features(clips: UInt8[ndarray, "N T h w 3"]) -> ndarray:
        chosen = np.linspace(0, clips.shape[1] - 1, max(frames, clips.shape[1])).round().astype(int)
        out = []
        with torch.inference_mode():
            for clip in clips:
                x = torch.from_numpy(np.ascontiguousarray(clip[chosen])).movedim(-1, 1).float() / 127.5 - 1
                x = torch.nn.functional.interpolate(x, (size, size), mode="bilinear", align_corners=False)
                out.append(_answer(made(), x.movedim(0, 1)[None]).flatten().numpy())
        return np.stack(out)

    def compute(evidence: Evidence) -> Sequence[Score]:
        assert evidence.frames is not None
        clips: Clips = clips_of(evidence.frames, limit)
        full = evidence.frames.prefix + "fvd"
        if len(clips) < LEAST_CLIPS:
            return (evidence.score(full, None, unavailable=f"{len(clips)} clips are too few for a Frechet distance"),)
        real, ours, copied = (features(x) for x in (clips.real, clips.imagined, clips.copied))
        note = (f"{len(clips)} clips of {clips.real.shape[1]} frames at {size} pixels; biased upwards by small samples; "
                f"I3D {i3d.label}")
        found = {"": frechet(ours, real), ".copy": frechet(copied, real)}
        return [evidence.score(full + row, value, n=len(clips), note=note) for row, value in found.items()]

    return Metric("fvd", ("frames",), compute, "lower", (0, 1e9), "how different imagined and real clips are as a set",
                  "Unterthiner et al. 2018, arXiv 1812.01717; I3D as supplied", children=BESIDE)
