"""Where each episode of a LeRobot dataset lies: version 3.0 from parquet tables, version 2 from JSON lines."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...reading import NUMBER, inside, read_lines, table, whole, words
from .features import Info, place
from .tables import open_parquet
from .tables import read_lines as table_lines

PIECE = re.compile(r"chunk-\d{3,}/file-\d{3,}\.parquet")
EPISODES = 1_000_000
"""episodes, and tasks, that a dataset may have"""
LISTED = 20_000_000
"""statistics of all episodes together that are read"""


@dataclass(frozen=True, slots=True)
class Span:
    """An episode's part of a video file, in seconds as the dataset says them."""

    path: Path
    """relative to the dataset"""
    start: float
    end: float
    """NaN where the dataset does not say"""


@dataclass(frozen=True, slots=True)
class Row:
    """One episode, as the dataset says."""

    index: int
    length: int
    tasks: tuple[str, ...]
    data: Path
    """relative path of the file with its rows"""
    first: int
    """position of its first row in the whole dataset"""
    last: int
    """position behind its last row"""
    videos: Mapping[str, Span]
    source: str
    """file that says so"""


def piece_files(root: Path, folder: str) -> list[Path]:
    """Relative paths of the parquet files of a folder, in order."""
    base = root / folder
    found = [path.relative_to(root) for path in base.glob("chunk-*/file-*.parquet")]
    return sorted(path for path in found if PIECE.fullmatch(path.relative_to(folder).as_posix()))


def read_tasks(root: Path, info: Info) -> dict[int, str]:
    """Task texts by index. Raises DataError."""
    if info.version != "v3.0":
        where = str(root / "meta/tasks.jsonl")
        lines = [table(line, where) for line in read_lines(root, "meta/tasks.jsonl")]
        return {whole(line.get("task_index"), f"{where}, field task_index"): words(line.get("task"), f"{where}, field task")
                for line in lines}
    file = inside(root, Path("meta/tasks.parquet"))
    names = open_parquet(file).schema_arrow.names
    text = next((name for name in ("task", "__index_level_0__") if name in names), None)
    if text is None or "task_index" not in names:
        raise DataError("the table of tasks lacks a column", where=file, expected="task_index and the task's text",
                        got=", ".join(names))
    return {whole(row["task_index"], f"{file}, field task_index"): words(row[text], f"{file}, field {text}")
            for row in table_lines(file, ["task_index", text], EPISODES)}


def read_rows(root: Path, info: Info) -> list[Row]:
    """All episodes, in the order of the files. Raises DataError."""
    if info.version != "v3.0":
        return [_row_v2(line, info, f"{root / 'meta/episodes.jsonl'}, line {number + 1}")
                for number, line in enumerate(read_lines(root, "meta/episodes.jsonl"))]
    files = piece_files(root, "meta/episodes")
    if not files and info.episodes:
        raise DataError("the table of episodes is missing", where=root / "meta/episodes", expected="chunk-000/file-000.parquet",
                        got="nothing", fix="a recording that was killed before it was finished cannot be read; record again")
    rows = list[Row]()
    videos = [name for name, feature in info.features.items() if feature.dtype == "video"]
    for path in files:
        file = inside(root, path)
        wanted = ["episode_index", "tasks", "length", "data/chunk_index", "data/file_index", "dataset_from_index",
                  "dataset_to_index"]
        wanted += [f"videos/{name}/{part}" for name in videos for part in ("chunk_index", "file_index", "from_timestamp",
                                                                           "to_timestamp")]
        rows += [_row_v3(line, info, videos, f"{file}, row {number}") for number,
                 line in enumerate(table_lines(file, wanted, EPISODES - len(rows)))]
    return rows


def _row_v3(said: dict[str, Any], info: Info, videos: list[str], where: str) -> Row:
    spans = {}
    for name in videos:
        chunk, file = (whole(said[f"videos/{name}/{part}"], f"{where}, field videos/{name}/{part}")
                       for part in ("chunk_index", "file_index"))
        start, end = (_seconds(said[f"videos/{name}/{part}"], f"{where}, field videos/{name}/{part}")
                      for part in ("from_timestamp", "to_timestamp"))
        spans[name] = Span(place(info, "video_path", chunk, file, name), start, end)
    tasks = said["tasks"]
    data = place(info, "data_path", whole(said["data/chunk_index"], f"{where}, field data/chunk_index"),
                 whole(said["data/file_index"], f"{where}, field data/file_index"), "")
    return Row(whole(said["episode_index"], f"{where}, field episode_index"), whole(said["length"], f"{where}, field length"),
               tuple(map(str, tasks if isinstance(tasks, list) else [tasks])), data,
               whole(said["dataset_from_index"], f"{where}, field dataset_from_index", 0, 10**10),
               whole(said["dataset_to_index"], f"{where}, field dataset_to_index", 0, 10**10), spans, where)


def _row_v2(value: Any, info: Info, where: str) -> Row:
    said = table(value, where)
    index, length = (whole(said.get(name), f"{where}, field {name}") for name in ("episode_index", "length"))
    chunk = index // info.chunks_size
    spans = {name: Span(place(info, "video_path", chunk, index, name), 0.0, float("nan"))
             for name, feature in info.features.items() if feature.dtype == "video"}
    tasks = said.get("tasks")
    return Row(index, length, tuple(map(str, tasks)) if isinstance(tasks, list) else (),
               place(info, "data_path", chunk, index, ""),
               -1, -1, spans, where)


def _seconds(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= NUMBER:
        raise DataError("the time is impossible", where=where, expected="seconds from the start of the video",
                        got=repr(value)[:60])
    return float(value)


def digest(root: Path, info: Info) -> str:
    """Which dataset this is, of all that may bear its folder's name: a hash of info.json and of what says which episodes there
    are (in version 3.0 with the statistics of each). Raises DataError."""
    files = [Path("meta/info.json"), *piece_files(root, "meta/episodes")]
    if info.version != "v3.0":
        files += [path for path in (Path("meta/episodes.jsonl"), Path("meta/episodes_stats.jsonl")) if (root / path).exists()]
    found = hashlib.sha256()
    for path in files:
        found.update(hashlib.sha256(inside(root, path).read_bytes()).digest())
    return found.hexdigest()[:16]


def statistics_columns(root: Path) -> dict[int, dict[str, dict[str, Any]]]:
    """Per episode and feature: the statistics in the table of episodes (version 3.0). Raises DataError."""
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for path in piece_files(root, "meta/episodes"):
        file = inside(root, path)
        names = [name for name in open_parquet(file).schema_arrow.names if name.startswith("stats/")]
        for line in table_lines(file, ["episode_index", *names], LISTED // (len(names) + 1)):
            kept = found.setdefault(whole(line["episode_index"], f"{file}, field episode_index"), {})
            for name in names:
                feature, _, statistic = name.removeprefix("stats/").rpartition("/")
                kept.setdefault(feature, {})[statistic] = line[name]
    return found
