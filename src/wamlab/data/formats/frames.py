"""Which frames of which video file belong to an episode of a LeRobot dataset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray

from ...errors import DataError
from ...reading import inside
from .features import Info
from .index import Row, Span
from .video import VideoInfo, probe, read_frames

DRIFT = 0.05
"""share of the frames before an episode by which its stated start may be off while counting is still believed"""


class Videos:
    """The video files of a dataset."""

    def __init__(self, root: Path, info: Info, rows: Sequence[Row]):
        self.root, self.info = root, info
        self._before = _frames_before(rows)
        self._videos: dict[Path, VideoInfo] = {}

    def video(self, row: Row, camera: str) -> tuple[VideoInfo, int]:
        """The video file of an episode's camera and the number of its first frame there.

        The first frame is found by counting the frames of the episodes before it in that file, wherever file and
        table agree on the total, the order and roughly on the time; else by the stated start, which must lie within half
        a frame of one.

        Raises:
            DataError: if neither works.
        """
        span = row.videos[camera]
        file = inside(self.root, span.path)
        if file not in self._videos:
            self._videos[file] = probe(file)
        video = self._videos[file]
        before, total, ordered = self._before[camera, row.index]
        if len(video) == total and ordered:
            drift = 0.0 if math.isnan(span.start) else abs(video.second(before) - video.second(0) - span.start) * self.info.fps
            if drift <= max(1.0, DRIFT * before):
                return video, before
        return video, self._by_time(video, span, row)

    def _by_time(self, video: VideoInfo, span: Span, row: Row) -> int:
        times = video.ticks.astype(np.float64) * float(video.time_base)
        nearest = int(np.abs(times - span.start).argmin()) if len(times) else 0
        if not len(times) or abs(times[nearest] - span.start) > 0.5 / self.info.fps or nearest + row.length > len(times):
            raise DataError(f"the video of episode {row.index} does not fit its rows", where=video.file,
                            expected=f"{row.length} frames from {span.start:.3f} s on", got=f"{len(times)} frames in all",
                            fix="drop the episode, or write the dataset again")
        return nearest

    def frames(self, row: Row, camera: str) -> ndarray:
        """All frames of an episode: uint8 [N, h, w, 3]; for depth, uint16 [N, h, w]. Raises DataError."""
        feature = self.info.features[camera]
        video, first = self.video(row, camera)
        if (video.height, video.width) != feature.shape[:2]:
            raise DataError("the video has another size", where=video.file, expected=feature.shape[:2],
                            got=(video.height, video.width),
                            fix=f"mend meta/info.json, field features.{camera}.shape")
        return read_frames(video, first, row.length, depth=feature.depth)


def _frames_before(rows: Sequence[Row]) -> dict[tuple[str, int], tuple[int, int, bool]]:
    """Per camera and episode: (frames of earlier episodes in the same file, frames of all episodes in it, whether the
    stated starts are in the order of the episodes)."""
    files: dict[tuple[str, Path], list[tuple[int, float, int]]] = {}
    for row in rows:
        for camera, span in row.videos.items():
            files.setdefault((camera, span.path), []).append((row.index, span.start, row.length))
    out = {}
    for (camera, _), parts in files.items():
        parts.sort()
        starts = [start for _, start, _ in parts if not math.isnan(start)]
        total, before, ordered = sum(length for _, _, length in parts), 0, starts == sorted(starts)
        for index, _, length in parts:
            out[camera, index] = before, total, ordered
            before += length
    return out
