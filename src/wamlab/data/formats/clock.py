"""On which clock a dataset states the times of a video file: that of the file, or one that begins with its first frame.

The official reader compares stated times with presentation times as they stand in the file. Many files begin late (an edit
list, frames that are shown in another order than they are stored), and their datasets state times from 0 on all the same.
Which of both is meant is seen from all episodes of a file together. Where both hold and show different frames, nobody can know
(`frames`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from .video import TIE, VideoInfo, nearest

ON_FRAME = 0.1
"""share of a row's period by which a stated start may miss a frame and still be that frame's time"""


@dataclass(frozen=True, eq=False)
class Clock:
    """Times of a file's frames as a dataset states them."""

    seconds: Float64[ndarray, "M"]
    """of each frame"""
    begins: float
    """presentation time of the first frame in the file, seconds"""
    on_frames: bool
    """whether every stated start is the time of a frame"""

    @property
    def moved(self) -> bool:
        """Whether it begins with the first frame, though the file does not."""
        return bool(len(self.seconds)) and abs(float(self.seconds[0]) - self.begins) > TIE


def clocks(video: VideoInfo, parts: Sequence[tuple[float, int]], fps: int) -> tuple[Clock, ...]:
    """The clocks that the stated times may be on, the likelier first; one, where that can be told.

    Args:
        parts: of each episode in the file (stated start in seconds, rows).
    """
    known = [(start, start + (rows - 1) / fps) for start, rows in parts if not math.isnan(start)]
    if not len(video):
        return (Clock(video.seconds, 0.0, False),)
    begins = float(int(video.ticks[0]) * video.time_base)
    starts = np.array(sorted(start for start, _ in known))

    def clock(first: float) -> Clock:
        seconds = video.seconds + first
        missed = np.abs(seconds[nearest(seconds, starts).clip(0, len(seconds) - 1)] - starts)
        return Clock(seconds, begins, bool(missed.max(initial=0) <= ON_FRAME / fps + TIE))

    here, half = clock(begins), 0.5 * (float(np.median(np.diff(video.seconds))) if len(video) > 1 else 1 / fps) + TIE
    if not known or abs(begins) <= half:
        return (here,)
    low, high = min(start for start, _ in known), max(end for _, end in known)
    from_zero = clock(0.0)
    beyond, moved_beyond = (max(float(one.seconds[0]) - low, high - float(one.seconds[-1])) for one in (here, from_zero))
    if beyond > half:
        return (from_zero,) if moved_beyond < beyond else (here,)
    if moved_beyond > half or abs(low - begins) <= half:
        return (here,)
    return here, from_zero
