"""How long a decision takes, on the machine that the log names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..log import Score
from .base import Evidence, Metric


def latency(evidence: Evidence) -> Sequence[Score]:
    """Median and 95th percentile of the wall time per decision, and of each stage where the model tells."""
    assert evidence.episodes is not None
    stages: dict[str, list[float]] = {}
    for episode in evidence.episodes:
        # the first decision of an episode pays for caches and lazy initialisation
        stages.setdefault("", []).extend(plan.seconds for plan in episode.imagined[1:])
        for timings in episode.meta.get("timings", [])[1:]:
            for name, seconds in timings.items():
                stages.setdefault(f".{name}", []).append(float(seconds))
    if not stages.get(""):
        return (evidence.score("latency", None, unavailable="no episode has two decisions", timing=True),)
    scores = []
    for name, seconds in sorted(stages.items()):
        if seconds:
            for row, level in (("", 0.5), (".p95", 0.95)):
                value = float(np.quantile(seconds, level))
                scores.append(evidence.score(f"latency{name}{row}", value, n=len(seconds), unit="s", timing=True))
    return scores


METRICS = (
    Metric("latency", ("episodes",), latency, "lower", (0, float("inf")), "median wall time of one decision",
           "wall clock, the first decision of an episode left out", "s",
           {"p95": "95th percentile", "<stage>": "the same for one stage: encode, sample, decode"}),
)
