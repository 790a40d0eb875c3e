"""Whether the numbers of an episode belong together as in the others: actions that do to the state what they do elsewhere,
pictures that show the state they come with. Both are linear fits over the dataset, judged per episode.
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

GOOD, BAD = 0.6, 0.2
"""share of the variance explained: of a relation that holds in the dataset; of an episode in which it does not"""
LAGS = range(-4, 5)


@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers of one episode, kept after its pictures are gone."""

    record: Record
    thumbs: dict[str, Float64[ndarray, "T1 F"]]
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
        broken = np.flatnonzero((typical > GOOD) & (scores[number] < np.minimum(BAD, typical - 0.4)) & _commanded(number,
                                                                                                                  actions,
                                                                                                                  targets))
        if len(broken):
            names = listing(source.state_names[channel] for channel in broken)
            found.append(Finding("action semantics", "error", e.record.file, "action", e.record.index,
                                 f"the state ({names}) does not follow the actions as in the other episodes"
                                 f"{_reason(number, actions, targets, broken, source)}",
                                 f"{typical[broken[0]]:.2f} of the variance explained", f"{scores[number][broken[0]]:.2f}",
                                 "leave the episode out, or convert its actions"))
    return found


def _fit(inputs: Sequence[ndarray], outputs: Sequence[ndarray], strength: float = 1e-6) -> Callable[[ndarray], ndarray]:
    x, y = np.concatenate(inputs), np.concatenate(outputs)
    mean, scale, offset = x.mean(0), x.std(0) + 1e-9, y.mean(0)
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
        model = _fit([inputs[n] for n in rest], [outputs[n] for n in rest], strength)
        for n in out:
            own = outputs[n].var(0)
            spread = np.maximum(own, 0.05 * np.concatenate(outputs).var(0))
            scores[n] = _score(model(inputs[n]), outputs[n], spread)
    return scores


def _commanded(number: int, actions: Sequence[ndarray], targets: Sequence[ndarray]) -> ndarray:
    """Per state channel: whether the fit over the others expects it to vary in this episode."""
    rest = [n for n in range(len(actions)) if n != number]
    model = _fit([actions[n] for n in rest], [targets[n] for n in rest])
    return model(actions[number]).var(0) > 0.1 * np.median([target.var(0) for target in targets], 0)


def _reason(number: int, actions: Sequence[ndarray], targets: Sequence[ndarray], broken: ndarray, source: Source) -> str:
    """The change of this episode's actions under which it would fit, in words; empty if none is found."""
    rest = [n for n in range(len(actions)) if n != number]
    model, action, target = _fit([actions[n] for n in rest], [targets[n] for n in rest]), actions[number], targets[number]
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
    if action.shape[1] == target.shape[1]:
        gone = np.cumsum(np.concatenate([np.zeros((1, action.shape[1])), np.diff(action, axis=0)]), 0)
        options.append((": its actions are positions, not changes", np.diff(np.concatenate([gone[:1], gone]), axis=0),
                        slice(None)))
    best, text = GOOD, ""
    for words, changed, part in options:
        score = float(_score(model(changed)[part], target[part], spread)[broken].min())
        if score > best:
            best, text = score, words
    return text


def check_pairing(episodes: Sequence[Numbers], source: Source) -> list[Finding]:
    """Episodes whose pictures do not show the state they come with: shifted in time, mirrored, or another episode's."""
    found = []
    usable = [e for e in episodes if e.record.state.shape[1] and np.isfinite(e.record.state).all() and len(e.record.action) > 4]
    for camera in usable[0].thumbs if len(usable) >= 6 else ():
        thumbs, states = [e.thumbs[camera] for e in usable], [e.record.state for e in usable]
        scores = _held_out(thumbs, states, strength=1e-2)
        channels = np.flatnonzero(np.median(scores, 0) > GOOD)
        if not len(channels):
            continue
        typical = float(np.median(scores[:, channels].mean(1)))
        curves = [_lag_curve(number, thumbs, states, channels) for number in range(len(usable))]
        centre = len(LAGS) // 2
        for number, (e, curve) in enumerate(zip(usable, curves, strict=True)):
            own, lag = float(scores[number, channels].mean()), LAGS[int(curve.argmin())]
            shifted = lag != 0 and curve[centre] > 1.5 * curve.min() and curve[centre] > 2 * np.median([c[centre]
                                                                                                        for c in curves])
            if own < min(BAD, typical - 0.4) or shifted:
                reason = f": it is {abs(lag)} frames {'late' if lag > 0 else 'early'}" if shifted else ""
                found.append(Finding("misaligned video", "error", e.record.files[camera], camera, e.record.index,
                                     f"the pictures do not show the state that they come with{reason}",
                                     f"the state read off the pictures to {typical:.2f} of its variance", f"{own:.2f}",
                                     "check the episode's video: shifted, mirrored or of another episode"))
    return found


def _lag_curve(number: int, thumbs: Sequence[ndarray], states: Sequence[ndarray], channels: ndarray) -> Float64[ndarray, "L"]:
    """Error of reading the state `lag` frames earlier off each picture, over all lags, on the same pictures."""
    rest = [n for n in range(len(thumbs)) if n % 8 != number % 8]
    read = _fit([thumbs[n] for n in rest], [states[n][:, channels] for n in rest], 1e-2)(thumbs[number])
    edge, true = max(LAGS), states[number][:, channels]
    if len(true) < 3 * edge:
        return np.abs(np.array(LAGS, float))
    inner = np.arange(edge, len(true) - edge)
    return np.array([((read[inner] - true[inner - lag]) ** 2).mean() for lag in LAGS])
