"""How long a decision takes, on the machine that the log names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..log import Score
from ..metric import Evidence, Metric

Summary = Callable[[Sequence[float]], float]


def stages(evidence: Evidence) -> dict[str, list[float]]:
    """Seconds per decision, "total" and by stage. The first decision of an episode is left out: it pays for caches."""
    assert evidence.episodes is not None
    found: dict[str, list[float]] = {"total": []}
    for episode in evidence.episodes:
        found["total"] += [plan.seconds for plan in episode.imagined[1:]]
        for timings in episode.meta.get("timings", [])[1:]:
            for name, seconds in timings.items():
                found.setdefault(name, []).append(float(seconds))
    return found


def _metric(name: str, summary: Summary, meaning: str) -> Metric:
    def compute(evidence: Evidence) -> Sequence[Score]:
        found = {stage: seconds for stage, seconds in sorted(stages(evidence).items()) if seconds}
        if "total" not in found:
            return (evidence.score(f"{name}.total", None, unavailable="no episode has two decisions", timing=True),)
        return [evidence.score(f"{name}.{stage}", summary(seconds), n=len(seconds), unit="s", timing=True)
                for stage, seconds in found.items()]

    return Metric(name, ("episodes",), compute, "lower", (0, float("inf")), meaning, "wall clock", "s", (".total",),
                  children={"total": "the whole decision", "<stage>": "one stage of it: encode, sample, decode"})


METRICS = (
    _metric("latency", lambda seconds: float(np.median(seconds)), "median wall time of a decision"),
    _metric("latency_p95", lambda seconds: float(np.quantile(seconds, 0.95)), "wall time that 95 % of decisions stay below"),
)
