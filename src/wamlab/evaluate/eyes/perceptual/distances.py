"""Distances between sets of features. Pure NumPy. Letters: N frames or clips, T frames of a clip, D features."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import linalg, stats

from ...statistics import Estimate


def frame_distance(one: Float[ndarray, "N D"], two: Float[ndarray, "N D"]) -> Float[ndarray, "N"]:
    """1 - cosine, per pair: 0 for equal frames."""
    a, b = (x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-12) for x in (one.astype(np.float64), two.astype(np.float64)))
    return ((a - b) ** 2).sum(-1) / 2


def clip_features(features: Float[ndarray, "N T D"]) -> Float[ndarray, "N D3"]:
    """concat[mean_t f, mean_t |f_t+1 - f_t|, std_t f]: what is seen, how fast it changes, how much it varies. The middle
    part makes time matter: a clip whose frames are shuffled has other features."""
    change = np.abs(np.diff(features, axis=1)).mean(1) if features.shape[1] > 1 else np.zeros_like(features[:, 0])
    return np.concatenate([features.mean(1), change, features.std(1)], axis=-1)


def polynomial_kernel(one: Float[ndarray, "N D"], two: Float[ndarray, "M D"]) -> Float[ndarray, "N M"]:
    """(x.y / D + 1)^3, as in KID (Binkowski et al., arXiv 1801.01401)."""
    return (one @ two.T / one.shape[1] + 1) ** 3


def paired_mmd(made: Float[ndarray, "N D"], real: Float[ndarray, "N D"], cluster: Int[ndarray, "N"]) -> Estimate | None:
    """Unbiased squared maximum mean discrepancy of clips that come in pairs, with an interval over clusters.

    The mean over pairs (i, j) of different clusters of h = k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i): terms
    within a cluster are not independent and left out, so equal clips give exactly 0, and two samples of one distribution
    0 on average, whatever their number (a Frechet distance does not: it grows as samples get fewer). The interval is
    a jackknife over clusters, with Student's t.

    Returns:
        None with fewer than 3 clusters.
    """
    labels = np.unique(cluster)
    if len(labels) < 3:
        return None
    x, y = made.astype(np.float64), real.astype(np.float64)
    cross = polynomial_kernel(x, y)
    h = polynomial_kernel(x, x) + polynomial_kernel(y, y) - cross - cross.T
    apart = cluster[:, None] != cluster[None]
    h = np.where(apart, h, 0.0)
    total, count = h.sum(), apart.sum()
    inside = cluster == labels[:, None]
    rows, numbers = inside @ h.sum(1), inside @ apart.sum(1)
    value = total / count
    without = (total - 2 * rows) / (count - 2 * numbers)
    n = len(labels)
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    half = float(stats.t.ppf(0.975, n - 1) * error)
    return Estimate(float(value), float(value) - half, float(value) + half)


def frechet(one: Float[ndarray, "N D"], two: Float[ndarray, "M D"]) -> float:
    """|mu1 - mu2|^2 + Tr(S1 + S2 - 2 (S1 S2)^1/2). Biased upwards by small samples (Chong and Forsyth, 1911.07023)."""
    a, b = one.astype(np.float64), two.astype(np.float64)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    # the trace of the root of a product of covariances: singular values of the product of their roots
    roots = [_root(s) for s in (first, second)]
    overlap = linalg.svdvals(roots[0] @ roots[1]).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * overlap)


def _root(covariance: Float[ndarray, "D D"]) -> Float[ndarray, "D D"]:
    values, vectors = linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
