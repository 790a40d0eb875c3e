"""Statistics of a dataset's columns as LeRobot keeps them, computed from all of the data.

Vectors: exact over every row. Pictures: exact over sampled frames, per channel, scaled to [0, 1], through histograms, so
that neither the sum nor the square can overflow and quantiles of the whole need no merging of quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped, UInt8
from numpy import ndarray

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
SAMPLED = 64
"""frames of an episode whose pictures are counted"""


def vector_statistics(values: Shaped[ndarray, "N *shape"]) -> dict[str, list[Any]]:
    """min, max, mean, std, count and quantiles over the rows."""
    numbers = values.astype(np.float64)
    out = {"min": numbers.min(0), "max": numbers.max(0), "mean": numbers.mean(0), "std": numbers.std(0)}
    out |= dict(zip(QUANTILES, np.quantile(numbers, list(QUANTILES.values()), axis=0), strict=True))
    return {name: value.tolist() for name, value in out.items()} | {"count": [len(values)]}


def sampled(count: int) -> Int64[ndarray, "S"]:
    """Which of an episode's frames are counted: evenly spread, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(SAMPLED, count)).round().astype(np.int64))


def histogram(frames: UInt8[ndarray, "N h w C"]) -> Int64[ndarray, "C 256"]:
    """How often each value occurs in the sampled frames, per channel."""
    taken = frames[sampled(len(frames))]
    return np.stack([np.bincount(taken[..., channel].reshape(-1), minlength=256)
                     for channel in range(frames.shape[-1])]).astype(np.int64)


def picture_statistics(counts: Int64[ndarray, "C 256"], frames: int) -> dict[str, list[Any]]:
    """The same names as for vectors, each nested as (C, 1, 1); `count` is the number of sampled frames."""
    values = np.arange(256) / 255
    total = counts.sum(1)
    mean = counts @ values / total
    std = np.sqrt(np.maximum((counts * (values[None] - mean[:, None]) ** 2).sum(1) / total, 0))
    below = np.cumsum(counts, 1)
    out = {"min": values[(counts > 0).argmax(1)], "max": values[255 - (counts[:, ::-1] > 0).argmax(1)], "mean": mean,
           "std": std}
    out |= {name: values[(below >= np.maximum(share * total, 1)[:, None]).argmax(1)] for name, share in QUANTILES.items()}
    return {name: value.reshape(-1, 1, 1).tolist() for name, value in out.items()} | {"count": [frames]}


def merged(before: Mapping[str, Mapping[str, Any]], more: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Statistics of two sets of data together: exact for min, max, mean, std and count; quantiles are averages weighted by
    the counts, to be computed again from all data when a recording is finished (`wam data import DATASET`, then `export`)."""
    out = {name: dict(said) for name, said in (*before.items(), *more.items())}
    for name in before.keys() & more.keys():
        one, two = ({key: np.asarray(value, float) for key, value in said.items()} for said in (before[name], more[name]))
        n, m = one["count"].item(), two["count"].item()
        mean = (n * one["mean"] + m * two["mean"]) / (n + m)
        spread = n * (one["std"] ** 2 + (one["mean"] - mean) ** 2) + m * (two["std"] ** 2 + (two["mean"] - mean) ** 2)
        found = {"min": np.minimum(one["min"], two["min"]), "max": np.maximum(one["max"], two["max"]), "mean": mean,
                 "std": np.sqrt(spread / (n + m))}
        found |= {key: (n * one[key] + m * two[key]) / (n + m) for key in QUANTILES}
        out[name] = {key: value.tolist() for key, value in found.items()} | {"count": [int(n + m)]}
    return out


def together(parts: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """`merged` over any number of parts."""
    out: dict[str, dict[str, Any]] = {}
    for part in parts:
        out = merged(out, part)
    return out


def differing(said: Mapping[str, Any], found: Mapping[str, Any], picture: bool) -> tuple[str, Any, Any] | None:
    """The first statistic that contradicts the data: (name, what the file says, what the data give), or None.

    Vectors must agree to a thousandth of the spread. For pictures, whose statistics others compute on subsampled and
    scaled frames, means and deviations must agree to 0.05. Quantiles are compared in order only.
    """
    spread = np.maximum(np.asarray(found["max"], float) - np.asarray(found["min"], float), 1e-6)
    for name in ("mean", "std", "min", "max"):
        if name not in said:
            return name, "nothing", found[name]
        try:
            value = np.asarray(said[name], float)
        except (TypeError, ValueError):
            return name, said[name], found[name]
        wanted = np.asarray(found[name], float)
        if value.size != wanted.size or not np.isfinite(value).all():
            return name, said[name], found[name]
        if picture and name in ("min", "max"):
            continue
        error = np.abs(value.reshape(wanted.shape) - wanted)
        allowed = 0.05 if picture else 1e-3 * spread + 1e-5 * np.abs(wanted)
        if name == "std":  # of a constant, others get a rounding error of their sums
            allowed = np.where(spread <= 1e-6, 1e-3 * np.abs(np.asarray(found["max"], float)) + 1e-6, allowed)
        if (error > allowed).any():
            return name, said[name], found[name]
    order = [np.asarray(said[name], float).reshape(-1) for name in QUANTILES if name in said]
    if any((high < low - 1e-6).any() for low, high in pairwise(order)):
        return "q01..q99", "quantiles that descend", "ascending ones"
    return None
