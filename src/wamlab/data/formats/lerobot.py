"""LeRobotDataset v3.0 (and v2.1, v2.0), read without their library.

    dataset = LeRobot.open("path/to/dataset")
    dataset.columns(3)["action"]                           float32 [N, A] of episode 3
    dataset.frames(3, "observation.images.top")            uint8 [N, h, w, 3]

An episode has N rows; row t carries observation t and the action taken there. Rows are found by their `episode_index`
and checked against what the table of episodes says; frames are found by counting, so that no sum of container durations
can drift. Nothing that the dataset's JSON says about paths and sizes is trusted (`reading`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int64
from numpy import ndarray

from ...errors import DataError, UnknownName
from ...reading import inside
from ..instructions import Instructions, changes
from .features import DEFAULTS, NUMBERS, PICTURES, Info, read_info
from .frames import Videos
from .index import Row, read_rows, read_tasks
from .pictures import pictures
from .tables import numbers, open_parquet, read_table
from .video import VideoInfo


class LeRobot:
    """A LeRobot dataset on disk, read-only."""

    def __init__(self, root: Path, info: Info, tasks: dict[int, str], rows: list[Row]):
        self.root, self.info, self.tasks, self.rows = root, info, tasks, rows
        self._by_index = {row.index: row for row in rows}
        if len(self._by_index) < len(rows):
            twice = next(row for number, row in enumerate(rows) if any(row.index == other.index for other in rows[:number]))
            raise DataError(f"there are two episodes {twice.index}", where=f"{twice.source}, field episode_index",
                            expected="a number of its own for each episode", got=twice.index, fix="renumber the episodes")
        self.videos = Videos(root, info, rows)
        self._positions: dict[Path, Int64[ndarray, "N"]] = {}
        self._table: tuple[tuple[Path, tuple[int, ...]], pa.Table] | None = None

    @classmethod
    def open(cls, root: str | Path) -> LeRobot:
        """Read the description of a dataset; no data and no video yet.

        Raises:
            DataError: if there is none, or it is damaged, unsafe or of a version that is not read.
        """
        root = Path(root)
        if not (root / "meta/info.json").exists():
            raise DataError("there is no LeRobot dataset here", where=root, expected="a folder with meta/info.json",
                            got="no such folder" if not root.is_dir() else "a folder without meta/info.json",
                            fix="give the folder that holds data/, meta/ and videos/")
        info = read_info(root)
        return cls(root, info, read_tasks(root, info), read_rows(root, info))

    def __len__(self) -> int:
        return len(self.rows)

    def indices(self) -> list[int]:
        """The episodes' indices, ascending."""
        return sorted(self._by_index)

    def length(self, index: int) -> int:
        """Rows of an episode."""
        return self.row(index).length

    def row(self, index: int) -> Row:
        """What the dataset says about an episode. Raises DataError if there is none of that index."""
        if index not in self._by_index:
            raise DataError(f"there is no episode {index}", where=self.root, expected=f"0 to {len(self) - 1}", got=index)
        return self._by_index[index]

    def columns(self, index: int, names: Sequence[str] | None = None) -> dict[str, ndarray]:
        """Numbers of an episode by column, each [N, *shape]; texts as an array of objects.

        Raises:
            DataError: naming file and field, if a column is missing, damaged or of another length or shape.
        """
        row = self.row(index)
        names = list(self.info.columns) if names is None else list(names)
        part, file = self._part(row, names)
        return {name: self._column(part[name], name, f"{file}, field {name}") for name in names}

    def _column(self, column: pa.ChunkedArray, name: str, where: str) -> ndarray:
        feature = self.info.features[name]
        if feature.dtype in NUMBERS:
            return numbers(column, feature, where)
        if column.null_count or not pa.types.is_string(column.type):
            raise DataError("the column holds no text", where=where, expected="text", got=column.type)
        return np.array(column.to_pylist(), object)

    def _part(self, row: Row, names: Sequence[str]) -> tuple[pa.Table, Path]:
        """The rows of one episode, found by `episode_index` and contiguous."""
        file = inside(self.root, row.data)
        if file not in self._positions:
            found = read_table(file, ["episode_index"])["episode_index"]
            self._positions[file] = numbers(found, self.info.features["episode_index"],
                                            f"{file}, field episode_index").reshape(-1)
        at = np.flatnonzero(self._positions[file] == row.index)
        if len(at) != row.length or (len(at) and at[-1] - at[0] + 1 != len(at)):
            raise DataError(f"episode {row.index} has not the rows that it should have", where=f"{file}, field episode_index",
                            expected=f"{row.length} rows in a row ({row.source}, field length)",
                            got=f"{len(at)} rows" + ("" if len(at) != row.length else ", not in a row"),
                            fix="drop the episode, or write the dataset again")
        if not len(at):
            raise DataError(f"episode {row.index} is empty", where=f"{row.source}, field length", expected="at least one row",
                            got=0)
        source = open_parquet(file)
        ends = np.cumsum([source.metadata.row_group(number).num_rows for number in range(source.num_row_groups)])
        groups = tuple(range(int(np.searchsorted(ends, at[0], "right")), int(np.searchsorted(ends, at[-1], "right")) + 1))
        first = int(ends[groups[0] - 1]) if groups[0] else 0
        key = (file, groups)
        if self._table is None or self._table[0] != key or not set(names) <= set(self._table[1].column_names):
            self._table = key, read_table(file, list(dict.fromkeys([*self.info.columns, *names])), groups)
        return self._table[1].slice(int(at[0]) - first, row.length), file

    def video(self, index: int, camera: str) -> tuple[VideoInfo, int]:
        """The video file of an episode's camera and the number of its first frame there. Raises DataError."""
        return self.videos.video(self.row(index), camera)

    def frames(self, index: int, camera: str) -> ndarray:
        """All frames of an episode: uint8 [N, h, w, 3]; for depth, uint16 [N, h, w] in the dataset's unit.

        Raises:
            UnknownName: for a camera that does not exist.
            DataError: if a frame is missing, damaged or of another size.
        """
        if camera not in self.info.cameras:
            raise UnknownName("camera", camera, self.info.cameras)
        row, feature = self.row(index), self.info.features[camera]
        if feature.dtype == "image":
            part, file = self._part(row, [camera])
            return pictures(part[camera], feature, f"{file}, field {camera}, episode {index}")
        return self.videos.frames(row, camera)

    def instruction(self, index: int, task_index: int) -> str:
        """The task's text of a row: by its task index, else the first that the table of episodes names."""
        tasks = self.row(index).tasks
        return self.tasks.get(task_index, tasks[0] if tasks else "")

    def instructions(self, index: int, rows: Int64[ndarray, "N 1"]) -> Instructions:
        """The tasks' texts in an episode, and the row from which on each holds, by the column task_index."""
        return changes(self.instruction(index, number) for number in rows.reshape(-1).tolist())

    @property
    def extra(self) -> tuple[str, ...]:
        """Columns that are neither pictures nor among those that every dataset has."""
        return tuple(name for name in self.info.columns if name not in DEFAULTS and name not in PICTURES)
