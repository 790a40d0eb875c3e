"""Filters that look at what came of an episode: from the truth, from labels of some episodes, or from the pictures alone."""

from __future__ import annotations

import numpy as np

from ...evaluate.metric import positions
from .base import Corpus, Filter, Judgement, Record, judgement
from .learning import folds, out_of_fold, stacked

FOLDS = 3
LEAST_LABELS = 12
"""labelled episodes, of each kind a quarter of this, from which a classifier can be learned"""


def closed(corpus: Corpus, record: Record) -> float:
    """Share of the way that the object had to the goal that was closed: 1 it is there, 0 as far as before, negative farther."""
    thing, goal = corpus.spec.of_group("object", "articulation")[0], corpus.spec.of_group("goal")[0]
    if thing.name not in record.truth or goal.name not in record.truth:
        return float("nan")
    axes = min(positions(thing), positions(goal))
    left = np.linalg.norm(record.truth[thing.name][:, :axes] - record.truth[goal.name][:, :axes], axis=1)
    return float(np.clip(1 - left[-1] / left[0], -1, 1)) if left[0] > thing.tolerance else float("nan")


def progress(corpus: Corpus) -> Judgement:
    values = [closed(corpus, record) for record in corpus.records]
    return judgement(values, lambda i: f"{values[i]:.0%} of the object's way to the goal is closed at the end")


def value(corpus: Corpus) -> Judgement:
    """How finished the end looks to a network that learned, on other episodes, how much of an episode is over in a picture."""
    pictures, owner = stacked([r.pictures for r in corpus.records])
    over = np.concatenate([r.sampled for r in corpus.records])
    said = out_of_fold(pictures, over, folds(len(corpus), FOLDS, corpus.seed)[owner], seed=corpus.seed)
    values = [float(said[owner == i][-1]) for i in range(len(corpus))]
    return judgement(values, lambda i: f"its last picture looks {values[i]:.0%} finished",
                     f"learned in {FOLDS} folds of the data")


def success(corpus: Corpus) -> Judgement:
    """How likely the last picture shows the task done, by a classifier learned on other, labelled episodes."""
    pictures, owner = stacked([r.pictures for r in corpus.records])
    known = [i for i, r in enumerate(corpus.records) if r.index in corpus.labels]
    fold = np.full(len(corpus), -1)
    fold[known] = folds(len(known), FOLDS, corpus.seed)
    target = np.full(len(pictures), np.nan)
    for i in known:
        rows = np.flatnonzero(owner == i)
        target[rows[0]], target[rows[-1]] = 0.0, float(corpus.labels[corpus.records[i].index])
    said = out_of_fold(pictures, target, fold[owner], seed=corpus.seed + 1, balance=True)
    values = [float(said[owner == i][-1]) for i in range(len(corpus))]
    return judgement(values, lambda i: f"its last picture shows the task done with probability {values[i]:.2f}",
                     f"learned on {len(known)} labelled episodes, each judged by networks that did not see it")


def _truth(corpus: Corpus) -> str:
    if not corpus.spec.of_group("object", "articulation") or not corpus.spec.of_group("goal"):
        return "their spec names no object or no goal"
    known = any(np.isfinite(closed(corpus, record)) for record in corpus.records)
    return "" if known else "they hold no truth of the object and the goal"


def _labels(corpus: Corpus) -> str:
    done = sum(corpus.labels.values())
    if len(corpus.labels) < LEAST_LABELS or not LEAST_LABELS // 4 <= done <= len(corpus.labels) - LEAST_LABELS // 4:
        return (f"{len(corpus.labels)} episodes are labelled, {done} of them as done; it needs {LEAST_LABELS}, at least "
                f"{LEAST_LABELS // 4} of each kind")
    return ""


FILTERS = (
    Filter("progress", progress, "higher", "share of the way", 0.1,
           "how much of the object's way to the goal was closed at the end",
           "how it was done",
           "1 - last distance / first distance, from recorded truth", _truth),
    Filter("value", value, "higher", "share of the task", 0.1,
           "how finished the last picture looks, by a network that learned what pictures late in an episode look like",
           "how it was done; endings that most episodes share are taken for the right one",
           "self-supervised progress as in SCIZOR (arXiv 2505.22626): the elapsed share of an episode, learned out of fold"),
    Filter("success", success, "higher", "probability", 0.1,
           "how likely the last picture shows the task done, by a classifier of some labelled episodes",
           "how it was done",
           "out-of-fold classifier; first pictures count as not done", _labels),
)
