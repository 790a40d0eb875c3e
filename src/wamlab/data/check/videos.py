"""Whether the videos of a LeRobot dataset fit its rows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import WamError
from ..formats.lerobot import LeRobot
from .finding import Finding, from_error
from .structure import TOLERANCE


def check_videos(dataset: LeRobot) -> list[Finding]:
    """Frames of each video against the rows, and each episode's stated part of it."""
    found, fps, seen = list[Finding](), dataset.info.fps, set[Path]()
    for row in dataset.rows:
        for camera, span in row.videos.items():
            try:
                video, first = dataset.video(row.index, camera)
            except WamError as error:
                found.append(from_error("video", error, row.index))
                continue
            file = str(video.file)
            total = sum(other.length for other in dataset.rows if other.videos[camera].path == span.path)
            if span.path not in seen:
                seen.add(span.path)
                found += _whole_video(dataset, camera, video, total, file)
            if math.isnan(span.end):
                continue
            start = first / fps
            for name, said, wanted in (("from_timestamp", span.start, start),
                                       ("to_timestamp", span.end, start + row.length / fps)):
                if abs(said - wanted) > TOLERANCE:
                    found.append(Finding("timestamps", "error" if abs(said - wanted) * fps > 0.5 else "warning", row.source,
                                         f"videos/{camera}/{name}", row.index, "the stated time is not that of the frame",
                                         f"{wanted:.4f} s ({round(wanted * fps)} frames / {fps})", f"{said:.4f} s",
                                         "use frame numbers divided by the rate, not sums of container durations"))
    return found


def _whole_video(dataset: LeRobot, camera: str, video: Any, total: int, file: str) -> list[Finding]:
    found, fps, feature = list[Finding](), dataset.info.fps, dataset.info.features[camera]
    if len(video) != total:
        found.append(Finding("video", "error", file, camera, None, "the video has not one frame per row", f"{total} frames",
                             f"{len(video)} frames", "encode the video again from the episode's pictures"))
    if (video.height, video.width) != feature.shape[:2]:
        found.append(Finding("video", "error", file, camera, None, "the video has another size than meta/info.json says",
                             str(feature.shape[:2]), str((video.height, video.width)), "mend the shape in meta/info.json"))
    steps = np.diff(video.ticks) * float(video.time_base)
    if len(steps) and np.abs(steps - 1 / fps).max() > 1e-3:
        bad = int(np.abs(steps - 1 / fps).argmax())
        found.append(Finding("timestamps", "error", file, camera, None, f"frames are not equally spaced after frame {bad}",
                             f"{1 / fps:.4f} s", f"{steps[bad]:.4f} s", "encode the video again at the dataset's rate"))
    return found
