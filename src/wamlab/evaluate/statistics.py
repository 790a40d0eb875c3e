"""Intervals and tests. The unit is always the independent thing: an episode's start or a branching context.

Everything takes counts or per-unit sums, so that a caller decides once what the unit is. Levels are coverage
(0.95), results are plain floats.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import optimize, stats

from ..errors import DataError

MANY = 1000
"""units from which a bootstrap draws; more are added up in groups first"""


class Interval(NamedTuple):
    low: float
    high: float


class Estimate(NamedTuple):
    value: float
    low: float
    high: float


def _counts(successes: int, trials: int) -> None:
    if not (trials > 0 and 0 <= successes <= trials):
        raise DataError("a proportion needs at least one trial and no more successes than trials",
                        expected="0 <= successes <= trials, trials > 0", got=f"{successes} of {trials}")


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """The exact interval of a success rate: covers at least `level` for every true rate (for claims).

    Clopper and Pearson, Biometrika 26 (1934).
    """
    _counts(successes, trials)
    tail = (1 - level) / 2
    low = stats.beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
    high = stats.beta.ppf(1 - tail, successes + 1, trials - successes) if successes < trials else 1.0
    return Interval(float(low), float(high))


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """The score interval of a success rate: shorter, covers `level` on average (for display).

    Wilson, JASA 22 (1927).
    """
    _counts(successes, trials)
    z = float(stats.norm.ppf((1 + level) / 2))
    rate = successes / trials
    middle = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * float(np.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)))
    return Interval(max(0.0, middle - half) if successes else 0.0, min(1.0, middle + half) if successes < trials else 1.0)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p value that two paired success rates are equal.

    Args:
        only_first, only_second: starts that only the first, only the second solved; starts on which both
            agree say nothing. No discordant start: p = 1.
    """
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0


def tango(only_first: int, only_second: int, pairs: int, level: float = 0.95) -> Interval:
    """Score interval for the paired difference of success rates, first minus second.

    Tango, Statistics in Medicine 17 (1998), equations 6 to 9: the differences that the score test keeps.
    """
    if not (pairs > 0 and only_first >= 0 and only_second >= 0 and only_first + only_second <= pairs):
        raise DataError("paired counts do not add up", expected="only_first + only_second <= pairs, none below 0",
                        got=f"{only_first} + {only_second}, {pairs}")
    z = float(stats.norm.ppf((1 + level) / 2))
    observed = (only_first - only_second) / pairs

    def excess(difference: float) -> float:
        return tango_score(difference, only_first, only_second, pairs) ** 2 - z * z

    edge = 1 - 1e-12
    low = -1.0 if excess(-edge) <= 0 else optimize.brentq(excess, -edge, observed) if observed > -edge else -1.0
    high = 1.0 if excess(edge) <= 0 else optimize.brentq(excess, observed, edge) if observed < edge else 1.0
    return Interval(float(low), float(high))


def tango_score(difference: float, only_first: int, only_second: int, pairs: int) -> float:
    """The score statistic (standard normal if `difference` is true) behind `tango`."""
    b, c, n, d = only_first, only_second, pairs, difference
    linear = -b - c + (2 * n - b + c) * d
    # q: the maximum-likelihood probability of "only second" if the difference were d (root of a quadratic)
    q = (np.sqrt(max(linear**2 + 8 * n * c * d * (1 - d), 0.0)) - linear) / (4 * n)
    variance = n * (2 * q + d * (1 - d))
    gap = b - c - n * d
    return 0.0 if abs(gap) < 1e-12 else float(gap / np.sqrt(variance)) if variance > 1e-12 else float(np.sign(gap) * np.inf)


def bootstrap_levels(clusters: float, level: float = 0.95, freedom: float | None = None) -> Float[ndarray, "2"]:
    """The percentiles of bootstrap values that are the ends of an interval: further out than the nominal ones by as much as
    Student's t with n - 1 degrees of freedom and a variance over n - 1 are wider than the normal and one over n. Without, 24
    contexts cover 92 % where they say 95 (docs/results/coverage.json). `freedom` in place of n - 1: where n clusters are drawn
    within each of several strata.

    Hesterberg, The American Statistician 69 (2015), "expanded percentile interval".
    """
    wide = np.sqrt(clusters / (clusters - 1)) * stats.t.ppf((1 + level) / 2, freedom or clusters - 1)
    return np.array([stats.norm.cdf(-wide), stats.norm.cdf(wide)])


