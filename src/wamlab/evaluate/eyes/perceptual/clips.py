"""Frames beside each other as clips: what was seen last, and the frames that were imagined or came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8
from numpy import ndarray

from ...metric import FramePairs


@dataclass(frozen=True, eq=False)
class Clips:
    """N clips of T frames; the first frame of each is the last one that the model had seen."""

    imagined: UInt8[ndarray, "N T h w 3"]
    real: UInt8[ndarray, "N T h w 3"]
    copied: UInt8[ndarray, "N T h w 3"]
    """the first frame for ever"""
    cluster: Int[ndarray, "N"]

    def __len__(self) -> int:
        return len(self.real)


def starts(frames: FramePairs) -> Int[ndarray, "N"]:
    """Number of the clip to which each row belongs: a new one begins where the offset no longer grows, or the cluster
    changes."""
    new = (np.diff(frames.offset, prepend=frames.offset[:1]) <= 0) | (np.diff(frames.cluster, prepend=frames.cluster[:1]) != 0)
    return np.cumsum(new) - new[:1].sum() if len(new) else np.zeros(0, np.int64)


def clips_of(frames: FramePairs, limit: int | None = None) -> Clips:
    """The clips of full length; at most `limit`, evenly over all, so that every cluster has a share.

    Plans that were replaced before their last frame give shorter clips, which are left out.
    """
    number = starts(frames)
    length = np.bincount(number) if len(number) else np.zeros(0, int)
    whole = np.flatnonzero(length == length.max()) if len(length) else np.zeros(0, int)
    if limit is not None and len(whole) > limit:
        whole = whole[np.linspace(0, len(whole) - 1, limit).round().astype(int)]
    first = np.concatenate([[0], np.cumsum(length)[:-1]]).astype(int) if len(length) else np.zeros(0, int)
    rows = first[whole][:, None] + np.arange(length.max() if len(length) else 0)
    now = frames.current[first[whole]][:, None]

    def clip(pictures: ndarray) -> ndarray:
        return np.concatenate([now, pictures[rows]], axis=1)

    return Clips(clip(frames.imagined), clip(frames.real), np.repeat(now, rows.shape[1] + 1, axis=1),
                 frames.cluster[first[whole]])
