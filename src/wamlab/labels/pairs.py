"""Pairs of frames from episodes: what every labeller reads. Actions are taken along where they are known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from ..data.store import EpisodeStore
from ..data.windows import Windows
from ..errors import DataError
from ..types import Episode


@dataclass(frozen=True, eq=False)
class Pairs:
    """Frames o_t and o_{t + gap} of the same episode, by their places in one array of frames."""

    frames: UInt8[ndarray, "N h w 3"]
    before: Int64[ndarray, "M"]
    """position of o_t"""
    gap: Int64[ndarray, "M"]
    """control steps between the two frames"""
    episode: Int64[ndarray, "M"]
    action: Float32[ndarray, "M A"]
    """mean action over the gap, in physical units; not a number where it is unknown"""

    def __len__(self) -> int:
        return len(self.before)

    @property
    def after(self) -> Int64[ndarray, "M"]:
        """Position of o_{t + gap}."""
        return self.before + self.gap

    @property
    def known(self) -> Bool[ndarray, "M"]:
        """Whose action is known."""
        return np.isfinite(self.action).all(1)

    def rows(self, keep: Bool[ndarray, "M"] | Int64[ndarray, "_"]) -> Pairs:
        """Some of the pairs."""
        return replace(self, before=self.before[keep], gap=self.gap[keep], episode=self.episode[keep], action=self.action[keep])

    def and_then(self, others: Pairs) -> Pairs:
        """These pairs and others of the same frames."""
        return replace(self, before=np.concatenate([self.before, others.before]), gap=np.concatenate([self.gap, others.gap]),
                       episode=np.concatenate([self.episode, others.episode]),
                       action=np.concatenate([self.action, others.action]))

    def without_labels(self, hidden: Bool[ndarray, "M"]) -> Pairs:
        """The same pairs, the actions of some made unknown."""
        return replace(self, action=np.where(hidden[:, None], np.float32(np.nan), self.action))

    def pictures(self, rows: Int64[ndarray, "B"]) -> tuple[Float[Tensor, "B 3 h w"], Float[Tensor, "B 3 h w"]]:
        """Both frames in [0, 1], channels first."""
        return picture(self.frames[self.before[rows]]), picture(self.frames[self.after[rows]])

    def split(self, share: float, seed: int = 0) -> tuple[Pairs, Pairs]:
        """(the rest, held out): whole episodes, at least one and never all."""
        names = np.unique(self.episode)
        if len(names) < 2:
            raise DataError("no episode can be held out", where="Pairs.split", expected="at least 2 episodes", got=len(names),
                            fix="collect more")
        count = min(max(1, round(share * len(names))), len(names) - 1)
        held = np.isin(self.episode, np.random.default_rng([seed, 4]).permutation(names)[:count])
        return self.rows(~held), self.rows(held)


def picture(frames: UInt8[ndarray, "N h w 3"]) -> Float[Tensor, "N 3 h w"]:
    """Frames at rest as models see them."""
    return torch.from_numpy(np.array(frames)).movedim(-1, 1).contiguous().float() / 255


def pairs_of(episodes: Sequence[Episode], gaps: Sequence[int] = (1,), camera: str | None = None) -> Pairs:
    """All pairs of some episodes in memory, gap after gap.

    Raises:
        DataError: if no episode is as long as a gap.
    """
    name = camera or next((key for episode in episodes for key in episode.frames), "")
    starts = np.concatenate([[0], np.cumsum([len(e) + 1 for e in episodes])])
    parts = []
    for gap in gaps:
        for number, episode in enumerate(episodes):
            count = len(episode) - gap + 1
            if count > 0:
                sums = np.concatenate([np.zeros((1, episode.action.shape[1])), np.cumsum(episode.action, 0, dtype=np.float64)])
                unknown = np.concatenate([[0], np.cumsum(~np.asarray(episode.has_action))])
                mean = np.where((unknown[gap:] > unknown[:-gap])[:, None], np.nan, (sums[gap:] - sums[:-gap]) / gap)
                parts.append(Part(starts[number] + np.arange(count), gap, np.full(count, number), mean))
    frames = [episode.frames[name] for episode in episodes]
    return _joined(parts, lambda: np.concatenate(frames))


def pairs_from(stores: Sequence[EpisodeStore], gaps: Sequence[int] = (1,), camera: str | None = None) -> Pairs:
    """All pairs of some stores; the frames stay in the stores' memory-mapped cache.

    Raises:
        DataError, SpecError: as `Windows`, or if no episode is as long as a gap.
    """
    windows = Windows(stores, history=1, chunk=max(gaps), offsets=(max(gaps),), camera=camera)
    chunks, known = windows.chunks()
    episode = windows.frame_episode[windows.now]
    last = np.searchsorted(windows.frame_episode, episode, side="right") - 1
    parts = []
    for gap in gaps:
        fits = np.flatnonzero(windows.now + gap <= last)
        mean = np.where(known[fits, :gap].all(1, keepdims=True), chunks[fits, :gap].mean(1, dtype=np.float64), np.nan)
        if len(fits):
            parts.append(Part(windows.now[fits], gap, episode[fits], mean))
    return _joined(parts, lambda: windows.frames)


class Part(NamedTuple):
    """Pairs of one gap."""

    before: ndarray
    gap: int
    episode: ndarray
    action: ndarray


def _joined(parts: Sequence[Part], frames: Callable[[], ndarray]) -> Pairs:
    if not parts:
        raise DataError("there are no pairs of frames", where="labels", expected="an episode as long as the gap", got="none",
                        fix="give longer episodes or a smaller gap")
    return Pairs(frames(), np.concatenate([part.before for part in parts]).astype(np.int64),
                 np.concatenate([np.full(len(part.before), part.gap) for part in parts]),
                 np.concatenate([part.episode for part in parts]).astype(np.int64),
                 np.concatenate([part.action for part in parts]).astype(np.float32))


def digest(pairs: Pairs) -> str:
    """What tells the data of one training from that of another."""
    seen = hashlib.sha256(pairs.before.tobytes() + pairs.gap.tobytes() + np.nan_to_num(pairs.action).tobytes())
    seen.update(pairs.known.tobytes() + np.asarray(pairs.frames[pairs.before[::97]]).tobytes())
    return seen.hexdigest()[:16]
