"""Is the plan of this episode about this episode? Its error against that of the plans that were made in others.

Demonstrations of a task look alike, so that a film of any of them agrees with what happens better than a still does. What
an imagination knows of the scene at hand is what it gains over the imaginations of other scenes at the same decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from ..log import Score
from ..metric import Evidence, Foresight, Metric
from ..statistics import cluster_bootstrap
from .foresight import blurred, errors

LEAST_EPISODES = 3
PARTNERS = 4
"""episodes whose plans stand against each one's own"""


def partners(foresight: Foresight) -> Int[ndarray, "N S"]:
    """Per row the rows of some other episodes at the same decision and step ahead; -1 if there are none."""
    rank = np.zeros(len(foresight.chunk), int)
    for episode in np.unique(foresight.episode):
        rows = foresight.episode == episode
        rank[rows] = np.unique(foresight.chunk[rows], return_inverse=True)[1]
    order = np.lexsort((np.arange(len(rank)), foresight.chunk))
    first = np.r_[True, np.diff(foresight.chunk[order]) != 0] if len(order) else np.zeros(0, bool)
    ahead = np.zeros(len(rank), int)
    ahead[order] = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    partner = np.full((len(rank), PARTNERS), -1)
    for key in np.unique(np.stack([rank, ahead], -1), axis=0) if len(rank) else ():
        rows = np.flatnonzero((rank == key[0]) & (ahead == key[1]))
        rows = rows[np.argsort(foresight.episode[rows], kind="stable")]
        if len(rows) > 1:
            shifts = np.round(np.linspace(1, len(rows) - 1, PARTNERS)).astype(int)  # spread evenly, never itself
            partner[rows] = rows[(np.arange(len(rows))[:, None] + shifts) % len(rows)]
    return partner


def specific(evidence: Evidence) -> Sequence[Score]:
    """1 - |own plan - real|^2 / mean |other episode's plan - real|^2, pooled; plans are compared as displacements."""
    foresight = evidence.foresight
    assert foresight is not None
    why = blurred(evidence)
    if why:
        return (evidence.score("specific", None, unavailable=why),)
    partner = partners(foresight)
    kept = partner[:, 0] >= 0
    if len(np.unique(foresight.episode[kept])) < LEAST_EPISODES:
        why = f"fewer than {LEAST_EPISODES} episodes made a plan at the same decision"
        return (evidence.score("specific", None, unavailable=why),)
    start, imagined, real = ({name: value[kept] for name, value in side.items()}
                             for side in (foresight.start, foresight.imagined, foresight.real))
    made = Foresight(foresight.episode[kept], foresight.chunk[kept], start, imagined, real)
    seen = replace(evidence, foresight=made)
    own, _, episode = errors(seen, made.imagined)
    moves = {name: value - foresight.start[name] for name, value in foresight.imagined.items()}
    others = [errors(seen, {name: made.start[name] + move[row] for name, move in moves.items()})[0] for row in partner[kept].T]
    swapped = np.mean(others, axis=0)
    sums = np.stack([np.bincount(episode, values[:, 0]) for values in (own, swapped)], -1)[np.unique(episode)]
    if sums[:, 1].sum() <= 1e-12:
        return (evidence.score("specific", None, unavailable="the plans of all episodes are alike, and right"),)
    value = cluster_bootstrap(sums, lambda s: 1 - s[..., 0] / s[..., 1])
    return (evidence.score("specific", value or float(1 - sums[:, 0].sum() / sums[:, 1].sum()), n=len(sums)),)


METRICS = (
    Metric("specific", ("episodes", "foresight"), specific, "higher", (-float("inf"), 1),
           "does a plan fit its own episode better than another episode's plan does: 1 exact, 0 no better",
           "plan-execution agreement against plans dealt to other episodes"),
)
