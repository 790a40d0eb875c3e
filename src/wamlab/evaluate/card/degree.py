"""How true an imagination is, and how closely it is followed, in words with thresholds.

A verdict says only that something is more than nothing: .11 follows, and so does .95. The word here goes by the lower end of
the 95 % interval, so that it never says more than the interval carries; of what a readout judges, as a share of what that
readout reaches on true frames.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..log import Score

DEGREES = ((0.75, "closely"), (0.5, "largely"), (0.25, "partly"), (0.1, "faintly"))
"""at least this, by the lower end of the interval"""


def degree(name: str, found: Mapping[str, Score]) -> str:
    """"largely: 0.62 of 0.93 that the readout reaches, at least 58 %"; empty where there is no interval, or it carries none.

    Args:
        name: of a score that is 1 where everything follows and 0 where nothing does.
    """
    score, ceiling = found.get(name), found.get(f"{name}.ceiling")
    if score is None or score.value is None or score.low is None:
        return ""
    top = 1.0 if ceiling is None else ceiling.value
    if top is None or top <= 0:
        return ""
    word = next((word for least, word in DEGREES if score.low / top >= least), "")
    of = "" if ceiling is None else f" of {top:.2f} that the readout reaches"
    return word and f"{word}: {score.value:.2f}{of}, at least {100 * score.low / top:.0f} %"
