"""The list of tasks of a recording: `meta/tasks.parquet`, or, where it is gone, what tables and data of the episodes say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from ..reading import whole, words
from .formats.tables import read_table
from .recorder_files import TASKS

MOST = 100_000
"""tasks of a recording, if a data file is to be believed without the list"""


def read_task_list(root: Path, needed: set[str]) -> dict[int, str] | None:
    """Texts by number; None where the file is missing or damaged, has gaps, or lacks one of the texts that are `needed`."""
    where = str(root / TASKS)
    try:
        lines = read_table(root / TASKS, ["task_index", "__index_level_0__"]).to_pylist()
        found = {whole(line["task_index"], where): words(line["__index_level_0__"], where) for line in lines}
    except DataError:
        return None
    complete = sorted(found) == list(range(len(lines))) and len(set(found.values())) == len(lines)
    return found if complete and needed <= set(found.values()) else None


def rebuilt_tasks(episodes: Mapping[int, tuple[Path, str]]) -> dict[int, str]:
    """Texts by number, from (data file, text) of each episode whose table is whole.

    Raises:
        DataError: if two episodes contradict each other.
    """
    found: dict[int, str] = {}
    for index, (file, text) in episodes.items():
        try:
            said = set(read_table(file, ["task_index"])["task_index"].to_pylist())
        except DataError:
            continue  # its number is missed only if another episode needs it
        number = whole(said.pop() if len(said) == 1 else None, f"{file}, field task_index", 0, MOST)
        if found.setdefault(number, text) != text:
            raise DataError("two episodes disagree on what a task is", where=f"{file}, field task_index", got=text,
                            expected=found[number], fix=f"restore {TASKS} from a copy (episode {index})")
    return found
