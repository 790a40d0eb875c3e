"""Which frames of which video file belong to the rows of a LeRobot dataset: decided by presentation time, per camera.

Row t of an episode shows the frame whose presentation time is nearest to `from_timestamp + timestamp[t]`, as in the official
reader (on which clock, tells `clock`). A frame may be one row's period away and no more: farther, it would show what another
row's action did. So a video at 30 frames a second is read beside rows at 10 Hz, and one at 5 with each frame twice, which is
said; what has a hole, ends early or runs at another speed is refused.

Stated starts are sums of container durations in many datasets, and drift by frames. Where a file's frames are as many as its
rows, in order, and keep pace with the rows throughout the episode, frames are therefore counted; the times then only have to
agree roughly. Where count and time contradict each other, nobody can know, and the episode is refused. Frames between or behind
the episodes are no contradiction while the stated starts are times of frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from ...errors import DataError
from ...reading import inside
from .clock import Clock, clocks
from .depth import Coding
from .features import Info
from .index import Row, Span
from .pictures import gathered
from .video import TIE, VideoInfo, nearest, probe, read_frames

DRIFT = 0.05
"""share of the frames before an episode by which its stated start may be off while counting is still believed"""
RATE = 0.05
"""share by which two rates may differ and be the same"""


@dataclass(frozen=True, eq=False)
class Shown:
    """What the rows of an episode show of a video."""

    video: VideoInfo
    frames: Int64[ndarray, "N"]
    """per row the number of its frame; ascending"""
    clock: Clock
    """on which the dataset states times of the file"""
    start: float
    """what the episode's start would be stated as, if exactly; seconds"""

    @property
    def repeats(self) -> int:
        """Rows that show the frame of the row before."""
        return int((np.diff(self.frames) == 0).sum())


