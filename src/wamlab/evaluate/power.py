"""How many starts a claim needs, and whether the data at hand carry it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..errors import DataError
from .statistics import clopper_pearson, mcnemar, tango

MOST = 200_000


@dataclass(frozen=True)
class Answer:
    """Whether a claim holds, in words."""

    holds: bool
    why: str


def mcnemar_power(pairs: int, only_first: float | int, only_second: float | int, alpha: float = 0.05) -> float:
    """Exact probability that McNemar's exact test rejects equality.

    Args:
        only_first, only_second: probability that a start is solved by only the first, only the second policy.
    """
    different = only_first + only_second
    if different <= 0:
        return 0.0
    counts = np.arange(*(int(x) for x in (max(0, stats.binom.ppf(1e-10, pairs, different)),
                                          stats.binom.ppf(1 - 1e-10, pairs, different) + 1)))
    # the test rejects if the rarer side has at most `most` of the discordant starts
    most = stats.binom.ppf(alpha / 2, counts, 0.5)
    most = np.where(2 * stats.binom.cdf(most, counts, 0.5) <= alpha, most, most - 1)
    share = only_first / different
    rejects = stats.binom.cdf(most, counts, share) + stats.binom.cdf(most, counts, 1 - share)
    return float(np.sum(stats.binom.pmf(counts, pairs, different) * np.minimum(rejects, 1)))


def rate_power(starts: int, rate: float, threshold: float, level: float = 0.95) -> float:
    """Probability that the exact interval of a policy with this true rate lies above the threshold."""
    possible = range(int(threshold * starts), starts + 1)
    passing = next((k for k in possible if clopper_pearson(k, starts, level).low > threshold), None)
    return 0.0 if passing is None else float(stats.binom.sf(passing - 1, starts, rate))


def starts_for_difference(first: float, second: float, *, agreement: float | int = 0.0, power: float = 0.8,
                          alpha: float = 0.05) -> int:
    """Paired starts that show a difference between two true success rates with this probability.

    Args:
        agreement: correlation of the two outcomes on a start, from 0 (unrelated) to 1 (as alike as the rates allow).

    Raises:
        DataError: for rates that cannot be, or a difference that no practical number of starts shows.
    """
    if not (0 <= first <= 1 and 0 <= second <= 1 and first != second and 0 <= agreement <= 1):
        raise DataError("these rates have no difference to show", expected="two different rates in [0, 1], agreement in [0, 1]",
                        got=f"{first}, {second}, agreement {agreement}")
    together = (1 - agreement) * first * second + agreement * min(first, second)
    only = (first - together, second - together)
    return _least(lambda n: mcnemar_power(n, *only, alpha), power)


def starts_for_rate(rate: float, threshold: float, *, power: float = 0.8, level: float = 0.95) -> int:
    """Starts after which the exact interval of a policy with this true rate lies above the threshold.

    Raises:
        DataError: if the rate is not above the threshold, or no practical number of starts shows it.
    """
    if not 0 <= threshold < rate <= 1:
        raise DataError("this rate is not above the threshold", expected="0 <= threshold < rate <= 1",
                        got=f"{rate}, {threshold}")
    return _least(lambda n: rate_power(n, rate, threshold, level), power)


def _least(power_at: Callable[[int], float], wanted: float) -> int:
    """The smallest n, up to a tenth, at which a power that grows with n (in small saw teeth) reaches what is wanted."""
    high = 4
    while power_at(high) < wanted:
        high *= 2
        if high > MOST:
            raise DataError("no practical number of starts shows this", expected=f"at most {MOST} starts",
                            fix="claim a larger difference")
    low = high // 2
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if power_at(middle) >= wanted else (middle, high)
    return high


def claim_above(successes: int, trials: int, threshold: float, level: float = 0.95) -> Answer:
    """Do these data carry "the success rate is above the threshold"?"""
    low, high = clopper_pearson(successes, trials, level)
    found = f"{successes} of {trials} is {successes / trials:.0%}, interval {low:.0%} to {high:.0%}"
    if low > threshold:
        return Answer(True, f"{found}, above {threshold:.0%}")
    rate = successes / trials
    if rate <= threshold:
        return Answer(False, f"{found}: the rate itself is not above {threshold:.0%}")
    return Answer(False, f"{found} reaches down to {threshold:.0%}: it needs about "
                         f"{starts_for_rate(rate, threshold, level=level)} starts")


def claim_better(only_first: int, only_second: int, pairs: int, alpha: float = 0.05) -> Answer:
    """Do these data carry "the first is better than the second"?"""
    p, (low, high) = mcnemar(only_first, only_second), tango(only_first, only_second, pairs, 1 - alpha)
    found = f"difference {(only_first - only_second) / pairs:+.0%}, interval {low:+.0%} to {high:+.0%}, p = {p:.2g}"
    if p <= alpha and only_first > only_second:
        return Answer(True, found)
    if only_first <= only_second:
        return Answer(False, f"{found}: the first is not ahead")
    needed = _least(lambda n: mcnemar_power(n, only_first / pairs, only_second / pairs, alpha), 0.8)
    return Answer(False, f"{found}: if the difference is real, about {needed} paired starts would show it")
