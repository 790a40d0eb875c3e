"""Filters that look at whether the pictures are alive and on time."""

from __future__ import annotations

import numpy as np

from ...data.check.pairing import LEAST_FRAMES, read_states
from ...data.transforms import floors
from .base import Corpus, Filter, Judgement, judgement

STILL = 0.03
"""share of the usual change in a moving step below which a picture is said to stand still"""
FARTHEST = 6
"""largest shift in time that is tried"""
LAGS = range(-FARTHEST, FARTHEST + 1)
MOVING = 0.3
"""share of the usual speed above which a step is said to move"""


def frozen(corpus: Corpus) -> Judgement:
    """Share of moving steps in which the picture stands still."""
    together = np.concatenate([r.state for r in corpus.records])
    width = np.maximum(together.std(0), floors(together))
    speeds = [np.linalg.norm(np.diff(r.state, axis=0) / width, axis=1) for r in corpus.records]
    together = np.concatenate(speeds)
    usual = float(np.median(together[together > 0])) if (together > 0).any() else 0.0
    moving = [speed > MOVING * usual for speed in speeds]
    change = float(np.median(np.concatenate([r.change[m] for r, m in zip(corpus.records, moving, strict=True)]))) \
        if any(m.any() for m in moving) else 0.0
    values = [float((r.change[m] < STILL * change).mean()) if m.any() else float("nan")
              for r, m in zip(corpus.records, moving, strict=True)]
    return judgement(values, lambda i: f"the picture stands still in {values[i]:.0%} of the steps in which the robot moves")


def alignment(corpus: Corpus) -> Judgement:
    """How much better the pictures would explain the state at another moment: log10 of the ratio of the errors.

    The state is read off small pictures by a linear map that was learned on other episodes; of both only what changes within an
    episode is compared.
    """
    states = [(r.state - r.state.mean(0)).astype(np.float64) for r in corpus.records]
    scale = np.maximum(np.concatenate(states).std(0), floors(np.concatenate([r.state for r in corpus.records])))
    read = read_states([(r.small - r.small.mean(0)).astype(np.float64) for r in corpus.records], states,
                       np.ones(len(corpus), bool))
    values, lags = np.full(len(corpus), np.nan), np.zeros(len(corpus), int)
    for i, (seen, true) in enumerate(zip(read, states, strict=True)):
        if len(true) >= LEAST_FRAMES and true.any():  # a state that never changes says nothing about time
            inner = np.arange(FARTHEST, len(true) - FARTHEST)
            # a picture that is `lag` late shows the state of `lag` steps before
            errors = np.array([(((seen[inner] - true[inner - lag]) / scale) ** 2).mean() for lag in LAGS])
            values[i], lags[i] = np.log10(errors[FARTHEST] / max(errors.min(), 1e-9)), LAGS[int(errors.argmin())]
    return judgement(values, lambda i: f"the pictures fit the state best if they are taken to be {abs(lags[i])} frames "
                     f"{'late' if lags[i] > 0 else 'early'} ({10 ** values[i]:.1f} times less error)" if lags[i] else
                     "the pictures fit the state best as they are")


def _moves(corpus: Corpus) -> str:
    moving = any(np.ptp(r.state, axis=0).any() for r in corpus.records)
    return "" if moving else "there is no proprioception to compare the pictures with"


FILTERS = (
    Filter("frozen", frozen, "lower", "share of steps", 0.05,
           "share of the steps in which the robot moves and the picture does not",
           "pictures that move, but show something else; a robot out of view looks frozen",
           "mean absolute change of the picture below 3 % of the usual change", _moves),
    Filter("alignment", alignment, "lower", "log10 of errors", 0.15,
           "whether the pictures fit the state better at another moment than at their own",
           "shifts of more than six frames, shifts in all episodes alike, and shifts that pictures and state share",
           "error by lag of the state as read off the pictures, by a linear map learned on other episodes", _moves),
)
