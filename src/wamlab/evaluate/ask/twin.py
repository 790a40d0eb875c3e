"""Counterfactuals of the second kind: what would have happened *in this very episode*, had something else been done.

In mode "interventional" a model is told the saved state and an action. In mode "twin" it is also told what the factual action
really led to (abduction, action, prediction; Pearl, Causality, 2009). Simulator and model share their noise over the actions of
a context in both modes. No model here reads such evidence by itself, so it is taken up in the simplest way, as an additive
residual: what the model got wrong about the factual future is added to all its other futures. The factual action, being known,
is no longer among the questions. Where the full state is visible and the simulator has no noise of its own, the truth of both
modes is the same. """

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy import ndarray

from ...errors import DataError
from ..evidence import Effects

Mode = Literal["interventional", "twin"]
FACTUAL = "factual"


def twin(effects: Effects) -> Effects:
    """The same effects with the factual continuation as evidence.

    Raises:
        DataError: without the factual action, or with fewer than two others.
    """
    if FACTUAL not in effects.kinds or len(effects.kinds) < 3:
        raise DataError("there is no factual continuation to offer", where="mode twin", got=effects.kinds,
                        expected=f"{FACTUAL} and two other actions", fix="use the mode interventional")
    known = effects.kinds.index(FACTUAL)
    others = [k for k in range(len(effects.kinds)) if k != known]

    def told(values: Mapping[str, ndarray]) -> dict[str, ndarray]:
        return {name: value[:, others] + (effects.real[name] - value)[:, [known]] for name, value in values.items()}

    return replace(effects, imagined=told(effects.imagined), real={n: v[:, others] for n, v in effects.real.items()},
                   kinds=tuple(effects.kinds[k] for k in others),
                   ceiling=None if effects.ceiling is None else told(effects.ceiling),
                   uncertainty=None if effects.uncertainty is None else effects.uncertainty[:, others])


def averaged(draws: list[Effects], squared_units: Mapping[str, ndarray]) -> Effects:
    """The mean effect over several futures per question, and their spread as the model's uncertainty: known before anything is
    tried.

    Args:
        draws: effects of the same questions, imagined with other noise.
        squared_units: per entity, 1 / sigma^2 for the channels that count, 0 for the others [D].
    """
    total = np.zeros((len(draws[0].strata), len(draws[0].kinds)))
    mean = {}
    for name in draws[0].imagined:
        values = np.stack([one.imagined[name] for one in draws])
        mean[name] = values.mean(0)
        total += (values.var(0) * squared_units[name]).sum((2, 3))
    return replace(draws[0], imagined=mean, uncertainty=np.sqrt(total) if len(draws) > 1 else None)
