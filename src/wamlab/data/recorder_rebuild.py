"""What a recording holds, read from its files; what is missing or damaged and follows from the others is made again.

An episode's numbers and pictures are in its own data and video files. Its table (`meta/episodes`) follows from them and from
the list of tasks, the list of tasks from tables and data, the statistics from the tables, `meta/info.json` from the plan and
these. Nothing follows the other way round: an episode whose data file is gone cannot be rebuilt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..reading import load_json, table, whole, words
from .formats.lerobot_write import DATA, EPISODES, PER_CHUNK, VIDEO
from .formats.sidecar import Sidecar
from .formats.statistics import together
from .formats.tables import numbers, read_table
from .formats.video import probe, read_frames
from .recorder_aside import Aside
from .recorder_files import INFO, TASKS, Dataset, features_of, place_of
from .recorder_plan import Plan
from .recorder_tasks import read_task_list, rebuilt_tasks

VERSION = "v3.0"
NUMBERED = re.compile(r"chunk-(\d{3,5})/file-(\d{3})\.(?:parquet|mp4)")


@dataclass(frozen=True)
class Kept:
    """What the table of an episode says."""

    length: int
    text: str
    own: dict[str, dict[str, Any]]
    """statistics"""


def numbered(base: Path) -> dict[int, Path]:
    """Files of a folder of chunks by the episode that their name tells."""
    found = ((path, NUMBERED.fullmatch(path.relative_to(base).as_posix())) for path in sorted(base.glob("chunk-*/file-*")))
    return {int(match[1]) * PER_CHUNK + int(match[2]): path for path, match in found if match}


def read_kept(file: Path, index: int) -> Kept | None:
    """The table of an episode; None where it is damaged. Raises DataError for one that is whole and of another episode."""
    try:
        lines = read_table(file).to_pylist()
        numbers_said = [whole(line.get("episode_index"), f"{file}, field episode_index") for line in lines]
    except DataError:
        return None
    if numbers_said != [index]:
        raise DataError("the recording was rearranged by another tool", where=f"{file}, field episode_index",
                        expected=f"episode {index} alone", got=numbers_said[:5],
                        fix="record into another folder; nothing was changed here")
    line = lines[0]
    try:
        said = line.get("tasks")
        text = words(said[0] if isinstance(said, list) and len(said) == 1 else None, f"{file}, field tasks")
        own: dict[str, dict[str, Any]] = {}
        for name, value in line.items():
            if name.startswith("stats/"):
                feature, _, statistic = name.removeprefix("stats/").rpartition("/")
                own.setdefault(feature, {})[statistic] = value
        return Kept(whole(line.get("length"), f"{file}, field length", 1), text, own)
    except DataError:
        return None


def told_episodes(root: Path) -> int | None:
    """How many episodes `meta/info.json` tells of; None where it cannot be read. Raises DataError for another version."""
    try:
        said = table(load_json(root / INFO), INFO)
        version, count = words(said.get("codebase_version"), INFO), whole(said.get("total_episodes"), INFO)
    except DataError:
        return None
    if version != VERSION:
        raise DataError("another tool made this another dataset", where=f"{root / INFO}, field codebase_version",
                        expected=VERSION, got=version, fix="record into another folder; nothing was changed here")
    return count


def load(root: Path, plan: Plan, sidecar: Sidecar | None, journals: set[int], aside: Aside) -> Dataset:
    """The recording as it is saved, with every table that was missing or damaged made again.

    Args:
        journals: episodes whose journal is there: their files may be half written, and are written again from it.

    Raises:
        DataError: if an episode in the middle can neither be read nor rebuilt; nothing was changed then.
    """
    dataset = Dataset(root, plan.spec, plan.renderer, notes=dict(sidecar.episodes) if sidecar else {})
    tables, data, told = numbered(root / "meta/episodes"), numbered(root / "data"), told_episodes(root)
    kept = {index: read_kept(file, index) for index, file in tables.items()}
    good = {index: one for index, one in kept.items() if one is not None}
    last = max(good, default=-1)
    wanted = [index for index in sorted({*tables, *data} - set(good))
              if index < last or (index not in journals and (told is None or index < told))]
    listed = read_task_list(root, {one.text for one in good.values()})
    tasks = listed if listed is not None else rebuilt_tasks(
        {index: (data[index], one.text) for index, one in good.items() if index in data})
    rows = dict[int, dict[str, Any]]()
    for index in wanted:
        missing = next((before for before in range(index) if before not in good), None)
        if missing is not None:
            raise gone(root, missing)
        rows[index], own = rebuilt(dataset, index, sum(good[before].length for before in range(index)), tasks)
        good[index] = Kept(rows[index]["length"], rows[index]["tasks"][0], own)
    missing = next((before for before in range(max(good, default=-1)) if before not in good), None)
    if missing is not None:
        raise gone(root, missing)
    dataset.tasks = [tasks.get(number, f"(task {number}, of no episode)") for number in range(max(tasks, default=-1) + 1)]
    dataset.lengths = [good[index].length for index in sorted(good)]
    dataset.own = {index: good[index].own for index in sorted(good)}
    dataset.total = together(list(dataset.own.values()))
    for index, said in rows.items():
        name = EPISODES.format(**place_of(index))
        if index in tables:
            aside.take(tables[index], "it is damaged")
        dataset.put_row(said)
        aside.tell(f"{name}: rebuilt from the data and videos of episode {index}")
    if listed is None and dataset.lengths:
        if (root / TASKS).exists():
            aside.take(root / TASKS, "it is damaged, or not of these episodes")
        dataset.describe((TASKS,))
        aside.tell(f"{TASKS}: rebuilt from the tables and data of the episodes")
    return dataset


def gone(root: Path, index: int) -> DataError:
    return DataError(f"episode {index} is gone, and later ones are there", where=root / DATA.format(**place_of(index)),
                     expected="its data and videos, or its table", got="neither data nor table",
                     fix="restore its files from a copy, or record into another folder; nothing was changed here")


def rebuilt(dataset: Dataset, index: int, first: int, tasks: Mapping[int, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The table of an episode and its statistics, from its data, its videos and the list of tasks. Raises DataError."""
    file, features = dataset.root / DATA.format(**place_of(index)), features_of(dataset.spec)
    stored = [name for name, feature in features.items() if not feature.picture]
    read = read_table(file, stored)
    every = {name: numbers(read[name], features[name], f"{file}, field {name}") for name in stored}
    length = len(every["index"])
    for name, wanted in (("episode_index", np.full(length, index)), ("index", first + np.arange(length)),
                         ("frame_index", np.arange(length)), ("task_index", np.full(length, every["task_index"].flat[0]))):
        if not np.array_equal(every[name].reshape(-1), wanted):
            raise DataError("the data are not those of this episode", where=f"{file}, field {name}", got=every[name].flat[0],
                            expected=f"{wanted[0]} and on" if name != "task_index" else "one task")
    number = int(every["task_index"].flat[0])
    if number not in tasks:
        raise DataError("what the task of an episode was is gone", where=dataset.root / TASKS, expected=f"task {number}",
                        got=", ".join(map(str, tasks)) or "no list", fix=f"restore {TASKS} or meta/episodes from a copy")
    frames = {}
    for name, feature in features.items():
        if feature.dtype == "video":
            video = probe(dataset.root / VIDEO.format(video_key=name, **place_of(index)))
            if len(video) != length:
                raise DataError("data and video differ in length", where=video.file, expected=f"{length} frames",
                                got=len(video))
            frames[name] = np.stack(list(read_frames(video, np.arange(length))))
    return dataset.row(index, first, tasks[number], every, frames)
