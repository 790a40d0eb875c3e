"""What describes a recording as a whole, held against the episodes that are there; and which of their files are hurt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..reading import load_json
from .formats.lerobot_write import DATA, VIDEO
from .formats.sidecar import FILE
from .formats.tables import open_parquet, read_table
from .formats.video import probe
from .recorder_aside import Aside
from .recorder_files import INFO, STATS, TASKS, Dataset, features_of, place_of
from .recorder_rebuild import told_episodes


def hurt(dataset: Dataset) -> list[str]:
    """A line for each data or video file of a saved episode that is missing, cut short or no such file. Nothing is decoded."""
    found, videos = [], [name for name, feature in features_of(dataset.spec).items() if feature.dtype == "video"]
    for index, length in enumerate(dataset.lengths):
        place = place_of(index)
        for path in (DATA.format(**place), *(VIDEO.format(video_key=name, **place) for name in videos)):
            file = dataset.root / path
            try:
                rows = open_parquet(file).metadata.num_rows if file.suffix == ".parquet" else len(probe(file))
                problem = "" if rows == length else f"{rows} rows where the table of the episode says {length}"
            except DataError as error:
                problem = error.problem if file.exists() else "it is missing"
            if problem:
                found.append(f"{path}: {problem}, and nothing can rebuild it; restore it from a copy (episode {index})")
    return found


def mend_descriptions(dataset: Dataset, aside: Aside) -> None:
    """Write anew what describes all episodes where it is missing, damaged or not what follows from them; what was goes aside.

    Raises:
        DataError: where the disk refuses, or another tool made this another dataset.
    """
    root, count, told = dataset.root, len(dataset.lengths), told_episodes(dataset.root)
    lost = [index for index in range(count) if index not in dataset.notes]
    dataset.notes = {index: dataset.notes.get(index) or rebuilt_note(dataset, index) for index in range(count)}
    wanted: dict[str, Any] = {FILE: dataset.sidecar(dataset.notes).content(), STATS: dataset.total} if count else {}
    wanted[INFO] = dataset.info(dataset.lengths, len(dataset.tasks))
    if not (root / TASKS).exists():
        dataset.describe((TASKS,))
    for name, value in wanted.items():
        why = differs(root / name, value)
        if why:
            if (root / name).exists():
                aside.take(root / name, why)
            dataset.describe((name,))
            if count:
                aside.tell(f"{name}: rebuilt")
    if told is not None and told > count:
        aside.tell(f"{INFO}: it told of {told} episodes, and {count} are there")
    if lost:
        aside.tell(f"{FILE}: what was noted about episode{'s' * (len(lost) > 1)} {', '.join(map(str, lost))} is gone "
                   "(who or what made it, and whether it was solved at the start)")


def rebuilt_note(dataset: Dataset, index: int) -> dict[str, Any]:
    """What can still be said of an episode whose note is gone. Who made it and whether it began solved is unknown."""
    note: dict[str, Any] = {"meta": {"renderer": dataset.renderer}, "rebuilt": True}
    try:
        flags = [f"camera_flags.{camera}" for camera in dataset.spec.cameras]
        read = read_table(dataset.root / DATA.format(**place_of(index)), flags)
    except DataError:
        return note
    return note | {"camera_marks": dataset.marks({name: np.array(read[name].to_pylist()) for name in read.column_names})}


def differs(file: Path, wanted: Any) -> str:
    """Why a JSON file is not what it should be; "" where it is, up to rounding."""
    try:
        found = load_json(file)
    except DataError:
        return "it is damaged" if file.exists() else "it is missing"
    return "" if alike(found, json.loads(wanted if isinstance(wanted, bytes) else json.dumps(wanted))) else (
        "it is not what follows from the episodes that are there")


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; fractions up to rounding, as another machine may have summed them."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
        case list(), list():
            return len(one) == len(other) and all(map(alike, one, other))
        case (float(), int() | float()) | (int(), float()):
            return abs(one - other) <= 1e-9 * max(abs(one), abs(other), 1e-3)
        case _:
            return bool(one == other)
