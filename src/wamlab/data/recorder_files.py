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

from .. import spec as specs
from ..errors import DataError
from ..reading import read_json, table, words
from ..spec import TaskSpec
from .atomic import make_folder, write_whole
from .formats import depth
from .formats.episodes import CAMERA
from .formats.features import Feature, read_info
from .formats.index import read_rows, read_tasks, statistics_columns
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
from .formats.sidecar import FILE, Sidecar, read_sidecar
from .formats.statistics import merged, together
from .formats.tables import arrow_column
from .formats.video import probe, read_frames
from .recorder_journal import Recorded

PLAN = "recording/plan.json"


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
    with av.open(io.BytesIO(b"".join(packets)), "r", format="h264") as source, av.open(out, "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.time_base = Fraction(1, fps)
        number = 0
        for packet in source.demux(source.streams.video[0]):
            if packet.size == 0:
                continue
            packet.stream, packet.time_base = stream, Fraction(1, fps)
            packet.pts = packet.dts = number
            packet.duration = 1
            number += 1
            target.mux(packet)
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

    @classmethod
    def load(cls, root: Path) -> Dataset:
        """From the plan and the episodes that are committed. Raises DataError."""
        plan = table(read_json(root, PLAN), str(root / PLAN))
        self = cls(root, specs.from_json(plan.get("task_spec")), words(plan.get("renderer"), f"{root / PLAN}, field renderer"))
        if (root / "meta/info.json").exists():
            info = read_info(root)
            self.tasks = [text for _,
                          text in sorted(read_tasks(root, info).items())] if (root / "meta/tasks.parquet").exists() else []
            committed = read_rows(root, info)
            self.lengths = [row.length for row in committed]
            sidecar = read_sidecar(root)
            self.notes = dict(sidecar.episodes) if sidecar else {}
            self.own = statistics_columns(root)
            self.total = together(list(self.own.values()))
        return self

    def commit(self, index: int, recorded: Recorded) -> None:
        """Write the files of an episode; when this returns they are on the disk. Doing it again changes nothing.

        Raises:
            DataError: where the disk refuses; what was there before stays valid.
        """
        steps, spec, fps = recorded.steps, self.spec, round(self.spec.control_hz)
        first, length = sum(self.lengths[:index]), len(steps)
        text = str(recorded.begin.get("instruction", ""))
        tasks = self.tasks if text in self.tasks else [*self.tasks, text]
        features, columns = features_of(spec), self._columns(recorded)
        every = columns | default_columns(length, fps, index, first, tasks.index(text))
        place = {"chunk_index": index // PER_CHUNK, "file_index": index % PER_CHUNK}
        frames: dict[str, ndarray] = {}
        pictures: dict[str, Any] = {}
        said: dict[str, Any] = {"episode_index": index, "tasks": [text], "length": length, "dataset_from_index": first,
                                "dataset_to_index": first + length, "meta/episodes/chunk_index": place["chunk_index"],
                                "meta/episodes/file_index": place["file_index"], "data/chunk_index": place["chunk_index"],
                                "data/file_index": place["file_index"]}
        for number, camera in enumerate(spec.cameras):
            name, parts = CAMERA + camera, [step.pictures[number] for step in steps]
            if camera.endswith(depth.SUFFIX):
                pictures[name] = parts
                continue
            file = self.root / VIDEO.format(video_key=name, **place)
            self._put(file, join_video(parts, fps))
            frames[name] = np.stack(list(read_frames(probe(file), np.arange(length))))
            said |= {f"videos/{name}/chunk_index": place["chunk_index"], f"videos/{name}/file_index": place["file_index"],
                     f"videos/{name}/from_timestamp": 0.0, f"videos/{name}/to_timestamp": length / fps}
        table = episode_table(every, {name: f for name, f in features.items() if name not in pictures})
        for name, parts in pictures.items():
            cells = [{"bytes": part, "path": f"frame-{row:06d}.png"} for row, part in enumerate(parts)]
            table = table.append_column(name, pa.array(cells, arrow_column([], features[name]).type))
        self._put(self.root / DATA.format(**place), parquet(table))
        own = Tally({name: f for name, f in features.items() if not f.depth}).add(every, frames)
        for name, found in own.items():
            said |= {f"stats/{name}/{statistic}": value for statistic, value in found.items()}
        if tasks != self.tasks or not (self.root / "meta/tasks.parquet").exists():
            self._put(self.root / "meta/tasks.parquet", parquet(tasks_table(tasks)))
        others = [kept for number, kept in self.own.items() if number != index]
        total = merged(self.total if index not in self.own else together(others), own)
        self._put(self.root / "meta/stats.json", json.dumps(total).encode())
        meta = recorded.begin.get("meta", {}) | (recorded.end or {}).get("meta", {})
        note = {"meta": meta, "solved_at_start": bool(steps[0].success),
                "recovered": recorded.end is None, "camera_marks": self._marks(recorded)}
        notes = {**self.notes, index: note}
        self._put(self.root / FILE, Sidecar(spec, self.renderer, {"source": "recorder"}, notes).content())
        self._put(self.root / EPISODES.format(**place), parquet(pa.Table.from_pylist([said])))
        lengths = [*self.lengths[:index], length]
        self.write_info(features, lengths, len(tasks))
        self.tasks, self.lengths, self.notes, self.total = tasks, lengths, notes, total
        self.own[index] = own

    def write_empty(self) -> None:
        """The description of a dataset without episodes, so that a new recording can be opened at once."""
        self._put(self.root / "meta/tasks.parquet", parquet(tasks_table([])))
        self.write_info(features_of(self.spec), [], 0)

    def write_info(self, features: Mapping[str, Feature], lengths: list[int], tasks: int) -> None:
        info = info_json(features, fps=round(self.spec.control_hz), robot_type=self.spec.task, episodes=len(lengths),
                         frames=sum(lengths),
                         tasks=tasks)
        self._put(self.root / "meta/info.json", json.dumps(info, indent=1).encode())

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

    def _marks(self, recorded: Recorded) -> dict[str, int]:
        """Per camera, how many frames carry a mark."""
        return {camera: sum(bool(step.flags[number]) for step in recorded.steps) for number,
                camera in enumerate(self.spec.cameras)}


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **PARQUET)
    return out.getvalue()


def remove_strays(root: Path, committed: int) -> int:
    """Remove files of episodes that were never committed: other readers load every file that is there. Returns how many."""
    removed = 0
    for path in [*root.glob("data/chunk-*/file-*.parquet"), *root.glob("videos/*/chunk-*/file-*.mp4")]:
        chunk, number = path.parent.name.removeprefix("chunk-"), path.stem.removeprefix("file-")
        if chunk.isdigit() and number.isdigit() and int(chunk) * PER_CHUNK + int(number) >= committed:
            path.unlink()
            removed += 1
    return removed
