"""Intervention records, a JSON object a line: how a model that lives elsewhere is judged without being ported. The format.

The first line is the protocol, with the model's name and the entities. Then, in any order: `effect` (one imagined future of
one action from one saved state), `late` (the same of actions that part half way), `answer` (what came of one offered future),
`control` (of a control's future), `plan` (one executed chunk of an episode), `episode`, `trial` (one start in closed loop with
several futures shown), and `error` (the model failed there). See docs/protocol-cc-1.0.md. """

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy import ndarray

from ..errors import DataError, SpecError
from ..spec import ActionSpec, EntitySpec, Group, TaskSpec
from .protocol import VERSION, Terms

KINDS = ("effect", "late", "answer", "control", "plan", "episode", "trial", "error")


@dataclass(frozen=True)
class Line:
    """One record with its place in the file, read with its fields checked."""

    where: str
    table: Mapping[str, Any]

    def fault(self, problem: str, name: str, expected: object, got: object) -> DataError:
        return DataError(problem, where=f"{self.where}, field {name}", expected=expected, got=got)

    def word(self, name: str) -> str:
        value = self.table.get(name)
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise self.fault(f"{name} is missing or is no name", name, "a string", repr(value))
        return str(value)

    def flag(self, name: str) -> bool | None:
        value = self.table.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.fault(f"{name} is neither true nor false", name, "true, false or null", repr(value))
        return value

    def flags(self, name: str) -> dict[str, bool]:
        value = self.table.get(name)
        if not isinstance(value, dict) or not all(isinstance(v, bool) for v in value.values()):
            raise self.fault(f"{name} is no table of true and false", name, '{"own": true, ...}', repr(value))
        return value

    def words(self, name: str) -> dict[str, str]:
        value = self.table.get(name)
        if not isinstance(value, dict) or not all(isinstance(v, str) and v for v in value.values()):
            raise self.fault(f"{name} is no table of reasons", name, '{"own": "why"}', repr(value))
        return value

    def states(self, name: str, entities: Sequence[EntitySpec], steps: int | None) -> dict[str, ndarray]:
        """Per entity float64 [steps, D], or [D] for None.

        Raises:
            DataError: for an entity that is missing, a horizon or width that does not match, or a number that is not finite.
        """
        table = self.table.get(name)
        if not isinstance(table, dict):
            raise self.fault(f"{name} is missing", name, "a table of states per entity", repr(table))
        found = {}
        for entity in entities:
            width = len(entity.channels)
            try:
                value = np.asarray(table[entity.name], np.float64)
            except KeyError:
                raise self.fault(f"{name} lacks {entity.name}", name, [e.name for e in entities], sorted(table)) from None
            except (TypeError, ValueError) as error:
                raise self.fault(f"{name} of {entity.name} are no numbers", name, "numbers in rows of equal length",
                                 error) from error
            wanted = (width,) if steps is None else (steps, width)
            if value.shape != wanted:
                what = "the horizon does not match" if value.ndim == 2 and steps is not None and len(value) != steps else (
                    "the states have the wrong shape")
                raise self.fault(f"{what}: {name} of {entity.name}", name, list(wanted), list(value.shape))
            if not np.isfinite(value).all():
                raise self.fault(f"{name} of {entity.name} is not finite", name, "finite numbers", value.tolist())
            found[entity.name] = value
        return found


@dataclass(frozen=True)
class Sheet:
    """All lines of a file by kind, and what the first one said."""

    path: str
    model: str
    terms: Terms
    spec: TaskSpec
    lines: Mapping[str, list[Line]] = field(default_factory=dict)
    imagines: bool | None = None
    """whether the model imagines when it acts; None: not said"""
    noise: Mapping[str, float] = field(default_factory=dict)
    """per entity, the displacement that a readout may see where nothing moves"""
    missing: Mapping[str, str] = field(default_factory=dict)
    """what could not be asked, and why"""


def read_lines(path: Path) -> Sheet:
    """Read a file of records.

    Raises:
        DataError: naming the line, if the file is missing, empty, no JSON, or does not begin with a protocol of this version.
    """
    rows = list(_rows(path))
    if not rows or rows[0].table.get("record") != "protocol":
        raise DataError("the file does not begin with its protocol", where=rows[0].where if rows else path,
                        expected='{"record": "protocol", "version": ..., "model": ..., "entities": [...], ...}',
                        got="an empty file" if not rows else rows[0].table.get("record"))
    head = rows[0]
    if head.table.get("version") != VERSION:
        raise head.fault("the records follow another version of the protocol", "version", VERSION, head.table.get("version"))
    terms = Terms.from_json(head.table)
    lines: dict[str, list[Line]] = {kind: [] for kind in KINDS}
    for row in rows[1:]:
        kind = row.table.get("record")
        if not isinstance(kind, str) or kind not in lines:
            raise row.fault("a record of an unknown kind", "record", ", ".join(KINDS), repr(kind))
        lines[kind].append(row)
    noise = head.table.get("noise", {})
    if not isinstance(noise, dict) or not all(isinstance(v, int | float) and v >= 0 for v in noise.values()):
        raise head.fault("the readout's noise cannot be read", "noise", "a number from 0 on per entity", noise)
    return Sheet(str(path), head.word("model"), terms, _spec(head, terms), lines, head.flag("imagines"), noise,
                 head.words("missing") if "missing" in head.table else {})


def _rows(path: Path) -> Iterator[Line]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("the records cannot be read", where=path, got=error, fix="give a file of JSON lines") from error
    for number, row in enumerate(text.splitlines(), 1):
        if row.strip():
            where = f"{path}, line {number}"
            try:
                table = json.loads(row)
            except ValueError as error:
                raise DataError("a line is no JSON", where=where, expected="one JSON object a line", got=error) from error
            if not isinstance(table, dict):
                raise DataError("a line is no record", where=where, expected="a JSON object", got=row[:60])
            yield Line(where, table)


def _spec(head: Line, terms: Terms) -> TaskSpec:
    """A task of which nothing is known but its entities."""
    entities = []
    listed = head.table.get("entities")
    for item in listed if isinstance(listed, list) else []:
        try:
            if item["group"] not in get_args(Group):
                raise ValueError(f"group {item['group']!r}, not of {', '.join(get_args(Group))}")
            tolerance = float(item["tolerance"])
            if not tolerance > 0 or not math.isfinite(tolerance):
                raise ValueError(f"tolerance {tolerance}")
            entities.append(EntitySpec(str(item["name"]), item["group"], tuple(map(str, item["channels"])),
                                       tuple(map(str, item["units"])), tolerance))
        except (KeyError, TypeError, ValueError, SpecError) as error:
            raise head.fault("an entity cannot be read", "entities", "name, group, channels, units and a tolerance above 0",
                             f"{type(error).__name__}: {error}") from error
    if not entities:
        raise head.fault("the protocol names no entities", "entities", "at least one", listed)
    return TaskSpec(terms.task, "", ("main",), (1, 1), (), ActionSpec((), (), (), ()), tuple(entities), 1.0, 1)