def cluster_bootstrap(sums: Float[ndarray, "C Q"], statistic: Callable[[ndarray], ndarray], *, seed: int = 0,
                      resamples: int = 10_000, level: float = 0.95, bca: bool = False) -> Estimate | None:
    """Interval of any statistic of sums over clusters, by drawing whole clusters with replacement.

    Args:
        sums: per cluster (context, episode) the Q quantities that are added up before the statistic is taken; a
            mean over frames, for example, needs two: the sum over the cluster's frames and their number.
        statistic: from [R, Q] to [R], vectorised over resamples.
        bca: bias-corrected and accelerated (Efron 1987) instead of widened percentiles.

    Returns:
        The statistic of all clusters and its interval; None with fewer than 3 clusters or where the statistic
        of all clusters is undefined (not finite): then there is no interval to tell.
    """
    clusters = len(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = float(statistic(sums.sum(0, keepdims=True))[0])
    if clusters < 3 or not np.isfinite(total):
        return None
    sums = grouped(sums, seed)
    clusters = len(sums)
    block = max(1, 4_000_000 // clusters)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.concatenate([statistic(_draws(clusters, min(block, resamples - start), seed, start) @ sums)
                                 for start in range(0, resamples, block)])
        left_out = statistic(sums.sum(0) - sums) if bca else np.zeros(1)
    values = values[np.isfinite(values)]  # a draw without a single informative cluster has no statistic
    if not len(values):
        return None
    tail = bootstrap_levels(clusters, level)
    if bca:
        tail = _bca_levels(values, total, left_out[np.isfinite(left_out)], tail)
    low, high = np.quantile(values, tail)
    return Estimate(total, float(low), float(high))


def grouped(sums: Float[ndarray, "C Q"], seed: int) -> Float[ndarray, "G Q"]:
    """At most MANY units to draw from: more of them are added up in groups of random members, which are independent as their
    members are. The interval's width then has a relative error of about 1 / sqrt(2 MANY), and the cost stays the same."""
    if len(sums) <= MANY:
        return sums
    order = np.random.default_rng([seed, len(sums)]).permutation(len(sums))
    return np.add.reduceat(sums[order], np.arange(MANY) * len(sums) // MANY, axis=0)


@lru_cache(maxsize=8)
def _draws(clusters: int, resamples: int, seed: int, start: int) -> Float[ndarray, "R C"]:
    """How often each cluster is drawn, per resample. Cached, because many scores share their clusters."""
    generator = np.random.default_rng([seed, start])
    return generator.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(np.float64)


def _bca_levels(values: ndarray, total: float, left_out: ndarray, tail: ndarray) -> ndarray:
    below = ((values < total).sum() + 0.5 * (values == total).sum()) / len(values)
    if not 0 < below < 1:
        return tail
    bias = stats.norm.ppf(below)
    away = left_out.mean() - left_out
    spread = (away**2).sum() ** 1.5
    acceleration = (away**3).sum() / (6 * spread) if spread > 0 else 0.0
    z = bias + stats.norm.ppf(tail)
    return stats.norm.cdf(bias + z / (1 - acceleration * z))


def mean_of_clusters(values: Float[ndarray, "N"], cluster: ndarray, *, seed: int = 0,
                     resamples: int = 10_000, level: float = 0.95) -> tuple[Estimate | None, int]:
    """Mean over all values with a bootstrap over their clusters; also the number of clusters.

    Args:
        values: one number per frame, chunk, branch...
        cluster: int [N], which episode or context each belongs to.
    """
    _, index = np.unique(cluster, return_inverse=True)
    sums = np.stack([np.bincount(index, values), np.bincount(index)], -1) if len(values) else np.zeros((0, 2))
    return cluster_bootstrap(sums, lambda s: s[..., 0] / s[..., 1], seed=seed, resamples=resamples, level=level), len(sums)


def median_of_clusters(values: Float[ndarray, "N"], cluster: ndarray, *, seed: int = 0, resamples: int = 2000,
                       level: float = 0.95) -> tuple[Estimate | None, int]:
    """Median over all values with a bootstrap over their clusters; also the number of clusters."""
    names, index = np.unique(cluster, return_inverse=True)
    if len(names) < 3:
        return None, len(names)
    order = np.argsort(values, kind="stable")
    draws, block = _draws(len(names), resamples, seed, 0), max(1, 4_000_000 // len(order))
    parts = []
    for start in range(0, resamples, block):
        weight = np.cumsum(draws[start:start + block, index[order]], axis=1)
        parts.append((weight >= weight[:, -1:] / 2).argmax(1))
    middle = np.concatenate(parts)
    low, high = np.quantile(values[order][middle], bootstrap_levels(len(names), level))
    return Estimate(float(np.median(values)), float(low), float(high)), len(names)


def mean_of_runs(values: Float[ndarray, "N"], level: float = 0.95) -> Estimate:
    """Mean of independent runs (training seeds) with Student's t interval, which is honest about how few they are.

    Raises:
        DataError: with fewer than two.
    """
    if len(values) < 2:
        raise DataError("one run has no interval", where="runs", expected="two or more", got=len(values))
    middle = float(np.mean(values))
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * float(np.std(values, ddof=1)) / float(np.sqrt(len(values)))
    return Estimate(middle, middle - half, middle + half)


def auroc(bad: Bool[ndarray, "N"], badness: Float[ndarray, "N"]) -> float:
    """Probability that a bad one is ranked worse than a good one; ties count half. NaN where one kind is missing.

    From ranks: Mann and Whitney, Annals of Mathematical Statistics 18 (1947).
    """
    count = int(bad.sum())
    good = len(bad) - count
    if not count or not good:
        return float("nan")
    return float((stats.rankdata(badness)[bad].sum() - count * (count + 1) / 2) / (count * good))
