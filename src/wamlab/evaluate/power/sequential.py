"""Stop when it is decided: a test of two policies on paired starts that may be looked at after every start.

Of the starts on which the two differ, each is a coin toss if they are equally good. Betting against the fair coin with
the Krichevsky-Trofimov mixture, the wealth after n tosses with w wins is

    e = 2^n B(w + 1/2, n - w + 1/2) / B(1/2, 1/2)        (B: the beta function)

and the probability that it *ever* reaches 1 / alpha under equality is at most alpha (Ville's inequality), however
often one looks and whenever one stops. Robbins (1970); Ramdas et al., Statistical Science 38 (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy import optimize
from scipy.special import betaln

from ...errors import DataError
from ..statistics import Interval


@dataclass(frozen=True)
class Verdict:
    """Where a sequential comparison stands."""

    winner: Literal["first", "second", ""]
    """empty: not decided"""
    starts: int
    """starts looked at when it was decided, or all"""
    discordant: int
    """starts among them on which the two differ"""
    wealth: float
    """the e-value then: evidence against equality, 1 / alpha decides"""


def log_wealth(wins: ndarray, tosses: ndarray) -> ndarray:
    """Logarithm of the e-value after `tosses` discordant starts of which the first won `wins`."""
    return np.asarray(tosses * np.log(2) + betaln(wins + 0.5, tosses - wins + 0.5) - betaln(0.5, 0.5))


def compare(first: Bool[ndarray, "_"], second: Bool[ndarray, "_"], alpha: float = 0.05) -> Verdict:
    """Look after every start, and stop at the first at which the comparison is decided.

    Args:
        first, second: success of the two policies on the same starts, in the order in which they were run.

    Raises:
        DataError: if they are not paired.
    """
    if len(first) != len(second):
        raise DataError("the two were not run on the same starts", expected=f"{len(first)} outcomes", got=len(second))
    differ = first != second
    tosses, wins = np.cumsum(differ), np.cumsum(differ & first)
    wealth = log_wealth(wins, tosses)
    over = np.flatnonzero(wealth >= -np.log(alpha))
    at = int(over[0]) if len(over) else len(first) - 1
    if at < 0:
        return Verdict("", 0, 0, 1.0)
    won: Literal["first", "second"] = "first" if 2 * wins[at] > tosses[at] else "second"
    return Verdict(won if len(over) else "", at + 1, int(tosses[at]), float(np.exp(min(wealth[at], 700))))


def win_share(wins: int, tosses: int, alpha: float = 0.05) -> Interval:
    """A confidence sequence: at every look at once, with probability 1 - alpha, it holds the true share of discordant
    starts that the first policy wins."""
    if not tosses:
        return Interval(0.0, 1.0)
    mixture = float(betaln(wins + 0.5, tosses - wins + 0.5) - betaln(0.5, 0.5))

    def excess(share: float) -> float:
        return mixture - wins * np.log(share) - (tosses - wins) * np.log1p(-share) + np.log(alpha)

    tiny, best = 1e-12, float(np.clip(wins / tosses, 1e-9, 1 - 1e-9))
    low = 0.0 if excess(tiny) <= 0 else optimize.brentq(excess, tiny, best)
    high = 1.0 if excess(1 - tiny) <= 0 else optimize.brentq(excess, best, 1 - tiny)
    return Interval(float(low), float(high))
