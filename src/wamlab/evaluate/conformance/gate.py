"""The gate to a report: only scores of metrics that kept all their promises may pass.

Which did is on file: `passed.json` beside this module for the metrics of the package (written by `wam conformance --write`, and
held to the truth by a test), and `conformance.json` in a log's folder for metrics of a user's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from ...data.atomic import write_whole
from ...errors import DataError
from ...reading import parse_json, read_bytes, table, words
from ..ask.protocol import VERSION
from ..log import EvalLog

PASSED, OWN = "passed.json", "conformance.json"
WORLDS = ("pushworld", "metaworld")
"""in which every metric of the package must have passed"""
INSTRUMENTS = frozenset({"readout"})
"""scores that audit an instrument and judge no model"""


def record(passed: Mapping[str, Iterable[str]]) -> str:
    """What is on file: which metrics passed in which worlds, under which version of the formulas."""
    worlds = {name: sorted(worlds) for name, worlds in sorted(passed.items())}
    return json.dumps({"protocol": VERSION, "metrics": worlds}, indent=1) + "\n"


def write(passed: Mapping[str, Iterable[str]], path: Path) -> Path:
    """Write a conformance file. Raises DataError if it cannot be written."""
    write_whole(path, record(passed).encode())
    return path


def read(path: Path) -> frozenset[str]:
    """Names of the metrics that a conformance file says have passed; none if there is no such file.

    Raises:
        DataError: if the file is damaged, or of another version of the formulas.
    """
    found = _parse(read_bytes(path), str(path)) if path.exists() else {}
    return frozenset(name for name, worlds in found.items() if worlds)


def own() -> frozenset[str]:
    """The metrics of this package that have passed, in all of WORLDS."""
    found = _parse((files(__package__) / PASSED).read_bytes(), PASSED)
    return frozenset(name for name, worlds in found.items() if complete(worlds))


def complete(worlds: Iterable[str]) -> bool:
    """Whether these tasks are from all of WORLDS."""
    return {task.partition("/")[0] for task in worlds} >= set(WORLDS)


def _parse(text: bytes, where: str) -> dict[str, list[str]]:
    fix = "run wam conformance again"
    try:
        found = table(parse_json(text, where), where)
        names: dict[str, list[str]] = {}
        for name, worlds in table(found.get("metrics"), f"{where}, field metrics").items():
            if not isinstance(worlds, list):
                raise DataError("a list is expected here", where=f"{where}, field metrics.{name}", expected="names of worlds",
                                got=str(worlds)[:60])
            names[name] = [words(world, f"{where}, field metrics.{name}") for world in worlds]
    except DataError as error:
        raise DataError(f"the conformance file is damaged: {error.problem}", where=error.where, expected=error.expected,
                        got=error.got, fix=fix) from error
    if found.get("protocol") != VERSION:
        raise DataError("the conformance file is of another version of the formulas", where=where, expected=VERSION,
                        got=found.get("protocol"), fix=fix)
    return names


def root(score: str) -> str:
    """The metric that a dotted score name belongs to."""
    return score.removeprefix("branch.").split(".")[0]


def admit(log: EvalLog, folder: Path | None = None) -> tuple[EvalLog, tuple[str, ...]]:
    """A log with only the scores that may be shown, and the names of the metrics of which numbers were withheld.

    Args:
        folder: of the log; metrics named in its `conformance.json` pass as well.
    """
    known = own() | INSTRUMENTS | (read(folder / OWN) if folder is not None else frozenset())
    withheld = sorted({root(score.metric) for score in log.scores if score.value is not None} - known)
    return replace(log, scores=tuple(s for s in log.scores if root(s.metric) in known)), tuple(withheld)
