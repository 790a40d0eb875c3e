"""LeRobotDataset v3.0 (and v2.1, v2.0), read without their library.

    dataset = LeRobot.open("path/to/dataset")
    dataset.columns(3)["action"]                           float32 [N, A] of episode 3
    dataset.frames(3, "observation.images.top")            uint8 [N, h, w, 3]

An episode has N rows; row t carries observation t and the action taken there. Rows are found by their `episode_index`
and checked against what the table of episodes says; frames are found by their presentation time (`frames`). Nothing that the
dataset's JSON says about paths and sizes is trusted (`reading`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int64
from numpy import ndarray

from ...errors import DataError, UnknownName
from ..instructions import Instructions, changes
from .depth import Coding, Lost
from .features import DEFAULTS, NUMBERS, PICTURES, Info, read_info
from .frames import Shown, Videos, row_times
from .index import Row, read_rows, read_tasks
from .pictures import PICTURE_BYTES, pictures
from .rows import Rows
from .tables import numbers


class LeRobot:
    """A LeRobot dataset on disk, read-only."""

    def __init__(self, root: Path, info: Info, tasks: dict[int, str], rows: list[Row]):
        self.root, self.info, self.tasks, self.rows = root, info, tasks, rows
        self._by_index = {row.index: row for row in rows}
        if len(self._by_index) < len(rows):
            last = {row.index: number for number, row in enumerate(rows)}
            twice = next(row for number, row in enumerate(rows) if last[row.index] != number)
            raise DataError(f"there are two episodes {twice.index}", where=f"{twice.source}, field episode_index",
                            expected="a number of its own for each episode", got=twice.index, fix="renumber the episodes")
        self.videos = Videos(root, info, rows)
        self._shown: dict[tuple[int, str], Shown] = {}
        self.parts = Rows(root, info)
        self.lost: dict[tuple[str, int], Lost] = {}
        """per camera and episode that was read: depth that was not kept as it was"""

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
        part, file = self.parts.part(row, names)
        return {name: self._column(part[name], name, f"{file}, field {name}") for name in names}

    def _column(self, column: pa.ChunkedArray, name: str, where: str) -> ndarray:
        feature = self.info.features[name]
        if feature.dtype in NUMBERS:
            return numbers(column, feature, where)
        if column.null_count or not pa.types.is_string(column.type):
            raise DataError("the column holds no text", where=where, expected="text", got=column.type)
        return np.array(column.to_pylist(), object)

    def times(self, index: int) -> Float64[ndarray, "N"]:
        """Seconds of each row from the episode's start. Raises DataError if they are not at the dataset's rate."""
        part, file = self.parts.part(self.row(index), ["timestamp"])
        where = f"{file}, field timestamp, episode {index}"
        return row_times(self._column(part["timestamp"], "timestamp", where), self.info.fps, where)

    def match(self, index: int, camera: str) -> Shown:
        """Which frames of its video an episode's rows show; looked up once. Raises DataError."""
        if (index, camera) not in self._shown:
            self._shown[index, camera] = self.videos.match(self.row(index), camera, self.times(index))
        return self._shown[index, camera]

    @property
    def matched(self) -> list[int]:
        """Indices of the episodes whose videos were looked at."""
        return sorted({index for index, _ in self._shown})

    def frames(self, index: int, camera: str, size: tuple[int, int] | None = None) -> ndarray:
        """All frames of an episode: uint8 [N, h, w, 3]; for depth, uint16 [N, h, w], millimetres. Scaled to `size` (height,
        width) as `pictures.fit` does, if there is one; depth is then packed into three channels.

        Raises:
            UnknownName: for a camera that does not exist.
            DataError: if a frame is missing, damaged or of another size, or all of them take too much memory.
        """
        if camera not in self.info.cameras:
            raise UnknownName("camera", camera, self.info.cameras)
        row, feature = self.row(index), self.info.features[camera]
        sides = [size or self.info.features[name].shape[:2] for name in self.info.cameras]
        if row.length * sum(height * width * 3 for height, width in sides) > PICTURE_BYTES:
            raise DataError(f"the pictures of episode {index} take too much memory", where=row.source,
                            expected=f"at most {PICTURE_BYTES} bytes in all cameras together",
                            got=f"{row.length} times {', '.join(f'{height} x {width}' for height, width in sides)}",
                            fix="import them smaller: wam data import --size HEIGHT WIDTH")
        said = f"{self.root}/meta/info.json, field features.{camera}.info"
        coding = Coding.read(feature.info, said) if feature.depth else None
        if feature.dtype == "image":
            self.times(index)
            part, file = self.parts.part(row, [camera])
            read = pictures(part[camera], feature, coding, f"{file}, field {camera}, episode {index}", size)
        else:
            read = self.videos.frames(self.match(index, camera), camera, coding, size)
        if coding:
            self.lost[camera, index] = coding.lost
        return read

    def instruction(self, index: int, task_index: int) -> str:
        """The task's text of a row, by its task index.

        Raises:
            DataError: for a number that the table of tasks lacks: which task it was, nobody knows.
        """
        if task_index not in self.tasks:
            raise DataError(f"episode {index} has a task that is in no table", got=task_index,
                            where=f"{self.root / self.row(index).data}, field task_index",
                            expected=f"a number of the tasks: {', '.join(map(str, sorted(self.tasks)[:20]))}",
                            fix="mend the table of tasks or the column; or say the task: --instruction TEXT")
        return self.tasks[task_index]

    def instructions(self, index: int, rows: Int64[ndarray, "N 1"]) -> Instructions:
        """The tasks' texts in an episode, and the row from which on each holds, by the column task_index."""
        return changes(self.instruction(index, number) for number in rows.reshape(-1).tolist())

    @property
    def extra(self) -> tuple[str, ...]:
        """Columns that are neither pictures nor among those that every dataset has."""
        return tuple(name for name in self.info.columns if name not in DEFAULTS and name not in PICTURES)
