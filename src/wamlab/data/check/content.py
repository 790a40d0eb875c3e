"""What is wrong inside single episodes: values, pictures and times, without comparing episodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from .finding import Finding
from .source import Record, Source

BLACK = 6.0
"""mean grey value below which a picture shows nothing"""
FROZEN = 3
"""steps in a row in which the picture does not change while the robot moves"""
CHUNK = 32
"""pictures that are looked at together"""
FLAGS = {1: "frozen", 2: "black", 4: "late", 8: "missing"}


def check_values(record: Record, source: Source) -> list[Finding]:
    """Non-finite numbers, actions beyond the limits, instructions without text."""
    found = []
    for field, values, names in ((source.state_field, record.state, source.state_names),
                                 ("action", record.action, source.action_names)):
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            row, channel = bad[0]
            found.append(Finding("non-finite", "error", record.file, field, record.index,
                                 f"{len(bad)} numbers are not finite, the first in row {row}, channel {names[channel]}",
                                 "finite numbers", str(values[row, channel]), "leave the episode out, or repair its source"))
    if source.limits and len(record.action) and np.isfinite(record.action).all():
        low, high = (np.array(limit) for limit in source.limits)
        slack = 1e-4 * np.maximum(high - low, 1e-6)
        beyond = np.argwhere((record.action < low - slack) | (record.action > high + slack))
        if len(beyond):
            row, channel = beyond[0]
            name = source.action_names[channel]
            found.append(Finding("limits", "error", record.file, "action", record.index,
                                 f"action {name} leaves its limits {len(beyond)} times, first row {row}",
                                 f"{low[channel]:g} to {high[channel]:g}", f"{record.action[row, channel]:g}",
                                 "correct the limits of the spec, or the unit of the actions"))
    silent = [start for start, text in record.instructions if not text.strip()]
    if silent:
        found.append(Finding("instruction", "warning", record.file, "task_index", record.index,
                             "the episode has no instruction" + (f" from row {silent[0]} on" if silent[0] else ""),
                             "what is to be done, in words", "nothing", "add the task's text"))
    return found


def check_times(record: Record, source: Source) -> list[Finding]:
    """Capture times and the recorder's own marks, where there are any."""
    found, period = list[Finding](), 1e9 / source.fps
    for camera, times in record.captured.items():
        steps = np.diff(times.astype(np.float64))
        late = np.flatnonzero((steps <= 0) | (steps > 1.5 * period))
        if len(late):
            found.append(Finding("capture times", "warning", record.file, f"capture_time_ns.{camera}", record.index,
                                 f"{camera} was late or stood still at {len(late)} of {len(steps)} steps, first {late[0]}",
                                 f"{period / 1e6:.1f} ms between pictures", f"{steps[late[0]] / 1e6:.1f} ms",
                                 "leave these steps out, or record at a rate that the camera keeps"))
    for camera, flags in record.flags.items():
        bad = np.flatnonzero(flags)
        if len(bad):
            kinds = ", ".join(name for bit, name in FLAGS.items() if (flags & bit).any())
            found.append(Finding("camera marks", "warning", record.file, f"camera_flags.{camera}", record.index,
                                 f"the recorder marked camera {camera} as {kinds} in {len(bad)} frames, first {bad[0]}",
                                 "no marks", kinds, "leave these frames out of training"))
    return found


def energy(frames: ndarray) -> Float64[ndarray, "T"]:
    """Mean absolute change from each picture to the next, in grey values."""
    out = np.zeros(max(len(frames) - 1, 0))
    for start in range(0, len(out), CHUNK):
        before, after = frames[start:start + CHUNK][:len(out) - start], frames[start + 1:start + CHUNK + 1]
        apart = np.maximum(before, after) - np.minimum(before, after)  # of unsigned numbers, without a wider type
        out[start:start + CHUNK] = apart.reshape(len(apart), -1).mean(1)
    return out


def check_pictures(record: Record, bright: Mapping[str, Float64[ndarray, "T1"]], moving: Bool[ndarray, "T"],
                   usual: Mapping[str, float], energies: Mapping[str, Float64[ndarray, "T"]], dark: set[str]) -> list[Finding]:
    """Pictures that are black, or stand still while the robot moves.

    Args:
        bright: per camera, mean grey value of each picture.
        moving: per step, whether the state changes clearly.
        usual: per camera, how much pictures change in moving steps of all episodes.
        energies: per camera, how much each picture differs from the one before.
        dark: cameras that are dark throughout the dataset.
    """
    found = []
    for camera, values in bright.items():
        black = np.flatnonzero(values < BLACK)
        if len(black) and camera not in dark:
            found.append(Finding("black frames", "error", record.files[camera], camera, record.index,
                                 f"{len(black)} of {len(values)} pictures are black, first frame {black[0]}", "pictures",
                                 "black",
                                 "leave the episode out; look at the camera's exposure and cable"))
    for camera, value in usual.items():
        still = (energies[camera] < 0.03 * value) & moving
        start = longest_run(still, FROZEN)
        if start is not None:
            found.append(Finding("frozen camera", "warning", record.files[camera], camera, record.index,
                                 f"the picture stands still from frame {start} on while the robot moves", "a changing picture",
                                 "the same picture again and again: a frozen camera, or a robot out of view",
                                 "leave the episode out; look at the camera's cable and place"))
    return found


def longest_run(marks: Bool[ndarray, "T"], least: int) -> int | None:
    """Start of the first run of at least `least` marks in a row; None if there is none."""
    edges = np.diff(np.concatenate([[0], marks.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    long = np.flatnonzero(ends - begins >= least)
    return int(begins[long[0]]) if len(long) else None
