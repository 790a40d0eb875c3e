"""Intervention records, a JSON object a line: how a model that lives elsewhere is judged without being ported. The format.

The first line is the protocol, with the model's name and the entities (`head`). Then, in any order: `effect` (one
imagined future of one action from one saved state), `late` (the same of actions that part half way), `answer` (what came of one
offered future), `control` (of a control's future), `plan` (one executed chunk of an episode), `episode`, `trial` (one start in
closed loop with several futures shown), and `error` (the model failed there). See docs/protocol-cc-1.0.md. """

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ...errors import DataError
from ...reading import regular
from ...spec import EntitySpec
from .states import LARGEST, SIDES, numbers, split

FIELDS: Mapping[str, tuple[str, ...]] = {
    "effect": ("context", "action", "start", "imagined", "real", "stratum", "uncertainty", "step", "ceiling"),
    "late": ("context", "action", "start", "imagined", "real", "stratum", "uncertainty", "step", "ceiling"),
    "answer": ("context", "action", "start", "offered", "consequence", "stratum"),
    "control": ("context", "control", "consequence"),
    "plan": ("episode", "chunk", "start", "imagined", "real", "ceiling"),
    "episode": ("episode", "solved", "solved_at_start", "imagined_success", "read_success"),
    "trial": ("start", "solved", "missing"),
    "error": ("context", "action", "error"),
}
"""what a record of each kind may hold"""
FIX = "write the line as docs/protocol-cc-1.0.md says under Records"
FENCE = "```"


@dataclass(frozen=True, slots=True)
class Line:
    """One record with its place in the file, read with its fields checked."""

    path: Path
    at: int
    """number of the line"""
    table: dict[str, Any]

    @property
    def where(self) -> str:
        return f"{self.path}, line {self.at}"

    def settle(self, kind: str, entities: Sequence[EntitySpec], steps: int) -> None:
        """Keep the states as arrays, entities side by side, in place of lists ten times their size. What is not as it should be
        stays as it was told, so that whoever asks for it says what is wrong.

        Args:
            steps: rows of a future; a plan has as many as its first entity.
        """
        for name in (*SIDES.get(kind, ()), *(("start",) if kind in SIDES and kind != "control" else ())):
            table = self.table.get(name)
            if not isinstance(table, dict) or len(table) != len(entities):
                continue
            rows: list[Any] = [table.get(e.name) for e in entities]
            if name == "start":
                rows = [[row] for row in rows]
            count = 1 if name == "start" else steps if kind != "plan" else len(rows[0]) if isinstance(rows[0], list) else 0
            if count and (found := numbers(rows, [len(e.channels) for e in entities], count)) is not None:
                self.table[name] = found[0] if name == "start" else found

    def fault(self, problem: str, name: str, expected: object, got: object, fix: str = FIX) -> DataError:
        return DataError(problem, where=f"{self.where}, field {name}", expected=expected, got=str(got)[:200], fix=fix)

    def only(self, known: Sequence[str]) -> None:
        """Raises DataError for a field that is not known: most often one that is misspelt."""
        for name in self.table:
            if name not in ("record", *known):
                raise self.fault("a field of an unknown name", name, ", ".join(known), name,
                                 "correct the name, or leave it out")

    def word(self, name: str) -> str:
        value = self.table.get(name)
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            raise self.fault(f"{name} is missing or is no name", name, "a string that is not empty", repr(value))
        return str(value)

    def flag(self, name: str) -> bool | None:
        value = self.table.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.fault(f"{name} is neither true nor false", name, "true, false or null", repr(value))
        return value

    def number(self, name: str) -> float:
        value = self.table.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise self.fault(f"{name} is no finite number", name, "a finite number", repr(value))
        return float(value)

    def whole(self, name: str, least: int, default: int | None = None) -> int:
        value = self.table.get(name, default)
        if type(value) is not int or not least <= value < 2**62:
            raise self.fault(f"{name} cannot be read", name, f"a whole number from {least} on", repr(value))
        return value

    def flags(self, name: str) -> dict[str, bool]:
        value = self.table.get(name)
        if not isinstance(value, dict) or not value or not all(isinstance(v, bool) for v in value.values()):
            raise self.fault(f"{name} is no table of true and false", name, '{"own": true, ...}', repr(value))
        return value

    def words(self, name: str) -> dict[str, str]:
        value = self.table.get(name)
        if not isinstance(value, dict) or not all(isinstance(v, str) and v for v in value.values()):
            raise self.fault(f"{name} is no table of reasons", name, '{"own": "why"}', repr(value))
        return value

    def steps(self, name: str, entity: EntitySpec) -> int:
        """How many rows the first entity's future has."""
        table = self.table.get(name)
        if isinstance(table, ndarray):
            return len(table)
        rows = table.get(entity.name) if isinstance(table, dict) else None
        if not isinstance(rows, list) or not rows:
            raise self.fault(f"{name} has no steps", name, f"rows of states of {entity.name}", repr(rows))
        return len(rows)

    def states(self, name: str, entities: Sequence[EntitySpec], steps: int | None) -> dict[str, ndarray]:
        """Per entity float64 [steps, D], or [D] for None.

        Raises:
            DataError: for an entity that is missing or unknown, a horizon or width that does not match, or a value that is no
                finite number.
        """
        table, names = self.table.get(name), [e.name for e in entities]
        if isinstance(table, ndarray) and (table.ndim == 1 if steps is None else len(table) == steps and table.ndim == 2):
            return split(table, entities)
        if isinstance(table, ndarray):
            table = {name: value.tolist() for name, value in split(table, entities).items()}
        if not isinstance(table, dict):
            raise self.fault(f"{name} is missing", name, "a table of states per entity", repr(table))
        for wrong in sorted({*names} ^ {*table}):
            problem = f"{name} lacks {wrong}" if wrong in names else f"{name} tells of {wrong}, which is no entity"
            raise self.fault(problem, name, names, sorted(table))
        return {e.name: self._state(name, e, table[e.name], steps) for e in entities}

    def _state(self, name: str, entity: EntitySpec, value: Any, steps: int | None) -> ndarray:
        rows, width, what = [value] if steps is None else value, len(entity.channels), f"{name} of {entity.name}"
        shape = f"{width} numbers" if steps is None else f"{steps} rows of {width} numbers"
        if not isinstance(rows, list) or any(not isinstance(row, list) for row in rows):
            raise self.fault(f"the states have the wrong shape: {what}", name, shape, repr(value))
        if steps is not None and len(rows) != steps:
            raise self.fault(f"the horizon does not match: {what}", name, shape, f"{len(rows)} rows",
                             "tell one row for each of the protocol's offsets")
        if any(len(row) != width for row in rows):
            raise self.fault(f"the states have the wrong shape: {what}", name, shape, repr(value))
        cells = [cell for row in rows for cell in row]
        for cell in cells:
            if type(cell) not in (int, float):
                raise self.fault(f"{what} are no numbers", name, "numbers, neither text nor true nor false", repr(cell))
            if not abs(cell) <= LARGEST:
                raise self.fault(f"{what} is not finite, or too large for any world", name,
                                 f"finite numbers up to {LARGEST:g}", repr(cell))
        found = np.array(cells, np.float64)
        return found if steps is None else found.reshape(steps, width)


