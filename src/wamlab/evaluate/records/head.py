"""The first line of a file of records: the terms, the model and the entities; and all other lines by kind."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeGuard, get_args

from ...errors import DataError, SpecError
from ...spec import ActionSpec, EntitySpec, Group, TaskSpec
from ..ask.protocol import VERSION, Terms
from ..metric import NEEDS
from .columns import Lines
from .lines import FIELDS, Line, rows
from .states import LARGEST

HEAD = (*(f.name for f in fields(Terms)), "model", "entities", "imagines", "noise", "missing", "digest")
UNLIKE = 100.0
"""tolerances in one unit differ by no larger factor"""
ENTITY = tuple(f.name for f in fields(EntitySpec))


@dataclass(frozen=True)
class Sheet:
    """All lines of a file by kind, and what the first one said."""

    head: Line
    model: str
    terms: Terms
    spec: TaskSpec
    lines: Mapping[str, Lines] = field(default_factory=dict)
    imagines: bool | None = None
    """whether the model imagines when it acts; None: not said"""
    noise: Mapping[str, float] = field(default_factory=dict)
    """per entity, the displacement that a readout may see where nothing moves"""
    missing: Mapping[str, str] = field(default_factory=dict)
    """what could not be asked, and why"""


def read_lines(path: Path) -> Sheet:
    """Read a file of records.

    Raises:
        DataError: naming line and field, if the file is missing, empty, no JSON, does not begin with a protocol of this
            version, or names kinds and fields that are not known.
    """
    stream = rows(path)
    head = next(stream, None)
    if head is None or head.table.get("record") != "protocol":
        raise DataError("the file does not begin with its protocol", where=f"{head.where}, field record" if head else path,
                        expected='{"record": "protocol", "version": ..., "model": ..., "entities": [...], ...}',
                        got=str(head.table.get("record"))[:60] if head else "an empty file",
                        fix="put the line of the protocol first")
    if head.table.get("version") != VERSION:
        raise head.fault("the records follow another version of the protocol", "version", VERSION, head.table.get("version"))
    head.only(HEAD)
    entities = _entities(head)
    terms = _terms(head, entities)
    lines = {kind: Lines(path, kind, entities, len(terms.offsets)) for kind in FIELDS}
    with uncollected():
        _sort(stream, lines)
    missing = head.words("missing") if "missing" in head.table else {}
    for need in missing:
        if need not in NEEDS:
            raise head.fault("missing names what is no evidence", "missing", ", ".join(NEEDS), need)
    spec = TaskSpec(terms.task, "", ("main",), (1, 1), (), ActionSpec((), (), (), ()), entities, 1.0, 1)
    return Sheet(head, head.word("model"), terms, spec, lines, head.flag("imagines"), _noise(head, entities), missing)


def _sort(stream: Iterator[Line], lines: Mapping[str, Lines]) -> None:
    """Put every line with its kind. Raises DataError for kinds and fields that are not known."""
    once: dict[str, str] = {}
    for row in stream:
        kind = row.table.get("record")
        if not isinstance(kind, str) or kind not in lines:
            raise row.fault("a record of an unknown kind", "record", ", ".join(FIELDS), repr(kind))
        row.only(FIELDS[kind])
        lines[kind].add(row, once)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for circles among objects: hundreds of thousands of them are made, in none of which is one."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _terms(head: Line, entities: tuple[EntitySpec, ...]) -> Terms:
    table, horizon = head.table, head.whole("horizon", 1)
    actions, offsets, renderer = table.get("actions"), table.get("offsets"), table.get("renderer", "")
    if not _names(actions):
        raise head.fault("the actions cannot be read", "actions", "names of actions, at least one and each once", repr(actions))
    if not isinstance(offsets, list) or not offsets or any(type(o) is not int or not 1 <= o <= horizon for o in offsets) or (
            sorted(set(offsets)) != offsets):
        raise head.fault("the offsets cannot be read", "offsets", f"whole numbers within 1..{horizon} (horizon), growing",
                         repr(offsets))
    mode = table.get("mode", "interventional")
    if mode != "interventional":
        fix = "write effects as the model gave them, and use wam card --from FILE --mode twin" if mode == "twin" else (
            "leave it out, or say interventional")
        raise head.fault("records are of mode interventional", "mode", "interventional", repr(mode), fix)
    if not isinstance(renderer, str):
        raise head.fault("the renderer cannot be read", "renderer", "text", repr(renderer))
    terms = Terms(head.word("task"), head.whole("contexts", 0), tuple(actions), tuple(offsets), horizon,
                  head.whole("seed", 0, 0), renderer, head.whole("samples", 1, 1), mode, _scales(head, entities))
    if table.get("digest", terms.digest) != terms.digest:
        raise head.fault("the digest is that of other terms", "digest", terms.digest, repr(table["digest"]),
                         "leave it out: it is computed from the terms")
    return terms


def _names(value: object) -> TypeGuard[list[str]]:
    """Whether it is a list of names, each once, at least one."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) and v for v in value) and (
        len(set(value)) == len(value))


