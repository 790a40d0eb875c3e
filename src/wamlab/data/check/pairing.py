"""Whether the pictures of an episode show the state that they come with: the state is read off small pictures by a linear fit,
and an episode is blamed where another pairing fits far better than its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int
from numpy import ndarray
from scipy import stats

from .finding import Finding
from .moments import Moments, fold_of
from .relations import GOOD, Numbers
from .source import Source

LAGS = range(-4, 5)
RIDGE = 0.5
"""strong, so that a few wrong episodes do not bend the fit"""
COMPONENTS = 5
LEAST_FRAMES = 20
SHIFTED = 6.0
"""how many times larger the error without a shift must be than with it"""
CONFIRMED = 2.0
"""how many times larger it must be where the state is read by a fit over the other episodes, which cannot bend to this one"""
BY_CHANCE = 0.01
"""probability that any of all episodes is blamed by chance, where there is no such fit"""
LEAST = 6
"""episodes below which no fit is believed"""


@dataclass(frozen=True, eq=False)
class Reading:
    """The changes of the states of all episodes, and as they are read off their pictures by fits over other episodes. What
    stays the same within an episode (the scene) tells nothing about time."""

    states: list[Float64[ndarray, "_ P"]]
    read: list[Float64[ndarray, "_ P"]]
    spread: Float64[ndarray, "P"]
    channels: Int[ndarray, "_"]
    """those that can be read"""
    own: Float64[ndarray, "E"]
    """error per episode, over these channels, in units of their variance"""

    def error(self, pictures: int, state: int, lag: int = 0, edge: int = 0) -> float:
        """How far the pictures of one episode are from the state, `lag` frames earlier, of another; without the frames at its
        edges."""
        read, states = self.read[pictures], self.states[state]
        inner = np.arange(edge, min(len(read), len(states)) - edge)
        apart = (read[inner] - states[inner - lag])[:, self.channels]
        return float(((apart ** 2).mean(0) / self.spread[self.channels]).mean())


def check_pairing(episodes: Sequence[Numbers], source: Source) -> list[Finding]:
    """Episodes whose pictures are shifted in time, or another episode's; datasets whose pictures are shifted throughout."""
    usable = [e for e in episodes if e.record.state.shape[1] and np.isfinite(e.record.state).all() and len(e.record.action) > 4]
    found = list[Finding]()
    for camera in list(usable[0].thumbs) if usable else []:
        reading = reading_of(usable, camera)
        found += [*check_shifts(usable, camera, reading), *check_exchanges(usable, camera, reading)]
    return found


def reading_of(episodes: Sequence[Numbers], camera: str) -> Reading | None:
    """None where there are too few episodes, or no channel of the state can be read off the pictures."""
    if len(episodes) < LEAST:
        return None
    states = [e.record.state - e.record.state.mean(0) for e in episodes]
    thumbs = [e.thumbs[camera] - e.thumbs[camera].mean(0) for e in episodes]
    spread = np.maximum(np.concatenate(states).var(0), 1e-12)
    kept, sums = np.ones(len(episodes), bool), fold_sums(thumbs, states)
    for _ in range(3):  # wrong episodes must not bend the fit by which they are judged
        read = read_states(thumbs, states, kept, sums)
        errors = np.array([((r - s) ** 2).mean(0) / spread for r, s in zip(read, states, strict=True)])
        before, kept = kept, errors.mean(1) <= 3 * np.median(errors.mean(1))
        if (before == kept).all():
            break
    channels = np.flatnonzero(np.median(errors, 0) < 1 - GOOD)
    return Reading(states, read, spread, channels, errors[:, channels].mean(1)) if len(channels) else None


def check_shifts(episodes: Sequence[Numbers], camera: str, reading: Reading | None) -> list[Finding]:
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
            for number, (lag, ratio) in clear.items() if lag and ratio > SHIFTED and len(lags) < 0.3 * len(clear) + 1
            and believed(number, lag, ratio, reading, len(episodes[number].record.state), len(clear))]


def believed(number: int, lag: int, ratio: float, reading: Reading | None, frames: int, tests: int) -> bool:
    """Whether a shift is more than a fit that bends to a short episode: the fit over the other episodes agrees; without one,
    the ratio is larger than any of so many episodes and lags would show by chance."""
    if reading is not None:
        now, then = (reading.error(number, number, shift, max(LAGS)) for shift in (0, lag))
        return bool(now > CONFIRMED * then)
    freedom = max(frames - 2 * max(LAGS) - COMPONENTS - 1, 1)
    return bool(ratio > stats.f.isf(BY_CHANCE / (tests * len(LAGS)), freedom, freedom))


def _shift(file: str, camera: str, episode: int | None, lag: int, ratio: float) -> Finding:
    whole = "all pictures of this camera" if episode is None else "the pictures"
    return Finding("misaligned video", "error" if episode is None else "warning", file, camera, episode,
                   f"{whole} are {abs(lag)} frames {'late' if lag > 0 else 'early'}: that is when they agree with the state",
                   "the best agreement without a shift", f"{ratio:.1f} times the error of the shifted one",
                   "shift the video back, or measure the camera's latency")


