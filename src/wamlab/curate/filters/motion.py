"""Filters that look at how an episode moves: smoothness of its actions, and whether the state follows them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from ...data.check.moments import fit_linear
from ...data.transforms import ROUNDING
from .base import Corpus, Filter, Judgement, Record, judgement

FOLDS = 5
CUTOFF, THRESHOLD, PADDED = 0.5, 0.05, 4
"""spectral arc length: highest frequency as a share of the sampling rate, amplitude below which the spectrum has ended, and how
many times the spectrum is finer than the recording's length alone would give"""


def ranges(corpus: Corpus) -> Float64[ndarray, "A"]:
    """Width of every action channel's legal range, in its unit."""
    low, high = np.array(corpus.spec.action.low), np.array(corpus.spec.action.high)
    return np.where(high > low, high - low, 1.0)  # what cannot vary does not jerk, in any unit


def jerk(record: Record, width: Float64[ndarray, "A"]) -> float:
    """Mean absolute second difference of the actions, as a share of each channel's range; steps that are marked as disturbed,
    and those beside them, are left out. Of actions that are per-step changes this is the motion's third difference."""
    second = np.abs(np.diff(record.action, 2, axis=0)) / width
    usable = record.imitate[:-2] & record.imitate[1:-1] & record.imitate[2:]
    return float(second[usable].mean()) if usable.any() else float("nan")


def arc_length(speed: Float[ndarray, "T"]) -> float:
    """Spectral arc length (SPARC) of a speed profile, a negative number: the closer to 0, the smoother.

    Minus the length of the curve of the Fourier magnitude, scaled to 1 at its largest, over frequency, scaled to 1 at the
    cutoff; up to the last frequency below `CUTOFF` at which the magnitude is above `THRESHOLD`. Balasubramanian et al., Journal
    of NeuroEngineering and Rehabilitation 12 (2015) 112; there the cutoff is 10 Hz, here half the sampling rate, which is lower
    at the usual control rates.
    """
    size = PADDED * 2 ** int(np.ceil(np.log2(max(len(speed), 2))))
    magnitude = np.abs(np.fft.rfft(speed, size))
    if magnitude.max() <= 0:
        return float("nan")
    magnitude = magnitude / magnitude.max()
    frequency = np.linspace(0, 0.5, len(magnitude)) / CUTOFF
    last = int(np.flatnonzero(magnitude >= THRESHOLD)[-1])
    curve, place = magnitude[: last + 1], frequency[: last + 1] / max(frequency[last], 1e-9)
    return -float(np.hypot(np.diff(place), np.diff(curve)).sum())


def smoothness(corpus: Corpus) -> Judgement:
    width = ranges(corpus)
    values = [jerk(record, width) for record in corpus.records]
    return judgement(values, lambda i: f"actions jerk by {values[i]:.1%} of their range per step")


def spectrum(corpus: Corpus) -> Judgement:
    values = [arc_length(np.linalg.norm(np.diff(record.state, axis=0), axis=1)) if len(record.action) > 3 else float("nan")
              for record in corpus.records]
    return judgement(values, lambda i: f"spectral arc length of the speed {values[i]:.2f}")


def follows(corpus: Corpus) -> Judgement:
    """Share of the motion that the actions explain, by a linear map learned on the episodes of the other folds."""
    changes = corpus.spec.action.kind == "delta"
    targets = [(np.diff(r.state, axis=0) if changes else r.state[1:])[r.known] for r in corpus.records]
    actions = [r.action[r.known] for r in corpus.records]
    rounding = ROUNDING * np.abs(np.concatenate([r.state for r in corpus.records])).max(0, initial=0)
    scale = np.maximum(np.concatenate(targets).std(0), np.where(rounding > 0, rounding, 1.0))
    folds, values = min(FOLDS, len(corpus)), np.full(len(corpus), np.nan)
    for fold in range(folds):
        rest = [i for i in range(len(corpus)) if i % folds != fold and len(actions[i])]
        if not rest:  # nothing to learn it from: these cannot be judged
            continue
        model = fit_linear([actions[i] for i in rest], [targets[i] for i in rest])
        for i in (i for i in range(fold, len(corpus), folds) if len(actions[i])):
            error = ((model(actions[i]) - targets[i]) / scale) ** 2
            spread = ((targets[i] - targets[i].mean(0)) / scale) ** 2
            values[i] = 1 - error.sum() / max(spread.sum(), 0.05 * spread.size)
    return judgement(values, lambda i: f"the actions explain {values[i]:.0%} of the state's motion")


def _acts(corpus: Corpus) -> str:
    return "" if any(r.imitate.any() for r in corpus.records) else "there are no actions that are to be imitated"


def _moves(corpus: Corpus) -> str:
    known = corpus.records[0].state.shape[1] and sum(r.known.any() for r in corpus.records) > 1
    return "" if known else "there is no proprioception, or there are no actions"


FILTERS = (
    Filter("jerk", smoothness, "lower", "share of the range", 0.02,
           "how much the actions jump from step to step, as a share of their range",
           "wrong actions that are smooth, and everything in the pictures",
           "mean absolute second difference of the actions, disturbed steps left out", _acts),
    Filter("spectral", spectrum, "higher", "arc length", 0.2,
           "smoothness of the speed profile: minus the length of its Fourier spectrum's curve",
           "anything but the regularity of the speed; experts that stop and go are punished",
           "SPARC, Balasubramanian et al., J NeuroEng Rehabil 12:112 (2015)", _moves, usual=False),
    Filter("follows", follows, "higher", "share of variance", 0.05,
           "how much of the state's motion follows from the actions, as in the other episodes",
           "wrong actions that were really executed",
           "out-of-fold R2 of a linear map from actions to the state's change (delta actions) or value", _moves),
)
