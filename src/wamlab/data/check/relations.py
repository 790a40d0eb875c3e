"""Whether the actions of an episode do to the state what they do in the others: a linear fit over the dataset, judged per
episode, and what would have to be done to an episode's actions to make it fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..formats.semantics import CLEAR, explained
from .finding import Finding, listing
from .moments import Model, Moments, fold_of
from .source import Record, Source

GOOD, BAD, SURE = 0.6, 0.0, 0.85
"""share of the variance explained: of a relation that holds in the dataset; of an episode in which it does not; of a
relation so strict that an episode is suspect also where no simple change would make it fit"""


@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers of one episode, kept after its pictures are gone."""

    record: Record
    thumbs: dict[str, Float64[ndarray, "_ F"]]
    """per camera: every picture, made small"""


def check_actions(episodes: Sequence[Numbers], source: Source) -> list[Finding]:
    """Episodes in which the state does not follow the actions as it does in the others, with the likely reason."""
    usable = [e for e in episodes if len(e.record.action) > 4 and e.record.state.shape[1] and np.isfinite(e.record.state).all()
              and
              np.isfinite(e.record.action).all()]
    if len(usable) < 4 or not source.action_names:
        return []
    pairs = [(e.record.state, np.concatenate([e.record.action, e.record.action[-1:]])) for e in usable]
    by_value, by_change = (np.median(table.max(1)) for table in explained(pairs))
    found = []
    if (source.kind == "delta" and by_value > GOOD and by_change < CLEAR / 2) or \
            (source.kind == "absolute" and by_change > GOOD and by_value < CLEAR / 2):
        found.append(Finding("action semantics", "error", usable[0].record.file, "action", None,
                             f"the actions are said to be {source.kind}, but the state's "
                             f"{'values' if source.kind == 'delta' else 'changes'} follow them", str(source.kind),
                             "absolute" if source.kind == "delta" else "delta", "set the spec's action kind"))
    change = by_change >= by_value
    targets = [np.diff(e.record.state, axis=0) if change else e.record.state[1:] for e in usable]
    fits = Fits([e.record.action for e in usable], targets)
    scores = fits.held_out()
    typical = np.median(scores, 0)
    for number, e in enumerate(usable):
        strict = (typical > GOOD) & fits.concerned(number)
        doubtful = np.flatnonzero(strict & (1 - scores[number] > 4 * (1 - typical) + 0.02))
        reason = _reason(number, fits, doubtful, source) if len(doubtful) else ""
        state = e.record.state
        if change and state.shape[1] == e.record.action.shape[1] and \
                (np.abs(e.record.action - state[1:]) < 0.05 * np.maximum(state.std(0), 1e-9)).mean() > 0.9:
            reason, doubtful = ": its actions are positions, not changes", np.arange(state.shape[1])
        broken = np.flatnonzero(strict & (typical > SURE) & (scores[number] < BAD))
        if len(broken) and change:
            broken = broken[fits.unhindered(number)[broken] < BAD]
        if reason or len(broken):
            channels = doubtful if reason else broken
            names = listing(source.state_names[channel] for channel in channels)
            found.append(Finding("action semantics", "error" if reason else "warning", e.record.file, "action", e.record.index,
                                 f"the state ({names}) does not follow the actions as in the other episodes{reason}",
                                 f"{typical[channels[0]]:.2f} of the variance explained", f"{scores[number][channels[0]]:.2f}",
                                 "leave the episode out, or convert its actions"))
    return found


class Fits:
    """Linear fits from actions to what the state does, with single episodes or folds of them left out.

    Args:
        actions, targets: per episode [T, A] and [T, P].
    """

    def __init__(self, actions: Sequence[ndarray], targets: Sequence[ndarray]):
        self.actions, self.targets = actions, targets
        self.whole = Moments.of(actions, targets)
        self.spread = np.concatenate(targets).var(0)
        self.usual = 0.1 * np.median([target.var(0) for target in targets], 0)

    def without(self, episodes: Sequence[int]) -> Model:
        """The fit over all other episodes."""
        own = Moments.of([self.actions[n] for n in episodes], [self.targets[n] for n in episodes], self.whole.origin)
        return (self.whole - own).fit()

    def held_out(self, folds: int = 8) -> Float64[ndarray, "E P"]:
        """How well each episode follows from a fit over the episodes of the other folds."""
        scores = np.empty((len(self.actions), self.targets[0].shape[1]))
        for members in fold_of(len(self.actions), folds):
            model = self.without(members)
            for n in members:
                scores[n] = self.judge(n, model(self.actions[n]))
        return scores

    def judge(self, number: int, predicted: ndarray) -> Float64[ndarray, "P"]:
        return _score(predicted, self.targets[number], np.maximum(self.targets[number].var(0), 0.05 * self.spread))

    def concerned(self, number: int) -> ndarray:
        """Per state channel: whether it varies in this episode, or should by the fit over the others."""
        varies = self.targets[number].var(0) > self.usual
        if varies.all():
            return varies
        return np.asarray(varies | (self.without([number])(self.actions[number]).var(0) > self.usual))

    def unhindered(self, number: int) -> Float64[ndarray, "P"]:
        """The score without the steps in which the state moved as it should, only less far: an obstacle stood in its way."""
        predicted, true = self.without([number])(self.actions[number]), self.targets[number]
        slack = 0.1 * np.sqrt(self.spread)
        hindered = (true * np.sign(predicted) > -slack) & (np.abs(true) < np.abs(predicted) + slack)
        return self.judge(number, np.where(hindered, true, predicted))


def _score(predicted: ndarray, true: ndarray, spread: ndarray) -> ndarray:
    """Per channel: 1 is perfect, 0 no better than the mean over the dataset, negative is worse."""
    return 1 - ((predicted - true) ** 2).mean(0) / np.maximum(spread, 1e-12)


def _reason(number: int, fits: Fits, broken: ndarray, source: Source) -> str:
    """The change of this episode's actions under which it would fit, in words; empty if none is found."""
    model, action, target = fits.without([number]), fits.actions[number], fits.targets[number]
    spread = np.maximum(target.var(0), 1e-12)
    options: list[tuple[str, ndarray, slice]] = []
    for channel, name in enumerate(source.action_names):
        flipped = action.copy()
        flipped[:, channel] *= -1
        options.append((f": {name} has the opposite sign", flipped, slice(None)))
    for lag in (-3, -2, -1, 1, 2, 3):
        known = slice(None, -lag) if lag > 0 else slice(-lag, None)
        options.append((f": its actions are {abs(lag)} rows {'late' if lag > 0 else 'early'}", np.roll(action, -lag, 0), known))
    for scale in (180 / np.pi, np.pi / 180, 1000.0, 0.001, 100.0, 0.01, 10.0, 0.1):
        options.append((f": its actions are {scale:.3g} times too {'small' if scale > 1 else 'large'}", action * scale,
                        slice(None)))
    now = float(_score(model(action), target, spread)[broken].mean())
    best, text = max(0.4, 1 - (1 - now) / 2.5), ""  # at most two fifths of the error are left
    for words, changed, part in options:
        score = float(_score(model(changed)[part], target[part], spread)[broken].mean())
        if score > best:
            best, text = score, words
    return text
