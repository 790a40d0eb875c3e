"""How much imagined frames look like what the camera saw, always beside copying the last frame.

Three selections of pixels: all; `changed`: those that really change by more than 12/255 in a channel, where copying
is wrong by construction; `either`: those that change in truth *or* in imagination, so that inventing motion costs.
A quantity is taken per frame and averaged over frames; the interval draws whole episodes or contexts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from ..log import Score
from ..metric import Evidence, FramePairs, Metric
from ..statistics import mean_of_clusters

CHANGE = 12
"""a pixel changes if a channel differs by more than this (of 255)"""
CAP_DB = 60.0
"""PSNR of a frame without error, and at most"""
LEAST_PIXELS = 16
"""frames in which fewer pixels are selected are left out of a selection's mean"""


def squared_error(one: UInt8[ndarray, "N h w 3"], two: UInt8[ndarray, "N h w 3"]) -> Float[ndarray, "N h w"]:
    """Per pixel, averaged over channels, in units of the full range."""
    return ((one.astype(np.float32) - two) ** 2).mean(-1) / np.float32(255**2)


def psnr(error: Float[ndarray, "N h w"], mask: Bool[ndarray, "N h w"] | None = None) -> Float[ndarray, "N"]:
    """Peak signal-to-noise ratio per frame in dB, at most CAP_DB; NaN where the mask selects too few pixels."""
    if mask is None:
        mse = error.mean((1, 2), dtype=np.float64)
    else:
        count = mask.sum((1, 2))
        total = np.where(mask, error, 0).sum((1, 2), dtype=np.float64)
        mse = np.where(count >= LEAST_PIXELS, total / np.maximum(count, 1), np.nan)
    return np.minimum(-10 * np.log10(np.maximum(mse, 10 ** (-CAP_DB / 10))), CAP_DB)


def _window(length: int) -> Float[ndarray, "m n"]:
    """The 11-tap Gaussian (sigma 1.5) as a matrix that filters a row and keeps only where the window fits."""
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    taps /= taps.sum()
    return np.stack([np.convolve(row, taps, "valid") for row in np.eye(length)], axis=1).astype(np.float32)


def ssim_map(one: UInt8[ndarray, "N h w 3"], two: UInt8[ndarray, "N h w 3"]) -> Float[ndarray, "N m n"]:
    """Structural similarity per pixel at which the window fits (5 pixels are lost on each side), averaged over channels.

    Wang et al., IEEE TIP 13 (2004): Gaussian window 11x11, sigma 1.5, K1 = .01, K2 = .03, biased covariance; as in
    scikit-image with gaussian_weights=True, sigma=1.5, use_sample_covariance=False.

    Raises:
        ValueError: for images smaller than the window.
    """
    if min(one.shape[1:3]) < 11:
        raise ValueError(f"SSIM needs images of at least 11x11 pixels, got {one.shape[1:3]}")
    rows, columns = _window(one.shape[1]), _window(one.shape[2]).T

    def smooth(image: ndarray) -> ndarray:
        return rows @ image @ columns

    a, b = (np.moveaxis(x, -1, 1).astype(np.float32) / np.float32(255) for x in (one, two))
    mean_a, mean_b = smooth(a), smooth(b)
    variance_a, variance_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    covariance = smooth(a * b) - mean_a * mean_b
    c1, c2 = np.float32(0.01**2), np.float32(0.03**2)
    return ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)
            / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))).mean(1)


def ssim(one: UInt8[ndarray, "N h w 3"], two: UInt8[ndarray, "N h w 3"],
         mask: Bool[ndarray, "N h w"] | None = None) -> Float[ndarray, "N"]:
    """Mean structural similarity per frame; NaN where the mask selects too few pixels."""
    return _masked_mean(ssim_map(one, two), mask)


def _masked_mean(similar: Float[ndarray, "N m n"], mask: Bool[ndarray, "N h w"] | None) -> Float[ndarray, "N"]:
    if mask is None:
        return similar.mean((1, 2), dtype=np.float64)
    inside = mask[:, 5:-5, 5:-5]
    count = inside.sum((1, 2))
    total = np.where(inside, similar, 0).sum((1, 2), dtype=np.float64)
    return np.where(count >= LEAST_PIXELS, total / np.maximum(count, 1), np.nan)


def changed(one: UInt8[ndarray, "N h w 3"], two: UInt8[ndarray, "N h w 3"]) -> Bool[ndarray, "N h w"]:
    """Pixels that differ by more than CHANGE in any channel."""
    return (np.maximum(one, two) - np.minimum(one, two)).max(-1) > CHANGE


def _blocks(frames: FramePairs, size: int = 256) -> Iterator[tuple[ndarray, ndarray, ndarray]]:
    for start in range(0, len(frames.real), size):
        part = slice(start, start + size)
        yield frames.imagined[part], frames.real[part], frames.current[part]


def _compare(frames: FramePairs, name: str) -> dict[str, tuple[ndarray, ndarray]]:
    """Per selection of pixels: per-frame values of the imagination and of copying the last frame."""
    parts: dict[str, list[tuple[ndarray, ndarray]]] = {"": [], ".changed": [], ".either": []}
    for imagined, real, current in _blocks(frames):
        moved = changed(real, current)
        masks = {"": None, ".changed": moved, ".either": moved | changed(imagined, current)}
        compare = squared_error if name == "psnr" else ssim_map
        reduce = psnr if name == "psnr" else _masked_mean
        ours, copied = compare(imagined, real), compare(current, real)
        for selection, mask in masks.items():
            parts[selection].append((reduce(ours, mask), reduce(copied, mask)))
    return {selection: (np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs]))
            for selection, pairs in parts.items()}


def _scores(evidence: Evidence, name: str, unit: str) -> Sequence[Score]:
    frames = evidence.frames
    assert frames is not None
    scores = []
    if not len(frames.real):
        return (evidence.score(f"{frames.prefix}{name}", None, unavailable="no imagined frame can be compared"),)
    for selection, (ours, copied) in _compare(frames, name).items():
        usable = np.isfinite(ours)
        rows = {"": ours, ".copy": copied, ".gain": ours - copied}
        for row, values in rows.items():
            estimate, clusters = mean_of_clusters(values[usable], frames.cluster[usable], resamples=2000)
            full = f"{frames.prefix}{name}{selection}{row}"
            if not usable.any():
                scores.append(evidence.score(full, None, unavailable="hardly a pixel changes in any frame"))
            else:
                value = estimate if estimate else float(values[usable].mean())
                scores.append(evidence.score(full, value, n=clusters, unit=unit, note=f"{int(usable.sum())} frames"))
    return scores


_CHILDREN = {"copy": "the same for copying the last frame seen", "gain": "imagination minus copy, paired",
             "changed": "over pixels that really change (copying is wrong there by construction)",
             "either": "over pixels that change in truth or in imagination"}
METRICS = (
    Metric("psnr", ("frames",), lambda e: _scores(e, "psnr", "dB"), "higher", (0, CAP_DB),
           "how close imagined frames are to the real ones, per frame, then averaged",
           "10 log10(1 / MSE), range 1, capped at 60 dB", "dB", children=_CHILDREN),
    Metric("ssim", ("frames",), lambda e: _scores(e, "ssim", ""), "higher", (-1, 1),
           "how similar the local structure of imagined and real frames is", "Wang et al. 2004, Gaussian window", "",
           children=_CHILDREN),
)
