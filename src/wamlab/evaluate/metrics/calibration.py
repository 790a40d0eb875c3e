"""Does the model know when it is wrong? Its uncertainty, told before anything is tried, against the error that followed.

A future counts as wrong if it beats "nothing will change" by less than half: |imagined - real|^2 >= tau |start - real|^2.
Where nothing really moves, it is wrong if it moves anything. Trivial predictors (how much motion is imagined, how late in
the scene) stand beside it: an uncertainty that does not beat them knows nothing of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from ..log import Score
from ..metric import Evidence, Metric, entities, moved, stacked
from ..statistics import Interval, auroc, bootstrap_levels
from .causal import HEADLINE, scales_of

WRONG = 0.5
BINS, RESAMPLES = 5, 400
LEAST = 5
"""wrong and right futures that it takes"""


def outcomes(evidence: Evidence) -> tuple[Bool[ndarray, "C K"], Float[ndarray, "C K"]]:
    """Which imagined futures came out wrong, and how much motion each imagined (in sigma)."""
    effects, scales = evidence.effects, scales_of(evidence)
    assert effects is not None
    groups = [g for g in HEADLINE if entities(evidence.spec, g, effects.imagined)]
    start = {name: value[:, None, None] for name, value in effects.start.items()}

    def table(values: dict[str, ndarray]) -> ndarray:
        return np.concatenate([stacked(evidence.spec, g, values, scales) for g in groups], -1)

    error, motion, dreamt = (
        ((table({n: a[n] - b[n] for n in effects.imagined})) ** 2).sum((2, 3))
        for a, b in ((effects.imagined, effects.real), (effects.real, start), (effects.imagined, start)))
    moves, hallucinates = (np.any([moved(e, values[e.name] - start[e.name]).any(-1) for g in groups for e in
                                   entities(evidence.spec, g, effects.imagined)], axis=0) for values in
                           (effects.real, effects.imagined))
    return np.where(moves, error >= (1 - WRONG) * motion, hallucinates), np.sqrt(dreamt)


def risk(unsure: Float[ndarray, "N"], wrong: Bool[ndarray, "N"]) -> float:
    """Area under the risk-coverage curve: mean share of wrong futures among those kept, the surest first, over all
    coverages. Futures that are equally sure are kept in proportion."""
    _, level, size = np.unique(unsure, return_inverse=True, return_counts=True)
    share = (np.bincount(level, wrong) / size)[np.sort(level)]  # of wrong ones, the surest first
    return float((np.cumsum(share) / np.arange(1, len(wrong) + 1)).mean())


def brier(unsure: Float[ndarray, "C K"], wrong: Bool[ndarray, "C K"]) -> float:
    """Squared error of the probability of being wrong, read off bins of uncertainty in the other contexts."""
    edges = np.unique(np.quantile(unsure, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.digitize(unsure, edges)
    hits, cases = (np.stack([((bins == b) * w).sum(1) for b in range(len(edges) + 1)], 1) for w in (wrong, np.ones_like(wrong)))
    left_hits, left_cases = hits.sum(0) - hits, cases.sum(0) - cases
    base = left_hits.sum(1, keepdims=True) / left_cases.sum(1, keepdims=True)
    rate = np.where(left_cases > 0, left_hits / np.maximum(left_cases, 1), base)
    return float(((np.take_along_axis(rate, bins, 1) - wrong) ** 2).mean())


def calibration(evidence: Evidence) -> Sequence[Score]:
    """AUROC with its advantage over the best trivial predictor, Brier score, risk-coverage area."""
    effects = evidence.effects
    assert effects is not None
    if effects.uncertainty is None:
        return (evidence.score("calibration", None, unavailable="the model gave no uncertainty with its futures"),)
    wrong, motion = outcomes(evidence)
    contexts, count = len(wrong), int(wrong.sum())
    if count < LEAST or wrong.size - count < LEAST or contexts < 3:
        why = f"{count} of {wrong.size} futures are wrong: it takes {LEAST} wrong and {LEAST} right ones in 3 contexts"
        return (evidence.score("calibration", None, unavailable=why),)
    unsure = effects.uncertainty
    trivial = {"motion": motion}
    if effects.step is not None:
        trivial["time"] = np.broadcast_to(effects.step[:, None], wrong.shape).astype(np.float64)
    generator = np.random.default_rng(0)
    draws = [np.arange(contexts), *generator.integers(contexts, size=(RESAMPLES, contexts))]

    def area(values: ndarray, draw: ndarray) -> float:
        return auroc(wrong[draw].ravel(), values[draw].ravel())

    own = np.array([area(unsure, draw) for draw in draws])
    beside = {name: np.array([area(values, draw) for draw in draws]) for name, values in trivial.items()}
    # a trivial predictor may be read either way round
    best = np.max([np.maximum(a, 1 - a) for a in beside.values()], axis=0)
    base = float(wrong.mean())
    surest, areas = risk(unsure.ravel(), wrong.ravel()), own[1:][np.isfinite(own[1:])]
    gains = (own - best)[1:][np.isfinite((own - best)[1:])]
    return [evidence.score("calibration", float(own[0]), _percentile(areas, own[0], contexts), n=contexts,
                           note=f"{count} of {wrong.size} futures are wrong"),
            evidence.score("calibration.gain", float(own[0] - best[0]), _percentile(gains, own[0] - best[0], contexts),
                           n=contexts,
                           note="best trivial: " + max(beside, key=lambda name: max(beside[name][0], 1 - beside[name][0]))),
            evidence.score("calibration.brier", brier(unsure, wrong), n=contexts,
                           note=f"base rate alone {base * (1 - base):.3f}"),
            evidence.score("calibration.risk", surest, n=contexts, note=f"without any knowledge {base:.3f}")]


def _percentile(values: ndarray, value: float, contexts: int) -> Interval | None:
    if not len(values):
        return None
    low, high = np.quantile(values, bootstrap_levels(contexts))
    return Interval(min(float(low), float(value)), max(float(high), float(value)))


METRICS = (
    Metric("calibration", ("effects",), calibration, "higher", (0, 1),
           "was the model less sure of the futures that came out wrong: 0.5 knows nothing", "AUROC over imagined futures",
           children={"gain": "its advantage over the best trivial predictor (imagined motion, time in the scene)",
                     "brier": "squared error of the probability of being wrong, bins fitted on other contexts",
                     "risk": "mean share of wrong futures among those kept, the surest first"}),
)
