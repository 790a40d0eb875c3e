"""Whether the pictures of an episode show the state that they come with: the state is read off small pictures by a linear fit
over the other episodes, and an episode is blamed where another pairing fits far better than its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from .finding import Finding
from .relations import GOOD, Numbers, fit_linear
from .source import Source

LAGS = range(-4, 5)
LEAST = 6
"""episodes below which no fit is believed"""


def check_pairing(episodes: Sequence[Numbers], source: Source) -> list[Finding]:
    """Episodes whose pictures are shifted in time, or another episode's."""
    found = []
    usable = [e for e in episodes if e.record.state.shape[1] and np.isfinite(e.record.state).all() and len(e.record.action) > 4]
    for camera in usable[0].thumbs if len(usable) >= LEAST else ():
        states = [e.record.state for e in usable]
        read = read_states([e.thumbs[camera] for e in usable], states)
        spread = np.maximum(np.concatenate(states).var(0), 1e-12)
        errors = np.array([((r - s) ** 2).mean(0) / spread for r, s in zip(read, states, strict=True)])
        channels = np.flatnonzero(np.median(errors, 0) < 1 - GOOD)
        if not len(channels):
            continue

        def mismatch(pictures: ndarray, state: ndarray) -> float:
            return float((((pictures - state) ** 2).mean(0) / spread)[channels].mean())  # noqa: B023

        own = errors[:, channels].mean(1)
        usual = float(np.median(own))
        scale = np.sqrt(spread[channels])
        curves = [lag_curve(r[:, channels] / scale, s[:, channels] / scale) for r, s in zip(read, states, strict=True)]
        fits = float(np.median([curve[len(LAGS) // 2] for curve in curves]))
        for number, e in enumerate(usable):
            reason, fix = "", "check the episode's video"
            curve = curves[number]
            lag, here = LAGS[int(curve.argmin())], curve[len(LAGS) // 2]
            others = {o.record.index: mismatch(read[number][:(n := min(len(read[number]), len(states[k])))], states[k][:n])
                      for k, o in enumerate(usable) if k != number}
            best = min(others, key=lambda index: others[index])
            if lag and here > 1.6 * curve.min() and here > 1.5 * fits and curve.min() < 2 * fits:
                reason, fix = f": they are {abs(lag)} frames {'late' if lag > 0 else 'early'}", "shift the episode's video back"
            elif own[number] > 4 * usual and others[best] < min(own[number] / 4, 2 * usual):
                reason, fix = f": they are those of episode {best}", "give the episode its own video back"
            if reason:
                found.append(Finding("misaligned video", "error", e.record.files[camera], camera, e.record.index,
                                     f"the pictures do not show the state that they come with{reason}",
                                     f"the state read off the pictures to {1 - usual:.2f} of its variance",
                                     f"{1 - own[number]:.2f}", fix))
    return found


def read_states(thumbs: Sequence[Float64[ndarray, "T1 F"]], states: Sequence[Float64[ndarray, "T1 P"]],
                folds: int = 6) -> list[Float64[ndarray, "T1 P"]]:
    """The states of each episode as read off its pictures by a fit over the episodes of the other folds."""
    out: list[ndarray] = [np.empty(0)] * len(thumbs)
    for fold in range(min(folds, len(thumbs))):
        rest = [n for n in range(len(thumbs)) if n % folds != fold]
        model = fit_linear([thumbs[n] for n in rest], [states[n] for n in rest], 1e-2)
        for n in range(fold, len(thumbs), folds):
            out[n] = model(thumbs[n])
    return out


def lag_curve(read: Float64[ndarray, "T1 C"], true: Float64[ndarray, "T1 C"]) -> Float64[ndarray, "L"]:
    """Error of taking the state of `lag` frames earlier for what each picture shows, over all lags, on the same pictures."""
    edge = max(LAGS)
    if len(true) < 3 * edge:
        return np.abs(np.array(LAGS, float))
    inner = np.arange(edge, len(true) - edge)
    return np.array([((read[inner] - true[inner - lag]) ** 2).mean() for lag in LAGS])
