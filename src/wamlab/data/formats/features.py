"""What the columns of a LeRobot dataset mean: `meta/info.json`, read with nothing taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...reading import PIXELS, fill, read_json, safe_name, table, whole, words
from .channels import channel_names
from .depth import is_depth

PICTURES = ("video", "image")
NUMBERS = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "int64": np.int64, "int32": np.int32,
           "int16": np.int16,
           "int8": np.int8, "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "bool": np.bool_}
TEXTS = ("string", "language")
DEFAULTS = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64"}
"""columns that every dataset has, one number per frame"""
VERSIONS = ("v3.0", "v2.1", "v2.0")


@dataclass(frozen=True)
class Feature:
    """One entry of `features`."""

    dtype: str
    shape: tuple[int, ...]
    """pictures: height, width, channels, whatever the order in the file"""
    names: tuple[str, ...] = ()
    """one per number of a vector, or empty"""
    info: Mapping[str, Any] = field(default_factory=dict)
    """codec, size and so on of a video"""

    @property
    def picture(self) -> bool:
        return self.dtype in PICTURES

    @property
    def depth(self) -> bool:
        """Whether its pictures are distances and not colours."""
        return self.picture and is_depth(self.info)


@dataclass(frozen=True)
class Info:
    """`meta/info.json`."""

    version: str
    fps: int
    robot_type: str
    features: Mapping[str, Feature]
    data_path: str
    video_path: str
    chunks_size: int
    episodes: int
    frames: int
    tasks: int
    splits: Mapping[str, str]

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(name for name, feature in self.features.items() if feature.picture)

    @property
    def columns(self) -> tuple[str, ...]:
        """Features with a column of numbers or text in the data files."""
        return tuple(name for name, feature in self.features.items() if not feature.picture)


def read_info(root: Path) -> Info:
    """Read and check `meta/info.json`.

    Raises:
        DataError: naming the field that is missing, impossible or unsafe.
    """
    where = str(root / "meta/info.json")
    said = table(read_json(root, "meta/info.json"), where)
    version = words(said.get("codebase_version"), f"{where}, field codebase_version")
    if version not in VERSIONS:
        raise DataError("the dataset is of a version that is not read", where=f"{where}, field codebase_version",
                        expected=" or ".join(VERSIONS), got=version, fix="convert it with the tool that wrote it")
    features = {}
    listed = table(said.get("features"), f"{where}, field features")
    if len(listed) > 1000:
        raise DataError("the dataset has too many features", where=f"{where}, field features", expected="at most 1000",
                        got=len(listed))
    for name, entry in listed.items():
        features[safe_name(name, f"{where}, field features")] = read_feature(entry, f"{where}, field features.{name}")
    for name in DEFAULTS:
        if name not in features:
            raise DataError(f"the column {name} is missing", where=f"{where}, field features", expected=name,
                            got=", ".join(features)[:200], fix="write the dataset again with its tool")
    video = said.get("video_path")
    if video is None and any(feature.dtype == "video" for feature in features.values()):
        raise DataError("there are videos but no path to them", where=f"{where}, field video_path", expected="a path template",
                        got="null")
    info = Info(version, whole(said.get("fps"), f"{where}, field fps", 1, 10_000), str(said.get("robot_type") or ""), features,
                words(said.get("data_path"), f"{where}, field data_path"),
                "" if video is None else words(video, f"{where}, field video_path"),
                whole(said.get("chunks_size", 1000), f"{where}, field chunks_size", 1),
                whole(said.get("total_episodes"), f"{where}, field total_episodes"),
                whole(said.get("total_frames"), f"{where}, field total_frames", 0, 10**10),
                whole(said.get("total_tasks"), f"{where}, field total_tasks"),
                {str(k): str(v) for k, v in table(said.get("splits") or {}, f"{where}, field splits").items()})
    place(info, "data_path", 0, 0, "")  # refuses an unsafe template before any file is opened
    if info.video_path:
        place(info, "video_path", 0, 0, "camera")
    return info


def read_feature(entry: Any, where: str) -> Feature:
    """One feature. Raises DataError."""
    entry = table(entry, where)
    dtype = words(entry.get("dtype"), f"{where}.dtype")
    if dtype not in PICTURES and dtype not in NUMBERS and dtype not in TEXTS:
        raise DataError("the type is not known", where=f"{where}.dtype", expected=", ".join([*PICTURES, *NUMBERS, *TEXTS]),
                        got=dtype)
    given = entry.get("shape")
    if not isinstance(given, list | tuple) or len(given) > 6:
        raise DataError("the shape is no shape", where=f"{where}.shape", expected="a list of whole numbers",
                        got=repr(given)[:60])
    shape = tuple(whole(side, f"{where}.shape", 1, PIXELS) for side in given)
    if int(np.prod([float(side) for side in shape])) > PIXELS * 4:
        raise DataError("the shape is too large", where=f"{where}.shape", expected=f"at most {PIXELS * 4} numbers", got=shape)
    if dtype in PICTURES:
        said = entry.get("names")
        said = said[0] if isinstance(said, list) and len(said) == 1 and isinstance(said[0], list) else said
        names = tuple(map(str, said)) if isinstance(said, list) else ()
        if len(shape) != 3 or len(names) not in (0, 3):
            raise DataError("a picture has three sides", where=f"{where}.shape and names", expected="height, width, channels",
                            got=f"{shape}, {', '.join(names)[:80]}")
        if (names[:1] or ("",))[0].startswith("channel") or (not names and shape[2] > 4 >= shape[0]):
            shape = (shape[1], shape[2], shape[0])
        if shape[2] not in (1, 3, 4):
            raise DataError("a picture of so many channels is not read", where=f"{where}.shape", expected="1, 3 or 4",
                            got=shape[2])
    else:
        names = channel_names(entry.get("names"), shape, where) if dtype in NUMBERS else ()
    info = entry.get("info", entry.get("video_info"))
    if dtype in PICTURES and isinstance(info, dict):
        is_depth(info, f"{where}.{'info' if 'info' in entry else 'video_info'}")  # refuses a mark that says nothing
    return Feature(dtype, shape, names, info if isinstance(info, dict) else {})


def place(info: Info, kind: str, chunk: int, file: int, camera: str) -> Path:
    """Relative path of a data or video file. For v2 datasets, `file` is the episode."""
    template = info.data_path if kind == "data_path" else info.video_path
    values: dict[str, int | str] = {"chunk_index": chunk, "file_index": file}
    if info.version != "v3.0":
        values = {"episode_chunk": chunk, "episode_index": file}
    if kind == "video_path":
        values["video_key"] = camera
    return Path(fill(template, values, f"meta/info.json, field {kind}"))