def check_exchanges(episodes: Sequence[Numbers], camera: str, reading: Reading | None) -> list[Finding]:
    """Between episodes: do the pictures of two fit each other's states better than their own?"""
    if reading is None:
        return []
    found, own = list[Finding](), reading.own
    doubtful, limits = np.flatnonzero(own > 2.5 * np.median(own)), own / 3
    for one, two in zip(*nearly(reading, doubtful, limits), strict=True):
        if one != two and reading.error(one, two) < limits[one] and reading.error(two, one) < limits[two]:
            record = episodes[one].record
            found.append(Finding("misaligned video", "warning", record.files[camera], camera, record.index,
                                 f"the pictures do not show the state that they come with, but that of episode "
                                 f"{episodes[two].record.index}, and the other way round",
                                 f"an error of about {np.median(own):.2f}",
                                 f"{own[one]:.2f}", "exchange the two videos"))
    return found


def nearly(reading: Reading, doubtful: Int[ndarray, "D"], limits: Float64[ndarray, "E"]) -> tuple[list[int], list[int]]:
    """Pairs of episodes whose pictures may show each other's states, by their first frames: all of them in one product of
    matrices, since doubtful episodes are some share of all."""
    if not len(doubtful):
        return [], []
    length = min(min(len(reading.read[n]), len(reading.states[n])) for n in doubtful)
    scale = np.sqrt(reading.spread[reading.channels] * len(reading.channels) * length)
    read, states = (np.stack([part[n][:length, reading.channels] / scale for n in doubtful]).reshape(len(doubtful), -1)
                    for part in (reading.read, reading.states))
    apart = (read ** 2).sum(1)[:, None] + (states ** 2).sum(1)[None] - 2 * read @ states.T
    longest = max(len(reading.read[n]) for n in doubtful)
    limit = limits[doubtful][:, None] * longest / length  # the error over all frames is at least that share of it
    ones, twos = np.nonzero((apart < limit) & (apart < limit).T)
    return doubtful[ones].tolist(), doubtful[twos].tolist()


def fold_sums(thumbs: Sequence[ndarray], states: Sequence[ndarray], folds: int = 6) -> list[Moments]:
    """What each fold of the episodes adds to a fit."""
    origin = np.zeros(thumbs[0].shape[1] + states[0].shape[1])
    return [Moments.of([thumbs[n] for n in fold], [states[n] for n in fold], origin) for fold in fold_of(len(thumbs), folds)]


def read_states(thumbs: Sequence[Float64[ndarray, "_ F"]], states: Sequence[Float64[ndarray, "_ P"]],
                kept: Bool[ndarray, "E"], sums: Sequence[Moments] = ()) -> list[Float64[ndarray, "_ P"]]:
    """The states of each episode as read off its pictures by a fit over the `kept` episodes of the other folds.

    Args:
        sums: what `fold_sums` gave for these pictures and states, if it was asked already.
    """
    out: list[ndarray] = [np.empty(0)] * len(thumbs)
    sums = sums or fold_sums(thumbs, states)
    for number, fold in enumerate(members := fold_of(len(thumbs), len(sums))):
        rest = [n for other, names in enumerate(members) if other != number for n in names if not kept[n]]
        others = [one for other, one in enumerate(sums) if other != number]
        left = Moments.of([thumbs[n] for n in rest], [states[n] for n in rest], sums[0].origin)
        model = (sum(others[1:], others[0]) - left).fit(RIDGE)
        for n in fold:
            out[n] = model(thumbs[n])
    return out


def lag_curve(thumbs: Float64[ndarray, "T1 F"], state: Float64[ndarray, "T1 P"]) -> Float64[ndarray, "L"]:
    """Share of the state's variance that the pictures of one episode do not explain, when each is taken for a picture of
    the state `lag` frames earlier: a linear fit from the pictures' principal components, on the same pictures for all lags."""
    edge = max(LAGS)
    inner = np.arange(edge, len(state) - edge)
    moving = state.std(0) > 1e-9
    if not moving.any():
        return np.ones(len(LAGS))
    inputs = np.concatenate([components(thumbs)[inner], np.ones((len(inner), 1))], 1)
    basis, sizes, _ = np.linalg.svd(inputs, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes[0]]
    wanted = np.stack([state[inner - lag][:, moving] for lag in LAGS], 1).reshape(len(inner), -1)
    left = ((wanted - basis @ (basis.T @ wanted)) ** 2).mean(0).reshape(len(LAGS), -1)
    return np.asarray((left / state[:, moving].var(0)).mean(1))


def components(thumbs: Float64[ndarray, "T1 F"]) -> Float64[ndarray, "T1 _"]:
    """The pictures' principal components, at most COMPONENTS, by the smaller of their two products with themselves."""
    centred = thumbs - thumbs.mean(0)
    few = len(centred) <= centred.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if few else centred.T @ centred)
    order = [n for n in np.argsort(-values)[:COMPONENTS] if values[n] > 1e-9 * values.max()]
    return vectors[:, order] if few else centred @ vectors[:, order]
