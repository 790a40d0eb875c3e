"""Planning by sampling: of several answers of a model, the one is done that the model itself values most."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np

from ..errors import WamError
from ..models.base import Running, WorldActionModel
from ..types import Prediction
from .policy import ModelPolicy

VALUE = "value"
"""the stream that says how good an answer is: more is better"""


class BestOf(ModelPolicy):
    """As ModelPolicy, with `n` answers to each question, each from noise of its own; the first is the one that ModelPolicy
    would give, and stands where none is valued more.

    Raises:
        Unanswerable: if the model does not say the value of what it imagines and does.
        WamError: for a number of answers that is none.
    """

    def __init__(self, model: WorldActionModel, n: int, want: AbstractSet[str] = frozenset({"future", "action"})):
        super().__init__(model, {*want, VALUE})
        if n < 1:
            raise WamError("a choice needs something to choose from", where="best of", expected=">= 1", got=n)
        self.n = n

    def answer(self, session: Running, seed: int) -> Prediction:
        seeds = [seed, *np.random.SeedSequence(seed).generate_state(self.n - 1, np.uint32).tolist()]
        answers = [session.predict(want=self.want, seeds=[one]) for one in seeds]
        return max(answers, key=lambda answer: float(answer.others[VALUE]))