def _scales(head: Line, entities: tuple[EntitySpec, ...]) -> tuple[tuple[str, float], ...]:
    listed = head.table.get("scales", [])
    pairs = listed if isinstance(listed, list) else [listed]
    least = {e.name: e.tolerance for e in entities}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str) or type(pair[1]) not in (int, float):
            raise head.fault("the scales cannot be read", "scales", '[["cup", 0.05], ...]', repr(pair))
        # sigma is at least the tolerance; a millionth is for numbers that were written with fewer digits
        if pair[0] in least and not least[pair[0]] * (1 - 1e-6) <= pair[1] <= LARGEST:
            raise head.fault(f"the scale of {pair[0]} is no sigma", "scales",
                             f"a finite number from the tolerance {least[pair[0]]:g} on", repr(pair[1]))
    names = [name for name, _ in pairs]
    if names and sorted(names) != sorted(least):
        raise head.fault("the scales are not those of the entities", "scales", f"each once: {sorted(least)}", sorted(names),
                         "tell one for each entity, or none: they are then taken from the true effects")
    return tuple((name, float(value)) for name, value in pairs)


def _noise(head: Line, entities: tuple[EntitySpec, ...]) -> dict[str, float]:
    noise, names = head.table.get("noise", {}), [e.name for e in entities]
    if not isinstance(noise, dict) or not {*noise} <= {*names}:
        raise head.fault("the readout's noise cannot be read", "noise", f"a table with numbers for {names}", repr(noise))
    for name, value in noise.items():
        if type(value) not in (int, float) or not 0 <= value <= LARGEST:
            raise head.fault(f"the readout's noise of {name} is no size", "noise", "a finite number from 0 on", repr(value))
    return {name: float(value) for name, value in noise.items()}


def _entities(head: Line) -> tuple[EntitySpec, ...]:
    listed = head.table.get("entities")
    if not isinstance(listed, list) or not listed:
        raise head.fault("the protocol names no entities", "entities", "at least one", repr(listed))
    found = []
    for item in listed:
        try:
            found.append(_entity(item))
        except (KeyError, TypeError, ValueError, SpecError) as error:
            raise head.fault("an entity cannot be read", "entities", "name, group, channels, units and a tolerance above 0",
                             f"{type(error).__name__}: {error}") from error
    if len({e.name for e in found}) < len(found):
        raise head.fault("an entity is named twice", "entities", "each name once", [e.name for e in found])
    for one in found:  # sigma is at least the tolerance, so a large one would hide what its entity does
        least = min(e.tolerance for e in found if e.units[0] == one.units[0])
        if one.tolerance > UNLIKE * least:
            raise head.fault(f"the tolerance of {one.name} is not of the size of the others", "entities",
                             f"at most {UNLIKE:g} times {least:g}, as they share the unit {one.units[0]!r}", one.tolerance,
                             "give the smallest change that matters physically, in that unit")
    return tuple(found)


def _entity(item: dict[str, Any]) -> EntitySpec:
    """Raises KeyError, TypeError or ValueError that says what is wrong."""
    if not isinstance(item, dict) or {*item} - {*ENTITY}:
        raise ValueError(f"{str(item)[:80]} has not just the fields {', '.join(ENTITY)}")
    name, units, tolerance = item["name"], item["units"], item["tolerance"]
    if not isinstance(name, str) or not name:
        raise ValueError(f"name {name!r}")
    if item["group"] not in get_args(Group):
        raise ValueError(f"group {item['group']!r}, not of {', '.join(get_args(Group))}")
    if not _names(item["channels"]):
        raise ValueError(f"channels {item['channels']!r}: a list of names, each once")
    if not isinstance(units, list) or not all(isinstance(u, str) for u in units) or len(units) != len(item["channels"]):
        raise ValueError(f"units {units!r}: one for each of {len(item['channels'])} channels")
    if type(tolerance) not in (int, float) or not 1e-12 <= tolerance <= LARGEST:
        raise ValueError(f"tolerance {tolerance!r}")
    return EntitySpec(name, item["group"], tuple(item["channels"]), tuple(units), float(tolerance))
