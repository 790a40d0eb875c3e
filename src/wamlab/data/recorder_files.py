"""A recorded episode as the files of a LeRobot v3.0 dataset: one data, video and episode file each, `info.json` last.

Every file is written whole and renamed into place, and all of them follow from the journal alone, so that doing it again
after a crash gives the same files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy import ndarray

from ..errors import DataError
from ..spec import TaskSpec
from .atomic import make_folder, write_whole
from .formats import depth
from .formats.episodes import CAMERA
from .formats.features import Feature
from .formats.lerobot_write import (
    DATA,
    EPISODES,
    PARQUET,
    PER_CHUNK,
    VIDEO,
    Tally,
    default_columns,
    episode_table,
    info_json,
    tasks_table,
    video_info,
    with_defaults,
)
from .formats.sidecar import FILE, Sidecar
from .formats.statistics import merged, together
from .formats.tables import arrow_column, numbers, read_table
from .formats.video import probe, read_frames
from .recorder_journal import Recorded

TASKS, STATS, INFO = "meta/tasks.parquet", "meta/stats.json", "meta/info.json"


def place_of(index: int) -> dict[str, int]:
    """Chunk and number of the files of an episode."""
    return {"chunk_index": index // PER_CHUNK, "file_index": index % PER_CHUNK}


def features_of(spec: TaskSpec) -> dict[str, Feature]:
    """The columns of a recording."""
    features = {"observation.state": Feature("float32", (len(spec.state),), spec.state)} if spec.state else {}
    features["action"] = Feature("float32", (spec.action.width,), spec.action.names)
    features |= {name: Feature("bool", (1,)) for name in ("next.success", "next.done", "wam.imitate")}
    for camera in spec.cameras:
        features |= {f"capture_time_ns.{camera}": Feature("int64", (1,)), f"camera_flags.{camera}": Feature("int64", (1,))}
        if camera.endswith(depth.SUFFIX):
            features[CAMERA + camera] = Feature("image", (*spec.image_size, 1), info={"is_depth_map": True, "unit": "m",
                                                                                     "scale": depth.SCALE})
        else:
            kept = video_info(spec.image_size, round(spec.control_hz), "h264", pixels_of(spec.image_size))
            features[CAMERA + camera] = Feature("video", (*spec.image_size, 3), info=kept)
    return with_defaults(features)


def pixels_of(size: tuple[int, int]) -> str:
    return "yuv420p" if size[0] % 2 == 0 and size[1] % 2 == 0 else "yuv444p"


def join_video(packets: list[bytes], fps: int) -> bytes:
    """Encoded H.264 frames as an MP4 file; frame n is shown at n / fps. Nothing is encoded again."""
    out = io.BytesIO()
    number = 0
    try:
        with av.open(io.BytesIO(b"".join(packets)), "r", format="h264") as source, av.open(out, "w", format="mp4") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            stream.time_base = Fraction(1, fps)
            for packet in source.demux(source.streams.video[0]):
                if packet.size == 0:
                    continue
                packet.stream, packet.time_base = stream, Fraction(1, fps)
                packet.pts = packet.dts = number
                packet.duration = 1
                number += 1
                target.mux(packet)
    except (av.error.FFmpegError, IndexError) as error:  # no stream at all
        raise DataError("the recorded pictures do not make a video", where="journal", got=str(error)[:160]) from None
    if number != len(packets):
        raise DataError("the recorded pictures do not make a video", where="journal", expected=f"{len(packets)} frames",
                        got=number)
    return out.getvalue()


@dataclass
class Dataset:
    """The state of a recording's folder: what is committed so far."""

    root: Path
    spec: TaskSpec
    renderer: str
    tasks: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    own: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """per episode, its statistics"""
    total: dict[str, dict[str, Any]] = field(default_factory=dict)
    """of all episodes"""
    notes: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def commit(self, index: int, recorded: Recorded) -> None:
        """Write the files of an episode; when this returns they are on the disk. Doing it again changes nothing.

        Raises:
            DataError: where the disk refuses; what was there before stays valid.
        """
        steps, spec, fps = recorded.steps, self.spec, round(self.spec.control_hz)
        first, length = sum(self.lengths[:index]), len(steps)
        text = str(recorded.begin["instruction"])
        tasks = self.tasks if text in self.tasks else [*self.tasks, text]
        features, columns = features_of(spec), self._columns(recorded)
        every = columns | default_columns(length, fps, index, first, tasks.index(text))
        frames: dict[str, ndarray] = {}
        pictures: dict[str, Any] = {}
        for number, camera in enumerate(spec.cameras):
            name, parts = CAMERA + camera, [step.pictures[number] for step in steps]
            if camera.endswith(depth.SUFFIX):
                pictures[name] = parts
                continue
            file = self.root / VIDEO.format(video_key=name, **place_of(index))
            self._put(file, join_video(parts, fps))
            frames[name] = np.stack(list(read_frames(probe(file), np.arange(length))))
        table = episode_table(every, {name: f for name, f in features.items() if name not in pictures})
        for name, parts in pictures.items():
            cells = [{"bytes": part, "path": f"frame-{row:06d}.png"} for row, part in enumerate(parts)]
            table = table.append_column(name, pa.array(cells, arrow_column([], features[name]).type))
        self._put(self.root / DATA.format(**place_of(index)), parquet(table))
        said, own = self.row(index, first, text, every, frames)
        if tasks != self.tasks or not (self.root / TASKS).exists():
            self._put(self.root / TASKS, parquet(tasks_table(tasks)))
        others = [kept for number, kept in self.own.items() if number != index]
        total = merged(self.total if index not in self.own else together(others), own)
        self._put(self.root / STATS, json.dumps(total).encode())
        meta = recorded.begin["meta"] | (recorded.end or {}).get("meta", {})
        note = {"meta": meta, "solved_at_start": bool(steps[0].success),
                "recovered": recorded.end is None, "camera_marks": self.marks(columns)}
        notes = {**self.notes, index: note}
        self._put(self.root / FILE, self.sidecar(notes).content())
        self._put(self.root / EPISODES.format(**place_of(index)), parquet(pa.Table.from_pylist([said])))
        lengths = [*self.lengths[:index], length, *self.lengths[index + 1:]]
        self._put(self.root / INFO, json.dumps(self.info(lengths, len(tasks)), indent=1).encode())
        self.tasks, self.lengths, self.notes, self.total = tasks, lengths, notes, total
        self.own[index] = own

    def row(self, index: int, first: int, text: str, every: Mapping[str, ndarray], frames: Mapping[str, ndarray]
            ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """The table of an episode, and the statistics in it, as they follow from its columns and its decoded videos."""
        length, fps, place = len(every["index"]), round(self.spec.control_hz), place_of(index)
        said: dict[str, Any] = {"episode_index": index, "tasks": [text], "length": length, "dataset_from_index": first,
                                "dataset_to_index": first + length}
        said |= {f"{what}/{name}": value for what in ("meta/episodes", "data") for name, value in place.items()}
        for name in frames:
            said |= {f"videos/{name}/{part}": value for part, value in place.items()}
            said |= {f"videos/{name}/from_timestamp": 0.0, f"videos/{name}/to_timestamp": length / fps}
        own = Tally({name: f for name, f in features_of(self.spec).items() if not f.depth}).add(every, frames)
        for name, found in own.items():
            said |= {f"stats/{name}/{statistic}": value for statistic, value in found.items()}
        return said, own

    def put_row(self, said: dict[str, Any]) -> None:
        """Write the table of an episode."""
        self._put(self.root / EPISODES.format(**place_of(said["episode_index"])), parquet(pa.Table.from_pylist([said])))

    def holds(self, index: int, recorded: Recorded) -> bool:
        """Whether a saved episode is the one of a journal. Raises DataError if its data cannot be read."""
        file, columns, features = self.root / DATA.format(**place_of(index)), self._columns(recorded), features_of(self.spec)
        if self.lengths[index] != len(recorded.steps):
            return False
        kept = read_table(file, list(columns))
        return all(np.array_equal(numbers(kept[name], features[name], f"{file}, field {name}"), value)
                   for name, value in columns.items())

    def sidecar(self, notes: Mapping[int, Mapping[str, Any]]) -> Sidecar:
        return Sidecar(self.spec, self.renderer, {"source": "recorder"}, notes)

    def info(self, lengths: list[int], tasks: int) -> dict[str, Any]:
        """`meta/info.json`."""
        return info_json(features_of(self.spec), fps=round(self.spec.control_hz), robot_type=self.spec.task,
                         episodes=len(lengths), frames=sum(lengths), tasks=tasks)

    def describe(self, parts: tuple[str, ...]) -> None:
        """Write what describes all episodes as it should be: some of `TASKS`, `STATS`, the sidecar's file and, last, `INFO`."""
        for part in parts:
            self._put(self.root / part, {
                TASKS: lambda: parquet(tasks_table(self.tasks)), STATS: lambda: json.dumps(self.total).encode(),
                FILE: lambda: self.sidecar(self.notes).content(),
                INFO: lambda: json.dumps(self.info(self.lengths, len(self.tasks)), indent=1).encode()}[part]())

    def _put(self, path: Path, content: bytes) -> None:
        make_folder(path.parent)
        write_whole(path, content)

    def _columns(self, recorded: Recorded) -> dict[str, ndarray]:
        steps = recorded.steps
        action = np.stack([step.action for step in steps])
        known = np.isfinite(action).all(1)
        for row in np.flatnonzero(~known):  # only the last one can be without
            action[row] = action[row - 1] if row else 0.0
        columns = {"action": action, "next.success": np.array([[step.success] for step in steps[1:]] + [[steps[-1].success]]),
                   "next.done": (np.arange(len(steps)) == len(steps) - 1)[:, None],
                   "wam.imitate": (np.array([step.imitate for step in steps]) & known)[:, None]}
        if self.spec.state:
            columns["observation.state"] = np.stack([step.state for step in steps])
        for number, camera in enumerate(self.spec.cameras):
            columns[f"capture_time_ns.{camera}"] = np.array([[step.captured[number]] for step in steps], np.int64)
            columns[f"camera_flags.{camera}"] = np.array([[step.flags[number]] for step in steps], np.int64)
        return columns

    def marks(self, columns: Mapping[str, ndarray]) -> dict[str, int]:
        """Per camera, how many frames carry a mark."""
        return {camera: int((columns[f"camera_flags.{camera}"] != 0).sum()) for camera in self.spec.cameras}


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **PARQUET)
    return out.getvalue()
