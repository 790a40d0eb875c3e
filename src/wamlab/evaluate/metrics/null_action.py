"""What happens if nothing is done? The imagined null future against the true one: not everything stands still.

A static model passes wherever the world waits for the robot: never read this score alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..log import Score
from ..metric import Evidence, Metric, entities, stacked
from .causal import HEADLINE, estimate, scales_of


def null_action(evidence: Evidence) -> Sequence[Score]:
    """1 - |imagined null - true null| / median over actions of |true future - true null|, pooled over contexts."""
    effects = evidence.effects
    assert effects is not None
    groups = [g for g in HEADLINE if entities(evidence.spec, g, effects.imagined)]
    if "null" not in effects.kinds or not groups or len(effects.kinds) < 3:
        return (evidence.score("null_action", None, unavailable="the null action is not among the actions that were tried"),)
    null, scales = effects.kinds.index("null"), scales_of(evidence)
    imagined, real = (np.concatenate([stacked(evidence.spec, g, values, scales) for g in groups], -1)
                      for values in (effects.imagined, effects.real))
    error = np.sqrt(((imagined[:, null] - real[:, null]) ** 2).sum((1, 2)))
    others = np.delete(real, null, axis=1) - real[:, null][:, None]
    usual = np.median(np.sqrt((others**2).sum((2, 3))), axis=1)
    return (estimate(evidence, "null_action", np.stack([error, usual], -1), lambda s: 1 - s[..., 0] / s[..., 1]),)


METRICS = (
    Metric("null_action", ("effects",), null_action, "higher", (-float("inf"), 1),
           "is the future of doing nothing right: 1 exact, 0 as wrong as the usual effect of an action",
           "distance of imagined and true null future over the median effect of the other actions"),
)