class Videos:
    """The video files of a dataset."""

    def __init__(self, root: Path, info: Info, rows: Sequence[Row]):
        self.root, self.info, self.rows = root, info, rows
        self._before = _frames_before(rows)
        self._parts: dict[Path, list[tuple[float, int]]] = {}
        for row in rows:
            for span in row.videos.values():
                self._parts.setdefault(span.path, []).append((span.start, row.length))
        self._clocks: dict[Path, tuple[Clock, ...]] = {}
        self._total = {row.videos[camera].path: self._before[camera, row.index][1] for row in rows for camera in row.videos}
        self._probed: dict[Path, VideoInfo] = {}

    def probed(self, path: Path) -> VideoInfo:
        """What a file holds; `path` is relative to the dataset. Raises DataError."""
        file = inside(self.root, path)
        if file not in self._probed:
            self._probed[file] = probe(file)
        return self._probed[file]

    def clocks(self, path: Path) -> tuple[Clock, ...]:
        """On which the times of a file may be stated, `path` relative to the dataset. Raises DataError."""
        if path not in self._clocks:
            self._clocks[path] = clocks(self.probed(path), self._parts[path], self.info.fps)
        return self._clocks[path]

    def rows_of(self, path: Path) -> int:
        """Rows of all episodes whose frames lie in a file, `path` relative to the dataset."""
        return self._total[path]

    def match(self, row: Row, camera: str, times: Float64[ndarray, "N"]) -> Shown:
        """The frames of an episode's rows.

        Args:
            times: seconds of each row from the episode's start, ascending.

        Raises:
            DataError: if video and rows cannot be reconciled; it names the rates of both.
        """
        span, fps = row.videos[camera], self.info.fps
        video, possible = self.probed(span.path), self.clocks(span.path)
        before, total, ordered = self._before[camera, row.index]
        counted = before + np.arange(row.length)
        wanted, paced = span.start + times, False
        if ordered and counted[-1] < len(video):
            moved = video.seconds[counted]
            drifts = [0.0 if math.isnan(span.start) else abs(one.seconds[before] - wanted[0]) * fps for one in possible]
            paced = bool(np.abs(moved - moved[0] - (times - times[0])).max() <= 0.5 / fps
                         and min(drifts) <= max(1.0, DRIFT * before))
            if paced and len(video) == total:
                clock = possible[int(np.argmin(drifts))]
                return Shown(video, counted, clock, float(clock.seconds[before] - times[0]))
        found = [(nearest(one.seconds, wanted) if len(video) else counted, one) for one in possible]
        frames, clock = found[0]
        why = self._misfit(clock.seconds, span, wanted, frames)
        if not why and not np.array_equal(frames, found[-1][0]):
            why = f"its first frame is at {clock.begins:.3f} s, and the stated times may count from there or from 0"
        if not why and not np.array_equal(frames, counted):
            if len(video) == total and ordered:
                why = "it has one frame for each row, but not at the rows' times"
            elif paced and not clock.on_frames:  # starts that drift, and frames that belong to no row
                why = f"it has {len(video)} frames for {total} rows, and episodes are said to start between frames"
        if why:
            raise self._refusal(video, clock, row, times, wanted, why)
        return Shown(video, frames, clock, float(clock.seconds[frames[0]] - times[0]))

    def _misfit(self, seconds: Float64[ndarray, "M"], span: Span, wanted: Float64[ndarray, "N"],
                frames: Int64[ndarray, "N"]) -> str:
        """Why the frames nearest to the wanted times do not show the rows; "" if they do."""
        if not len(seconds) or math.isnan(span.start):
            return "it is empty" if not len(seconds) else "nothing says where the episode begins in it"
        period = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
        edge = 0.5 * max(1 / self.info.fps, period) + TIE
        if wanted[0] < seconds[0] - edge:
            return "it begins after the rows do"
        if wanted[-1] > seconds[-1] + edge:
            return "it ends before the rows do"
        if wanted[-1] > span.end + edge:  # False where the end is not said
            return "the episode's part of it ends before the rows do"
        far = np.abs(seconds[frames] - wanted)
        if far.max() > 1 / self.info.fps + TIE:
            return f"no frame is near row {int(far.argmax())}"
        return ""

    def _refusal(self, video: VideoInfo, clock: Clock, row: Row, times: Float64[ndarray, "N"],
                 wanted: Float64[ndarray, "N"], why: str) -> DataError:
        rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else self.info.fps
        first, end = (float(clock.seconds[0]), float(clock.seconds[-1])) if len(video) else (0.0, 0.0)
        there = f", shorter than its header says: {video.shorter}" if video.shorter else ""
        return DataError(
            f"the video of episode {row.index} does not fit its rows: {why}", where=video.file,
            expected=f"a frame for each of {row.length} rows at {rate:.4g} Hz, {wanted[0]:.3f} to {wanted[-1]:.3f} s "
                     f"(meta/info.json, field fps: {self.info.fps})",
            got=f"{len(video)} frames at {video.rate:.4g} frames/s, {first:.3f} to {end:.3f} s{there}",
            fix="encode the video again so that each frame has the time of its row, or leave it out")

    def frames(self, shown: Shown, camera: str, coding: Coding | None, size: tuple[int, int] | None = None) -> ndarray:
        """The frame of each row: uint8 [N, h, w, 3]; for depth, which has a coding, uint16 [N, h, w], millimetres; scaled to
        `size` as `pictures.fit` does, if there is one. Raises DataError."""
        feature = self.info.features[camera]
        video, (height, width, _) = shown.video, feature.shape
        if (video.height, video.width) != (height, width):
            raise DataError("the video has another size", where=video.file, expected=(height, width),
                            got=(video.height, video.width),
                            fix=f"mend meta/info.json, field features.{camera}.shape")
        return gathered(read_frames(video, shown.frames, coding), len(shown.frames), (height, width), size, feature.depth,
                        video.file)


def row_times(stored: ndarray, fps: int, where: str) -> Float64[ndarray, "N"]:
    """The column `timestamp` of an episode.

    Raises:
        DataError: if the times do not go on, or not at the dataset's rate.
    """
    times = stored.reshape(-1).astype(np.float64)
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        bad = int(np.argmin(np.isfinite(times) & (np.diff(times, prepend=-np.inf) > 0)))
        raise DataError("time does not go on", where=where, expected="each row later than the one before",
                        got=f"{times[bad]:.4f} s in row {bad}", fix="write the dataset again with its tool")
    span, said = float(times[-1] - times[0]), (len(times) - 1) / fps
    if abs(span - said) > max(1.0 / fps, RATE * said) + TIE:
        raise DataError("the rows' times contradict the dataset's rate", where=where,
                        expected=f"{fps} Hz (meta/info.json, field fps): {len(times)} rows in {said:.3f} s",
                        got=f"{(len(times) - 1) / span:.4g} Hz: {span:.3f} s",
                        fix="correct fps in meta/info.json, or the times of the rows")
    return times


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
