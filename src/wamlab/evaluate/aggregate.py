"""Several tasks and seeds at once: the interquartile mean with a stratified bootstrap, and tests corrected for their number.

Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice" (arXiv 2108.13264); Holm (1979).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import DataError
from .statistics import Estimate, bootstrap_levels


def interquartile_mean(values: Float[ndarray, "*batch n"]) -> Float[ndarray, "*batch"]:
    """Mean of the middle half; where a quarter is not a whole number, the outermost values count in part."""
    ordered, n = np.sort(values, -1), values.shape[-1]
    edge = n / 4
    ranks = np.arange(n)
    weight = np.clip(np.minimum(ranks + 1 - edge, n - edge - ranks), 0, 1)
    return np.asarray((ordered * weight).sum(-1) / weight.sum())


def stratified(scores: Mapping[str, Float[ndarray, "_"]], *, seed: int = 0, resamples: int = 10_000,
               level: float = 0.95) -> Estimate:
    """Interquartile mean over all runs of all tasks; the interval draws runs within each task.

    Args:
        scores: per task, one number per training seed (or run).

    Raises:
        DataError: without a task, or for a task without runs.
    """
    if not scores or not all(len(v) for v in scores.values()):
        raise DataError("there is nothing to aggregate", expected="at least one task with at least one run",
                        got={name: len(v) for name, v in scores.items()})
    generator = np.random.default_rng(seed)
    draws = [values[generator.integers(len(values), size=(resamples, len(values)))] for values in scores.values()]
    found = interquartile_mean(np.concatenate(draws, -1).astype(np.float64))
    spare = sum(len(v) - 1 for v in scores.values())  # a task with one run says nothing of its spread
    runs = sum(map(len, scores.values())) / len(scores)
    low, high = np.quantile(found, bootstrap_levels(runs, level, spare) if spare else np.array([0.0, 1.0]))
    everything = np.concatenate(list(scores.values())).astype(np.float64)
    return Estimate(float(interquartile_mean(everything)), float(low), float(high))


def probability_of_improvement(one: Mapping[str, Float[ndarray, "_"]], two: Mapping[str, Float[ndarray, "_"]], *,
                               seed: int = 0, resamples: int = 4000, level: float = 0.95) -> Estimate:
    """Probability that a run of the first beats a run of the second on a task drawn at random; ties count half.

    Raises:
        DataError: if they do not share their tasks.
    """
    if not one or one.keys() != two.keys():
        raise DataError("the two were not run on the same tasks", expected=sorted(one), got=sorted(two))
    generator = np.random.default_rng(seed)

    def share(a: ndarray, b: ndarray) -> ndarray:
        return np.asarray(((a[..., :, None] > b[..., None, :]) + 0.5 * (a[..., :, None] == b[..., None, :])).mean((-2, -1)))

    def drawn(values: ndarray) -> ndarray:
        return values[generator.integers(len(values), size=(resamples, len(values)))]

    value = float(np.mean([share(one[task], two[task]) for task in one]))
    found = np.mean([share(drawn(one[task]), drawn(two[task])) for task in one], axis=0)
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p values corrected for their number: rejecting those below alpha errs in any of them with probability at most alpha."""
    corrected, worst = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p))
        corrected[name] = worst
    return {name: corrected[name] for name in p_values}
