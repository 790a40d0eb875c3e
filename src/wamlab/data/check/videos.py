"""Whether the videos of a LeRobot dataset fit its rows. An import says the same of what it read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import WamError
from ..formats.frames import RATE, Shown
from ..formats.lerobot import LeRobot
from ..formats.video import TIE
from .finding import Finding, from_error, listing


def check_videos(dataset: LeRobot, episodes: Iterable[int] | None = None) -> list[Finding]:
    """Each episode's part of each video, and the frames of whole files against the rows.

    Args:
        episodes: indices of those that are looked at; None: all.
    """
    refused, each, seen = list[Finding](), list[Finding](), set[Path]()
    for index in dataset.indices() if episodes is None else episodes:
        row = dataset.row(index)
        for camera, span in row.videos.items():
            try:
                shown = dataset.match(row.index, camera)
            except WamError as error:
                refused.append(from_error("video", error, row.index))
                continue
            each += _part(dataset, shown, camera, row.index)
            if span.path not in seen:
                seen.add(span.path)
                each += _whole(dataset, shown, camera, span.path)
    return refused + _grouped(each)


def _part(dataset: LeRobot, shown: Shown, camera: str, index: int) -> list[Finding]:
    """What is to be said of an episode's part of a video."""
    row, fps, video = dataset.row(index), dataset.info.fps, shown.video
    span, found, file = row.videos[camera], list[Finding](), str(video.file)
    if not same_rate(video.rate, fps):
        found.append(Finding("rate", "note", file, camera, index,
                             "the video has another rate than the rows: each row shows the frame that is nearest in time",
                             f"{fps} frames/s", f"{video.rate:.4g} frames/s",
                             "nothing, if the video runs at the speed of the robot"))
    if shown.repeats:
        found.append(Finding("repeated frames", "warning", file, camera, index, "rows show the frame of the row before",
                             f"{row.length} frames", f"{shown.repeats} of {row.length} are repeated",
                             "train on it at the video's rate, or not where frames repeat: nothing moves in a future of them"))
    if math.isnan(span.end) or not same_rate(video.rate, fps):
        return found
    start, first = shown.start, int(shown.frames[0])
    for name, said, wanted in (("from_timestamp", span.start, start), ("to_timestamp", span.end, start + row.length / fps)):
        if abs(said - wanted) > TIE:
            found.append(Finding("timestamps", "error" if abs(said - wanted) * fps > 0.5 else "warning", row.source,
                                 f"videos/{camera}/{name}", index, "the stated time is not that of the frame",
                                 f"{wanted:.4f} s ({row.length} rows from frame {first} on)", f"{said:.4f} s",
                                 "use the presentation times of frames, not sums of container durations"))
    return found


def _whole(dataset: LeRobot, shown: Shown, camera: str, path: Path) -> list[Finding]:
    """What is to be said of a whole file."""
    found, fps, feature, video = list[Finding](), dataset.info.fps, dataset.info.features[camera], shown.video
    total, file = dataset.videos.rows_of(path), str(video.file)
    if len(video) > total and same_rate(video.rate, fps):
        found.append(Finding("video", "note", file, camera, None, "the video has frames that no row shows", f"{total} frames",
                             f"{len(video)} frames", "nothing: frames are read at the stated times"))
    elif len(video) < total and same_rate(video.rate, fps):
        found.append(Finding("video", "warning", file, camera, None, "the video has fewer frames than there are rows: some "
                             "show the same", f"{total} frames", f"{len(video)} frames",
                             "encode the video again from the episode's pictures"))
    if shown.clock.moved:
        found.append(Finding("timestamps", "warning", file, camera, None, "the stated times count from the first frame, which "
                             "the file shows later or earlier: they are read so", "the first frame at 0.000 s",
                             f"{shown.clock.begins:.3f} s", "encode the video again so that its first frame is shown at 0 s"))
    if (video.height, video.width) != feature.shape[:2]:
        found.append(Finding("video", "error", file, camera, None, "the video has another size than meta/info.json says",
                             str(feature.shape[:2]), str((video.height, video.width)), "mend the shape in meta/info.json"))
    if video.shorter:
        found.append(Finding("video", "warning", file, camera, None, "the video is shorter than its header says", "all of it",
                             video.shorter, "copy the file again"))
    steps = np.diff(video.seconds)
    usual = 1 / fps if same_rate(video.rate, fps) else float(np.median(steps)) if len(steps) else 0.0
    uneven = np.abs(steps - usual) > max(1e-3, 1.01 * float(video.time_base))
    if uneven.any():
        bad = int(np.abs(steps - usual).argmax())
        found.append(Finding("timestamps", "warning", file, camera, None, f"frames are not equally spaced after frame {bad}",
                             f"{usual:.4f} s", f"{steps[bad]:.4f} s", "encode the video again at the dataset's rate"))
    return found


def same_rate(one: float, other: float) -> bool:
    """Whether two rates are the same, or one is not known (0)."""
    return not one or not other or abs(one / other - 1) <= RATE


def _grouped(found: list[Finding]) -> list[Finding]:
    """One finding for each problem of a field, the first, with how many more there are."""
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for one in found:
        groups.setdefault((one.check, one.severity, one.field, one.problem), []).append(one)
    return [ones[0] if len(ones) == 1 else replace(ones[0], problem=f"{ones[0].problem}; also {_others(ones[1:])}")
            for ones in groups.values()]


def _others(ones: list[Finding]) -> str:
    episodes = [one.episode for one in ones if one.episode is not None]
    return f"in episodes {listing(episodes)}" if episodes else f"in {len(ones)} more files"
