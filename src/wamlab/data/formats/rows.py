"""Where the rows of an episode lie: in the file that the table of episodes names, or, where that is wrong, in another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy import ndarray

from ...errors import DataError
from ...reading import inside
from .features import Info
from .index import Row, piece_files
from .tables import numbers, open_parquet, read_table

Extent = tuple[int, int]
"""number of the first row, and of the row behind the last"""


class Rows:
    """The rows of all episodes of a dataset, one episode at a time."""

    def __init__(self, root: Path, info: Info):
        self.root, self.info = root, info
        self.elsewhere: dict[int, Path] = {}
        """episodes that were found in another file than the one that the table of episodes names, and that file"""
        self._extents: dict[Path, dict[int, list[Extent]]] = {}
        self._ends: dict[Path, tuple[ndarray, set[str]]] = {}
        self._asked: tuple[str, ...] = ()
        self._table: tuple[tuple[Path, tuple[int, ...]], pa.Table] | None = None

    def part(self, row: Row, names: Sequence[str]) -> tuple[pa.Table, Path]:
        """Columns of one episode, and the file they are from. Nothing is read but columns that were asked for, now or before.

        Raises:
            DataError: if its rows are not there, not all, or not in a row.
        """
        file, (first, end) = self.find(row)
        ends, there = self._groups(file)
        groups = tuple(range(int(np.searchsorted(ends, first, "right")), int(np.searchsorted(ends, end - 1, "right")) + 1))
        before = int(ends[groups[0] - 1]) if groups[0] else 0
        self._asked = tuple(dict.fromkeys([*self._asked, *names]))
        key = (file, groups)
        if self._table is None or self._table[0] != key or not set(names) <= set(self._table[1].column_names):
            self._table = key, read_table(file, [name for name in self._asked if name in there | set(names)], groups)
        return self._table[1].slice(first - before, end - first), file

    def _groups(self, file: Path) -> tuple[ndarray, set[str]]:
        """(the number of the row behind each row group, the columns' names) of a file. Raises DataError."""
        if file not in self._ends:
            source = open_parquet(file)
            counts = [source.metadata.row_group(number).num_rows for number in range(source.num_row_groups)]
            self._ends[file] = np.cumsum(counts), set(source.schema_arrow.names)
        return self._ends[file]

    def find(self, row: Row) -> tuple[Path, Extent]:
        """The file with all rows of an episode, and which they are there. Raises DataError."""
        if row.length == 0:
            raise DataError(f"episode {row.index} is empty", where=f"{row.source}, field length", expected="at least one row",
                            got=0, fix="leave it out: --skip-bad does")
        try:
            file = inside(self.root, row.data)
            held = self.extents(row.data).get(row.index, [])
            problem = None
        except DataError as error:
            held, problem, file = [], error, self.root / row.data
        if len(held) == 1 and held[0][1] - held[0][0] == row.length:
            return file, held[0]
        others = {path: found for path in (piece_files(self.root, "data") if self.info.version == "v3.0" else [])
                  if path != row.data and (found := self._seen(path, row.index))}
        whole = [(path, found[0]) for path, found in others.items() if len(found) == 1 and
                 found[0][1] - found[0][0] == row.length]
        if len(whole) == 1 and not held:
            path, extent = whole[0]
            self.elsewhere[row.index] = path
            return inside(self.root, path), extent
        if problem is not None and not others:
            raise problem
        raise DataError(f"episode {row.index} has not the rows that it should have", where=f"{file}, field episode_index",
                        expected=f"{row.length} rows in a row ({row.source}, field length)",
                        got=", ".join([_said(held), *(f"in {path}: {_said(found)}" for path, found in others.items())]),
                        fix="leave it out (--skip-bad does), or write the dataset again; keep all its files until then")

    def extents(self, path: Path) -> dict[int, list[Extent]]:
        """Per episode: the runs of its rows in a file. Raises DataError."""
        if path not in self._extents:
            file = inside(self.root, path)
            column = read_table(file, ["episode_index"])["episode_index"]
            index = numbers(column, self.info.features["episode_index"], f"{file}, field episode_index").reshape(-1)
            starts = np.flatnonzero(np.diff(index, prepend=index[:1] - 1 if len(index) else 0))
            found: dict[int, list[Extent]] = {}
            for first, end in zip(starts.tolist(), [*starts[1:].tolist(), len(index)], strict=True):
                found.setdefault(int(index[first]), []).append((first, end))
            self._extents[path] = found
        return self._extents[path]

    def read(self) -> dict[Path, dict[int, list[Extent]]]:
        """The files whose rows were looked at, and what they hold."""
        return dict(self._extents)

    def _seen(self, path: Path, episode: int) -> list[Extent]:
        try:
            return self.extents(path).get(episode, [])
        except DataError:  # said where it is read for its own episodes
            return []


def _said(runs: Sequence[Extent]) -> str:
    count = f"{sum(end - first for first, end in runs)} rows"
    return count if len(runs) < 2 else f"{count}, not in a row"
