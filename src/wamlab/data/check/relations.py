"""Whether the actions of an episode do to the state what they do in the others: a linear fit over the dataset, judged per
episode, and what would have to be done to an episode's actions to make it fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..formats.semantics import CLEAR, explained
from .finding import Finding, listing
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
    actions = [e.record.action for e in usable]
    scores = _held_out(actions, targets)
    typical = np.median(scores, 0)
    for number, e in enumerate(usable):
        strict = (typical > GOOD) & _concerned(number, actions, targets)
        doubtful = np.flatnonzero(strict & (1 - scores[number] > 4 * (1 - typical) + 0.02))
        reason = _reason(number, actions, targets, doubtful, source) if len(doubtful) else ""
        state = e.record.state
        if change and state.shape[1] == e.record.action.shape[1] and \
                (np.abs(e.record.action - state[1:]) < 0.05 * np.maximum(state.std(0), 1e-9)).mean() > 0.9:
            reason, doubtful = ": its actions are positions, not changes", np.arange(state.shape[1])
        broken = np.flatnonzero(strict & (typical > SURE) & (scores[number] < BAD))
        if reason or len(broken):
            channels = doubtful if reason else broken
            names = listing(source.state_names[channel] for channel in channels)
            found.append(Finding("action semantics", "error" if reason else "warning", e.record.file, "action", e.record.index,
                                 f"the state ({names}) does not follow the actions as in the other episodes{reason}",
                                 f"{typical[channels[0]]:.2f} of the variance explained", f"{scores[number][channels[0]]:.2f}",
                                 "leave the episode out, or convert its actions"))
    return found


def fit_linear(inputs: Sequence[ndarray], outputs: Sequence[ndarray], strength: float = 1e-6) -> Callable[[ndarray], ndarray]:
    """A linear map with offset from inputs to outputs, least squares with a ridge of `strength`."""
    x, y = np.concatenate(inputs), np.concatenate(outputs)
    mean, scale, offset = x.mean(0), x.std(0), y.mean(0)
    scale = np.where(scale > 0, scale, 1)
    z = (x - mean) / scale
    weights = np.linalg.solve(z.T @ z + strength * len(z) * np.eye(z.shape[1]), z.T @ (y - offset))
    return lambda values: (values - mean) / scale @ weights + offset


def _score(predicted: ndarray, true: ndarray, spread: ndarray) -> ndarray:
    """Per channel: 1 is perfect, 0 no better than the mean over the dataset, negative is worse."""
    return 1 - ((predicted - true) ** 2).mean(0) / np.maximum(spread, 1e-12)


def _held_out(inputs: Sequence[ndarray], outputs: Sequence[ndarray], folds: int = 8, strength: float = 1e-6) -> Float64[ndarray,
                                                                                                                        "E P"]:
    """How well each episode follows from a fit over the others."""
    scores = np.empty((len(inputs), outputs[0].shape[1]))
    for fold in range(min(folds, len(inputs))):
        out = [n for n in range(len(inputs)) if n % min(folds, len(inputs)) == fold]
        rest = [n for n in range(len(inputs)) if n not in out]
        model = fit_linear([inputs[n] for n in rest], [outputs[n] for n in rest], strength)
        for n in out:
            own = outputs[n].var(0)
            spread = np.maximum(own, 0.05 * np.concatenate(outputs).var(0))
            scores[n] = _score(model(inputs[n]), outputs[n], spread)
    return scores


def _concerned(number: int, actions: Sequence[ndarray], targets: Sequence[ndarray]) -> ndarray:
    """Per state channel: whether it varies in this episode, or should by the fit over the others."""
    rest = [n for n in range(len(actions)) if n != number]
    model = fit_linear([actions[n] for n in rest], [targets[n] for n in rest])
    usual = 0.1 * np.median([target.var(0) for target in targets], 0)
    return np.asarray((model(actions[number]).var(0) > usual) | (targets[number].var(0) > usual))


def _reason(number: int, actions: Sequence[ndarray], targets: Sequence[ndarray], broken: ndarray, source: Source) -> str:
    """The change of this episode's actions under which it would fit, in words; empty if none is found."""
    rest = [n for n in range(len(actions)) if n != number]
    model, action, target = fit_linear([actions[n] for n in rest], [targets[n] for n in rest]), actions[number], targets[number]
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
