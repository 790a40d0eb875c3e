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

from numpy import ndarray

from ...errors import DataError
from ...reading import regular
from ...spec import EntitySpec
from .states import LARGEST, split

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

    def misfit(self, name: str, entities: Sequence[EntitySpec], steps: int | None) -> DataError:
        """What is wrong with states that could not be read: an entity that is missing or unknown, a horizon or width that does
        not match, or a value that is no finite number.

        Args:
            steps: rows that a future has to have; None: as many as its first entity's. A start is one row.
        """
        table, names = self.table.get(name), [e.name for e in entities]
        if isinstance(table, ndarray):
            table = {entity: value.tolist() for entity, value in split(table, entities).items()}
        if steps is None:
            rows = table.get(names[0]) if isinstance(table, dict) else None
            if not isinstance(rows, list) or not rows:
                return self.fault(f"{name} has no steps", name, f"rows of states of {names[0]}", repr(rows))
            steps = len(rows)
        if not isinstance(table, dict):
            return self.fault(f"{name} is missing", name, "a table of states per entity", repr(table))
        for wrong in sorted({*names} ^ {*table}):
            problem = f"{name} lacks {wrong}" if wrong in names else f"{name} tells of {wrong}, which is no entity"
            return self.fault(problem, name, names, sorted(table))
        found = (self._misfit(name, e, table[e.name], None if name == "start" else steps) for e in entities)
        unread = self.fault("the states cannot be read", name, names, repr(table))
        return next((one for one in found if one is not None), unread)

    def _misfit(self, name: str, entity: EntitySpec, value: Any, steps: int | None) -> DataError | None:
        rows, width, what = [value] if steps is None else value, len(entity.channels), f"{name} of {entity.name}"
        shape = f"{width} numbers" if steps is None else f"{steps} rows of {width} numbers"
        if not isinstance(rows, list) or any(not isinstance(row, list) for row in rows):
            return self.fault(f"the states have the wrong shape: {what}", name, shape, repr(value))
        if steps is not None and len(rows) != steps:
            return self.fault(f"the horizon does not match: {what}", name, shape, f"{len(rows)} rows",
                              "tell one row for each of the protocol's offsets")
        if any(len(row) != width for row in rows):
            return self.fault(f"the states have the wrong shape: {what}", name, shape, repr(value))
        for cell in (cell for row in rows for cell in row):
            if type(cell) not in (int, float):
                return self.fault(f"{what} are no numbers", name, "numbers, neither text nor true nor false", repr(cell))
            if not abs(cell) <= LARGEST:
                return self.fault(f"{what} is not finite, or too large for any world", name,
                                  f"finite numbers up to {LARGEST:g}", repr(cell))
        return None


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
