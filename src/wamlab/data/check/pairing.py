"""Whether the pictures of an episode show the state that they come with: the state is read off small pictures by a linear fit,
and an episode is blamed where another pairing fits far better than its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from .finding import Finding
from .relations import GOOD, Numbers, fit_linear
from .source import Source

LAGS = range(-4, 5)
RIDGE = 0.5
"""strong, so that a few wrong episodes do not bend the fit"""
COMPONENTS = 5
LEAST_FRAMES = 20
SHIFTED = 6.0
"""how many times larger the error without a shift must be than with it"""
LEAST = 6
"""episodes below which no fit is believed"""


def check_pairing(episodes: Sequence[Numbers], source: Source) -> list[Finding]:
    """Episodes whose pictures are shifted in time, or another episode's; datasets whose pictures are shifted throughout."""
    usable = [e for e in episodes if e.record.state.shape[1] and np.isfinite(e.record.state).all() and len(e.record.action) > 4]
    cameras = list(usable[0].thumbs) if usable else []
    return [one for camera in cameras for one in (*check_shifts(usable, camera), *check_exchanges(usable, camera))]


def check_shifts(episodes: Sequence[Numbers], camera: str) -> list[Finding]:
    """Within each episode: at which lag do the pictures say most about the state?"""
    curves = {number: lag_curve(e.thumbs[camera], e.record.state) for number,
              e in enumerate(episodes) if len(e.record.state) >= LEAST_FRAMES}
    clear = {number: (LAGS[int(curve.argmin())], curve[len(LAGS) // 2] / max(curve.min(), 1e-9)) for number,
             curve in curves.items()
             if curve.min() < 0.2 and 0 < curve.argmin() < len(LAGS) - 1}  # at the edge it is no minimum
    if len(clear) < 4:
        return []
    lags = [lag for lag, ratio in clear.values() if lag and ratio > 2]
    common = max(set(lags), key=lags.count) if lags else 0
    if lags.count(common) > 0.7 * len(clear):
        first = episodes[next(iter(clear))].record
        return [_shift(first.files[camera], camera, None, common, clear[next(iter(clear))][1])]
    return [_shift(episodes[number].record.files[camera], camera, episodes[number].record.index, lag, ratio)
            for number, (lag, ratio) in clear.items() if lag and ratio > SHIFTED and len(lags) < 0.3 * len(clear) + 1]


def _shift(file: str, camera: str, episode: int | None, lag: int, ratio: float) -> Finding:
    whole = "all pictures of this camera" if episode is None else "the pictures"
    return Finding("misaligned video", "error" if episode is None else "warning", file, camera, episode,
                   f"{whole} are {abs(lag)} frames {'late' if lag > 0 else 'early'}: that is when they agree with the state",
                   "the best agreement without a shift", f"{ratio:.1f} times the error of the shifted one",
                   "shift the video back, or measure the camera's latency")


def check_exchanges(episodes: Sequence[Numbers], camera: str) -> list[Finding]:
    """Between episodes: do the pictures of two fit each other's states better than their own?"""
    if len(episodes) < LEAST:
        return []
    # what stays the same within an episode (the scene) tells nothing about time: only changes are compared
    states = [e.record.state - e.record.state.mean(0) for e in episodes]
    thumbs = [e.thumbs[camera] - e.thumbs[camera].mean(0) for e in episodes]
    spread = np.maximum(np.concatenate(states).var(0), 1e-12)
    kept = np.ones(len(episodes), bool)
    for _ in range(3):  # wrong episodes must not bend the fit by which they are judged
        read = read_states(thumbs, states, kept)
        errors = np.array([((r - s) ** 2).mean(0) / spread for r, s in zip(read, states, strict=True)])
        kept = errors.mean(1) <= 3 * np.median(errors.mean(1))
    channels = np.flatnonzero(np.median(errors, 0) < 1 - GOOD)
    if not len(channels):
        return []

    def mismatch(a: int, b: int) -> float:
        length = min(len(read[a]), len(states[b]))
        return float((((read[a][:length] - states[b][:length]) ** 2).mean(0) / spread)[channels].mean())

    own, found = errors[:, channels].mean(1), list[Finding]()
    doubtful = np.flatnonzero(own > 2.5 * np.median(own)).tolist()
    for one in doubtful:
        for two in doubtful:
            if one != two and mismatch(one, two) < own[one] / 3 and mismatch(two, one) < own[two] / 3:
                record = episodes[one].record
                found.append(Finding("misaligned video", "warning", record.files[camera], camera, record.index,
                                     f"the pictures do not show the state that they come with, but that of episode "
                                     f"{episodes[two].record.index}, and the other way round",
                                     f"an error of about {np.median(own):.2f}",
                                     f"{own[one]:.2f}", "exchange the two videos"))
    return found


def read_states(thumbs: Sequence[Float64[ndarray, "_ F"]], states: Sequence[Float64[ndarray, "_ P"]],
                kept: Bool[ndarray, "E"], folds: int = 6) -> list[Float64[ndarray, "_ P"]]:
    """The states of each episode as read off its pictures by a fit over the `kept` episodes of the other folds."""
    out: list[ndarray] = [np.empty(0)] * len(thumbs)
    for fold in range(min(folds, len(thumbs))):
        rest = [n for n in np.flatnonzero(kept) if n % folds != fold]
        model = fit_linear([thumbs[n] for n in rest], [states[n] for n in rest], RIDGE)
        for n in range(fold, len(thumbs), folds):
            out[n] = model(thumbs[n])
    return out


def lag_curve(thumbs: Float64[ndarray, "T1 F"], state: Float64[ndarray, "T1 P"]) -> Float64[ndarray, "L"]:
    """Share of the state's variance that the pictures of one episode do not explain, when each is taken for a picture of
    the state `lag` frames earlier: a linear fit from the pictures' principal components, on the same pictures for all lags."""
    centred = thumbs - thumbs.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    edge = max(LAGS)
    inner = np.arange(edge, len(state) - edge)
    inputs = np.concatenate([centred[inner] @ directions[:COMPONENTS].T, np.ones((len(inner), 1))], 1)
    moving = state.std(0) > 1e-9
    if not moving.any():
        return np.ones(len(LAGS))
    errors = []
    for lag in LAGS:
        wanted = state[inner - lag][:, moving]
        fitted = inputs @ np.linalg.lstsq(inputs, wanted, rcond=None)[0]
        errors.append((((fitted - wanted) ** 2).mean(0) / state[:, moving].var(0)).mean())
    return np.array(errors)
