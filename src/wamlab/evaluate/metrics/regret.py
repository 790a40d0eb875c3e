"""What an imagination is worth for choosing: pick the action that it likes best, and count what is lost in truth.

The value of a future is how far it takes the manipulated thing along the displacement that the expert's own (factual)
action causes, at the last offset. Contexts in which that action moves nothing are not asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..log import Score
from ..metric import Evidence, Metric, entities, positions
from .causal import LEAST_CONTEXTS, estimate, scales_of
from .dose import kendall, tau_b


def values(evidence: Evidence) -> tuple[Float[ndarray, "C K"], Float[ndarray, "C K"], Float[ndarray, "C"]]:
    """Imagined and true value of every action in sigma, and how far the factual action moves the thing (0: not asked)."""
    effects = evidence.effects
    assert effects is not None
    shape, factual = (len(effects.strata), len(effects.kinds)), effects.kinds.index("factual")
    imagined, real, reach = np.zeros(shape), np.zeros(shape), np.zeros(shape[0])
    for entity in entities(evidence.spec, "object", effects.imagined):
        p, unit = positions(entity), scales_of(evidence)[entity.name]
        start = effects.start[entity.name][:, None, :p]
        made, true = (v[entity.name][:, :, -1, :p] - start for v in (effects.imagined, effects.real))
        goal = true[:, factual]
        length = np.linalg.norm(goal, axis=-1)
        asked = length > entity.tolerance
        along = np.where(asked[:, None], goal / np.maximum(length, 1e-30)[:, None], 0)[:, None]
        imagined, real = imagined + (made * along).sum(-1) / unit, real + (true * along).sum(-1) / unit
        reach = reach + np.where(asked, length, 0)
    return imagined, real, reach


def regret(evidence: Evidence) -> Sequence[Score]:
    """(best - chosen) / (best - mean) of true values; ties share their choice. And how well the ranks agree."""
    effects = evidence.effects
    assert effects is not None
    why = ""
    if "factual" not in effects.kinds or not entities(evidence.spec, "object", effects.imagined):
        why = "it takes the expert's action and something to be manipulated"
    else:
        imagined, real, reach = values(evidence)
        asked = reach > 0
        if asked.sum() < LEAST_CONTEXTS:
            why = f"the expert's action moves something in {int(asked.sum())} contexts, fewer than {LEAST_CONTEXTS}"
    if why:
        return tuple(evidence.score(name, None, unavailable=why) for name in ("regret", "regret.tau"))
    best = imagined.max(1, keepdims=True)
    chosen = imagined >= best - 1e-9
    got = (real * chosen).sum(1) / chosen.sum(1)
    lost = np.stack([real.max(1) - got, real.max(1) - real.mean(1)], -1)[asked]
    tie = min(e.tolerance / scales_of(evidence)[e.name] for e in entities(evidence.spec, "object", effects.imagined))
    return (estimate(evidence, "regret", lost, lambda s: s[..., 0] / s[..., 1]),
            estimate(evidence, "regret.tau", kendall(imagined[asked], real[asked], tie), tau_b))


METRICS = (
    Metric("regret", ("effects",), regret, "lower", (0, float("inf")),
           "what choosing by imagination loses: 0 the best action is found, 1 no better than any",
           "top-1 regret over the gap between best and mean action", children={
               "tau": "Kendall's tau-b of imagined and true value over all pairs of actions"}),
)
