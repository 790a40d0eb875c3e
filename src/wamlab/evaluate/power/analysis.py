"""How many starts a claim needs, and whether the data at hand carry it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...errors import DataError
from ..statistics import Interval, clopper_pearson, mcnemar, tango

MOST = 200_000


@dataclass(frozen=True)
class Answer:
    """Whether a claim holds, in words and numbers."""

    holds: bool
    why: str
    value: float
    """the rate, or the difference of the rates, that was found"""
    interval: Interval
    needed: int | None = None
    """starts that would show it if what was found is the truth; None where it holds, is not ahead, or takes more than MOST"""
    p: float | None = None
    """of the exact test, where that decides"""


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
    # the interval lies above it where so many successes or more would be rarer than its tail if the threshold were the rate
    passing = stats.binom.isf((1 - level) / 2, starts, threshold) + 1
    return float(stats.binom.sf(passing - 1, starts, rate))


def starts_for_difference(first: float, second: float, *, agreement: float | int = 0.0, power: float = 0.8,
                          alpha: float = 0.05) -> int:
    """Paired starts from which on a difference between two true success rates is shown with this probability.

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
    return _practical(_enough(lambda n: mcnemar_power(n, *only, alpha), power))


def starts_for_rate(rate: float, threshold: float, *, power: float = 0.8, level: float = 0.95) -> int:
    """Starts from which on the exact interval of a policy with this true rate lies above the threshold, with this probability.

    Raises:
        DataError: if the rate is not above the threshold, or no practical number of starts shows it.
    """
    if not 0 < threshold < rate <= 1:
        raise DataError("this rate is not above the threshold", expected="0 < threshold < rate <= 1",
                        got=f"rate {rate}, threshold {threshold}")
    return _practical(_enough(lambda n: rate_power(n, rate, threshold, level), power))


def _practical(starts: int | None) -> int:
    if starts is None:
        raise DataError("no practical number of starts shows this", expected=f"at most {MOST} starts",
                        fix="claim a larger difference")
    return starts


def _enough(power_at: Callable[[int], float], wanted: float) -> int | None:
    """The least number from which on the power stays at what is wanted; None if that is more than MOST.

    The power of a test on counts is a saw-tooth: a number that reaches it may be followed by larger ones that do not. The
    teeth shrink like 1 / sqrt(n), and so does the stretch around the crossing in which both kinds are found, in shares of n:
    it is looked through number by number.

    Raises:
        DataError: for a power that is not between 0 and 1.
    """
    if not 0 < wanted < 1:
        raise DataError("that is no power", where="power", expected="a number between 0 and 1", got=wanted, fix="try 0.8")
    high = 1
    while power_at(high) < wanted:
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_at(middle) >= wanted else (middle, high)
    reach = min(20 + int(8 * high**0.5), 200)
    short = [n for n in range(max(1, high - reach), high + reach) if power_at(n) < wanted]
    return max(short, default=0) + 1


def claim_above(successes: int, trials: int, threshold: float, level: float = 0.95) -> Answer:
    """Do these data carry "the success rate is above the threshold"?

    Raises:
        DataError: for counts that cannot be, or a threshold outside (0, 1).
    """
    if not 0 < threshold < 1:
        raise DataError("that is no threshold of a success rate", where="threshold", expected="a number between 0 and 1",
                        got=threshold, fix="0.6 is 60 %")
    interval = clopper_pearson(successes, trials, level)
    rate, limit = successes / trials, f"{100 * threshold:.4g}%"
    found = f"{successes} of {trials} is {rate:.0%}, interval {interval.low:.0%} to {interval.high:.0%}"
    if interval.low > threshold:
        return Answer(True, f"{found}, above {limit}", rate, interval)
    if rate <= threshold:
        return Answer(False, f"{found}: the rate itself is not above {limit}", rate, interval)
    needed = _enough(lambda n: rate_power(n, rate, threshold, level), 0.8)
    return Answer(False, f"{found}, is not all above {limit}: it needs {_about(needed)} starts", rate, interval, needed)


def claim_better(only_first: int, only_second: int, pairs: int, alpha: float = 0.05) -> Answer:
    """Do these data carry "the first is better than the second"?

    Raises:
        DataError: for counts that cannot be.
    """
    interval, p = tango(only_first, only_second, pairs, 1 - alpha), mcnemar(only_first, only_second)
    value = (only_first - only_second) / pairs
    found = f"difference {value:+.0%}, interval {interval.low:+.0%} to {interval.high:+.0%}, p = {p:.2g}"
    if p <= alpha and value > 0:
        return Answer(True, found, value, interval, p=p)
    if value <= 0:
        return Answer(False, f"{found}: the first is not ahead", value, interval, p=p)
    if interval.low > 0:
        found += " (two methods differ: the score interval excludes 0, the exact test, which decides, does not)"
    needed = _enough(lambda n: mcnemar_power(n, only_first / pairs, only_second / pairs, alpha), 0.8)
    return Answer(False, f"{found}: if the difference is real, {_about(needed)} paired starts would show it", value, interval,
                  needed, p)


def _about(needed: int | None) -> str:
    return f"more than {MOST}" if needed is None else f"about {needed}"
