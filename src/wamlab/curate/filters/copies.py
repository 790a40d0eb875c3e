"""Episodes that are there nearly twice."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.spatial.distance import cdist

from .base import Corpus, Filter, Judgement, judgement
from .information import principal, standard

MOMENTS = 8
"""moments of an episode at which it is compared, equally spaced"""
COMPONENTS = 16


def descriptors(corpus: Corpus) -> Float64[ndarray, "E d"]:
    """What an episode looked like, where it was and what it did at `MOMENTS` moments; each of the three has the same say."""
    picks = [np.linspace(0, len(r.action) - 1, MOMENTS).round().astype(int) for r in corpus.records]
    small = principal(np.concatenate([r.small[p] for r, p in zip(corpus.records, picks, strict=True)]), COMPONENTS)
    state = np.concatenate([r.state[p] for r, p in zip(corpus.records, picks, strict=True)])
    # actions between two moments, added up: a copy that is shifted by a step is still a copy
    action = np.concatenate([np.diff(np.concatenate([[np.zeros(r.action.shape[1])], r.action.cumsum(0)])[
        np.linspace(0, len(r.action), MOMENTS + 1).round().astype(int)], axis=0) for r in corpus.records])
    parts = [small / max(float(small.std(0).max(initial=0)), 1e-6), standard(state), standard(action)]
    flat = [part.reshape(len(corpus), -1) / np.sqrt(MOMENTS * max(1, part.shape[1])) for part in parts]
    return np.concatenate(flat, 1)


def duplicates(corpus: Corpus) -> Judgement:
    """Distance to the nearest earlier episode, in units of the usual distance to the nearest one: the first of two copies is
    kept, the second is blamed."""
    points = descriptors(corpus)
    away = cdist(points, points)
    np.fill_diagonal(away, np.inf)
    usual = max(float(np.median(away.min(1))), 1e-9)
    earlier = np.where(np.tril(np.ones_like(away), -1) > 0, away, np.inf)
    nearest, values = earlier.argmin(1), earlier.min(1) / usual
    values[0] = max(1.0, float(np.median(values[1:])))
    return judgement(np.minimum(values, 3.0), lambda i: f"{values[i]:.2f} of the usual distance from episode "
                     f"{corpus.records[int(nearest[i])].index}" if i else "the first")


FILTERS = (
    Filter("duplicates", duplicates, "higher", "usual distances", 0.25,
           "distance to the nearest earlier episode, in pictures, state and actions: 0 is a copy, 1 as far as usual",
           "copies of a part of an episode, and mirrored ones",
           "nearest neighbour in principal components of small pictures, states and summed actions at 8 moments"),
)
