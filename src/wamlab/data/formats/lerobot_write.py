"""Writing LeRobotDataset v3.0: one row group per episode, videos with integer frame times, `meta/info.json` last.

Start and end of an episode in its video are frame numbers divided by the rate, never sums of container durations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64
from numpy import ndarray

from ...errors import DataError
from ..atomic import make_folder
from .features import DEFAULTS, NUMBERS, Feature
from .statistics import histogram, picture_statistics, sampled, vector_statistics
from .tables import arrow_column, described
from .video import VideoWriter

DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
PER_CHUNK = 1000
WIDEST = 512
"""numbers of the widest column of which statistics are kept; wider ones are pictures in disguise"""
PARQUET: dict[str, Any] = {"compression": "snappy", "use_dictionary": True, "write_page_checksum": True}


def with_defaults(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """The features and the columns that every dataset has."""
    return dict(features) | {name: Feature(kind, (1,)) for name, kind in DEFAULTS.items()}


def tasks_table(tasks: list[str]) -> pa.Table:
    """The table of tasks as pandas would write it: the text is the index."""
    kind = {"field_name": "__index_level_0__", "name": None, "metadata": None, "pandas_type": "unicode", "numpy_type": "object"}
    number = {"field_name": "task_index", "name": "task_index", "metadata": None, "pandas_type": "int64", "numpy_type": "int64"}
    pandas = {"index_columns": ["__index_level_0__"], "columns": [number, kind], "pandas_version": "2.0.0",
              "column_indexes": [{**kind, "field_name": None, "metadata": {"encoding": "UTF-8"}}],
              "creator": {"library": "pyarrow", "version": pa.__version__}, "attributes": {}}
    arrays = [pa.array(range(len(tasks)), pa.int64()), pa.array(tasks, pa.string())]
    return pa.table(arrays, names=["task_index", "__index_level_0__"]).replace_schema_metadata({"pandas": json.dumps(pandas)})


def info_json(features: Mapping[str, Feature], *, fps: int, robot_type: str, episodes: int, frames: int,
              tasks: int) -> dict[str, Any]:
    """`meta/info.json`."""
    described: dict[str, Any] = {}
    for name, feature in features.items():
        described[name] = {"dtype": feature.dtype, "shape": list(feature.shape),
                           "names": ["height", "width", "channels"] if feature.picture else list(feature.names) or None}
        if feature.info:
            described[name]["info"] = dict(feature.info)
    video = any(feature.dtype == "video" for feature in features.values())
    return {"codebase_version": "v3.0", "robot_type": robot_type or None, "total_episodes": episodes, "total_frames": frames,
            "total_tasks": tasks, "chunks_size": PER_CHUNK, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200,
            "fps": fps,
            "splits": {"train": f"0:{episodes}"}, "data_path": DATA, "video_path": VIDEO if video else None,
            "features": described}


def video_info(size: tuple[int, ...], fps: int, codec: str, pixels: str) -> dict[str, Any]:
    """The `info` of a video feature."""
    return {"video.height": size[0], "video.width": size[1], "video.codec": codec, "video.pix_fmt": pixels,
            "video.is_depth_map": False,
            "video.fps": fps, "video.channels": 3, "has_audio": False}


def default_columns(length: int, fps: int, episode: int, first: int, task: int | Sequence[int]) -> dict[str, ndarray]:
    """The columns that every dataset has, for one episode; `task` is one number, or one per row."""
    t = np.arange(length)
    return {"timestamp": (t / fps).astype(np.float32), "frame_index": t, "episode_index": np.full(length, episode),
            "index": first + t,
            "task_index": np.full(length, task)}


def episode_table(columns: Mapping[str, Any], features: Mapping[str, Feature]) -> pa.Table:
    """The rows of one episode with their types."""
    stored = {name: feature for name, feature in features.items() if feature.dtype != "video"}
    built = pa.table({name: arrow_column(columns[name], feature) for name, feature in stored.items()})
    return built.replace_schema_metadata(described(features))


@dataclass
class Tally:
    """Statistics that grow with the episodes."""

    features: Mapping[str, Feature]
    vectors: dict[str, list[ndarray]] = field(default_factory=dict)
    counts: dict[str, tuple[Int64[ndarray, "C 256"], int]] = field(default_factory=dict)

    def add(self, columns: Mapping[str, Any], frames: Mapping[str, ndarray]) -> dict[str, dict[str, Any]]:
        """Count an episode in; returns its own statistics per feature."""
        own = {}
        for name, feature in self.features.items():
            if feature.dtype in NUMBERS and np.prod(feature.shape) <= WIDEST:
                self.vectors.setdefault(name, []).append(np.asarray(columns[name]).reshape(-1, *feature.shape))
                own[name] = vector_statistics(self.vectors[name][-1])
            elif feature.picture and not feature.depth:
                counted, number = histogram(frames[name]), len(sampled(len(frames[name])))
                own[name] = picture_statistics(counted, number)
                before, total = self.counts.get(name, (np.zeros_like(counted), 0))
                self.counts[name] = before + counted, total + number
        return own

    def total(self) -> dict[str, dict[str, Any]]:
        """Statistics of everything, per feature."""
        found = {name: vector_statistics(np.concatenate(parts)) for name, parts in self.vectors.items()}
        return found | {name: picture_statistics(counts, number) for name, (counts, number) in self.counts.items()}


class Writer:
    """Appends whole episodes to a new dataset in `root`; nothing can be read before `close`.

    Args:
        features: without the default columns; pictures of type "video" are encoded, of type "image" kept to the bit.
        codec: "h264" or "av1".
        data_mb, video_mb: sizes at which a new file is begun.
    """

    def __init__(self, root: Path, features: Mapping[str, Feature], *, fps: int, robot_type: str = "", codec: str = "h264",
                 data_mb: float = 100, video_mb: float = 200):
        self.root, self.fps, self.robot_type, self.codec = root, fps, robot_type, codec
        self.features = with_defaults(features)
        self.limits = int(data_mb * 2**20), int(video_mb * 2**20)
        self.tally, self.tasks, self.episodes, self.frames = Tally(self.features), list[str](), list[dict[str, Any]](), 0
        self._data: tuple[int, Path, pq.ParquetWriter] | None = None
        self._videos: dict[str, tuple[int, Path, VideoWriter]] = {}

    def add(self, columns: Mapping[str, Any], frames: Mapping[str, ndarray], task: str | Sequence[str]) -> int:
        """Append an episode; returns its index.

        Args:
            columns: [N, *shape] per feature that is no picture and no default column.
            frames: uint8 [N, h, w, 3] per camera, uint16 [N, h, w] for depth.
            task: one sentence, or one per row.
        """
        index, length = len(self.episodes), len(next(iter(columns.values())))
        texts = [task] * length if isinstance(task, str) else list(task)
        own = list(dict.fromkeys(texts))
        self.tasks += [text for text in own if text not in self.tasks]
        number = {text: self.tasks.index(text) for text in own}
        every = dict(columns) | default_columns(length, self.fps, index, self.frames, [number[text] for text in texts])
        pictures = {name: frames[name] for name, feature in self.features.items() if feature.dtype == "image"}
        said: dict[str, Any] = {"episode_index": index, "tasks": own, "length": length, "dataset_from_index": self.frames,
                                "dataset_to_index": self.frames + length, "meta/episodes/chunk_index": 0,
                                "meta/episodes/file_index": 0}
        piece = self._rows(episode_table(every | pictures, self.features))
        said |= {"data/chunk_index": piece // PER_CHUNK, "data/file_index": piece % PER_CHUNK}
        for name, feature in self.features.items():
            if feature.dtype == "video":
                piece, start = self._encode(name, frames[name])
                said |= {f"videos/{name}/chunk_index": piece // PER_CHUNK, f"videos/{name}/file_index": piece % PER_CHUNK,
                         f"videos/{name}/from_timestamp": start / self.fps,
                         f"videos/{name}/to_timestamp": (start + length) / self.fps}
        for name, found in self.tally.add(every, frames).items():
            said |= {f"stats/{name}/{statistic}": value for statistic, value in found.items()}
        self.episodes.append(said)
        self.frames += length
        return index

    def _rows(self, rows: pa.Table) -> int:
        if self._data is not None and self._data[1].stat().st_size >= self.limits[0]:
            self._data[2].close()
            self._data = self._begin_data(self._data[0] + 1, rows.schema)
        if self._data is None:
            self._data = self._begin_data(0, rows.schema)
        self._data[2].write_table(rows)
        return self._data[0]

    def _begin_data(self, piece: int, schema: pa.Schema) -> tuple[int, Path, pq.ParquetWriter]:
        path = self.root / DATA.format(chunk_index=piece // PER_CHUNK, file_index=piece % PER_CHUNK)
        make_folder(path.parent)
        return piece, path, pq.ParquetWriter(path, schema, **PARQUET)

    def _encode(self, name: str, frames: ndarray) -> tuple[int, int]:
        """Append frames to a camera's video; (number of the file, first frame in it)."""
        current = self._videos.get(name)
        if current is None or current[2].bytes >= self.limits[1]:
            piece = 0
            if current is not None:
                current[2].close()
                piece = current[0] + 1
            path = self.root / VIDEO.format(video_key=name, chunk_index=piece // PER_CHUNK, file_index=piece % PER_CHUNK)
            make_folder(path.parent)
            height, width = self.features[name].shape[:2]
            current = self._videos[name] = piece, path, VideoWriter(str(path), (height, width), self.fps, self.codec)
        start = current[2].count
        current[2].add(frames)
        return current[0], start

    def close(self) -> None:
        """Finish all files; `meta/info.json` is the last. Raises DataError if nothing was added."""
        if not self.episodes or self._data is None:
            raise DataError("there is nothing to write", where=self.root, expected="at least one episode", got=0)
        self._data[2].close()
        for name, (_, _, video) in self._videos.items():
            video.close()
            kept = video_info(self.features[name].shape[:2], self.fps, self.codec, video.stream.pix_fmt)
            self.features[name] = Feature("video", self.features[name].shape, self.features[name].names, kept)
        path = self.root / EPISODES.format(chunk_index=0, file_index=0)
        make_folder(path.parent)
        pq.write_table(pa.Table.from_pylist(self.episodes), path, **PARQUET)
        pq.write_table(tasks_table(self.tasks), self.root / "meta/tasks.parquet", **PARQUET)
        (self.root / "meta/stats.json").write_text(json.dumps(self.tally.total(), indent=1))
        said = info_json(self.features, fps=self.fps, robot_type=self.robot_type, episodes=len(self.episodes),
                         frames=self.frames,
                         tasks=len(self.tasks))
        (self.root / "meta/info.json").write_text(json.dumps(said, indent=4))