def told(lines: Sequence[Line], name: str) -> bool:
    """Whether a field that may be left out is told. Raises DataError if some of the lines tell it and others do not."""
    those = [line for line in lines if line.table.get(name) is not None]
    if those and len(those) < len(lines):
        lacking = next(line for line in lines if line.table.get(name) is None)
        raise lacking.fault(f"{name} is told by some records and not by others", name, f"{name}, as on {those[0].where}", None,
                            "tell it in all records of this kind, or in none")
    return bool(those)


def rows(path: Path) -> Iterator[Line]:
    """The records of a file of JSON lines, or of the one fenced block called jsonl of a page in Markdown.

    Raises:
        DataError: naming the line, if the file cannot be read or a line is no JSON object.
    """
    decode = json.JSONDecoder(object_pairs_hook=_once).decode
    for number, row in _fenced(path) if path.suffix == ".md" else _numbered(path):
        if row.strip():
            where = f"{path}, line {number}"
            try:
                table = decode(row)
            except (ValueError, RecursionError) as error:
                raise DataError("a line is no JSON", where=where, expected="one JSON object a line", got=str(error)[:200],
                                fix=FIX) from error
            if not isinstance(table, dict):
                raise DataError("a line is no record", where=where, expected="a JSON object", got=row[:60], fix=FIX)
            yield Line(path, number, table)


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file, one at a time. They end with line feeds alone: JSON strings may hold other ends of lines."""
    try:
        with regular(path).open("rb") as file:
            for number, row in enumerate(file, 1):
                yield number, row.decode("utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError, DataError) as error:
        raise DataError("the records cannot be read", where=path, got=getattr(error, "got", "") or error,
                        fix="give a file of JSON lines") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a name is told twice in one object: {[name for name, _ in pairs]}")
    return found


def _fenced(path: Path) -> Sequence[tuple[int, str]]:
    numbered = list(_numbered(path))
    begins = [number for number, row in numbered if row.strip() == f"{FENCE}jsonl"]
    if len(begins) != 1:
        raise DataError("the page does not hold one block of records", where=path,
                        expected=f"one block that begins {FENCE}jsonl", got=f"{len(begins)} of them",
                        fix="give a file of JSON lines, or a page with one such block")
    ends = [number for number, row in numbered[begins[0]:] if row.strip() == FENCE]
    return numbered[begins[0]:ends[0] - 1 if ends else None]
