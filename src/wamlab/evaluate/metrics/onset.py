"""Do later actions change earlier moments? Pairs of actions that are equal up to a step must imagine the same until then.

Bidirectional attention over time can leak what comes later into what comes before; no true world does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy import ndarray

from ..log import Score
from ..metric import Evidence, Metric, entities, stacked
from .causal import HEADLINE, estimate, scales_of

TWIN = "factual"
LATE = "late "
"""actions whose names begin so are the factual one during the first half of the chunk, and something else then"""


def onset(evidence: Evidence) -> Sequence[Score]:
    """Share of the imagined effect's mean energy that lies before the actions part, the truth's own beside it (0)."""
    effects = evidence.effects
    assert effects is not None
    groups = [g for g in HEADLINE if entities(evidence.spec, g, effects.imagined)]
    late = [k for k, name in enumerate(effects.kinds) if name.startswith(LATE)]
    why = ""
    if not late or TWIN not in effects.kinds or not groups or effects.onset is None:
        why = f"no actions were tried that equal the {TWIN} one up to a step"
    else:
        before = np.array([offset <= effects.onset for offset in effects.offsets])
        if before.all() or not before.any():
            why = f"the future is shown at {effects.offsets}, not on both sides of step {effects.onset} at which actions part"
    if why:
        return (evidence.score("onset", None, unavailable=why),)
    scales, twin = scales_of(evidence), effects.kinds.index(TWIN)

    def energy(values: dict[str, ndarray]) -> ndarray:
        table = np.concatenate([stacked(evidence.spec, g, values, scales) for g in groups], -1)
        gap = ((table[:, late] - table[:, [twin]]) ** 2).sum(-1).mean(1)
        return np.stack([gap[:, before].mean(1), gap[:, ~before].mean(1)], -1)

    def part(sums: ndarray) -> ndarray:
        return np.asarray(sums[..., 0] / (sums[..., 0] + sums[..., 1]))

    return (estimate(evidence, "onset", energy(dict(effects.imagined)), part, unit="share"),
            estimate(evidence, "onset.truth", energy(dict(effects.real)), part, unit="share"))


METRICS = (
    Metric("onset", ("effects",), onset, "lower", (0, 1),
           "share of the imagined effect that comes before its cause: 0 in truth, 0.5 if time plays no role",
           "onset leakage: energy of the difference of two futures before and after their actions part", "share",
           children={"truth": "the same of the simulator"}),
)
