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
from ..log import EvalLog
from ..protocol import VERSION

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
    found = _parse(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}
    return frozenset(name for name, worlds in found.items() if worlds)


def own() -> frozenset[str]:
    """The metrics of this package that have passed, in all of WORLDS."""
    found = _parse((files(__package__) / PASSED).read_text(encoding="utf-8"), PASSED)
    return frozenset(name for name, worlds in found.items() if complete(worlds))


def complete(worlds: Iterable[str]) -> bool:
    """Whether these tasks are from all of WORLDS."""
    return {task.partition("/")[0] for task in worlds} >= set(WORLDS)


def _parse(text: str, where: str) -> dict[str, list[str]]:
    try:
        found = json.loads(text)
        version, names = found["protocol"], {str(name): [str(w) for w in worlds] for name, worlds in found["metrics"].items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DataError("the conformance file is damaged", where=where, got=f"{type(error).__name__}: {error}",
                        expected='{"protocol": ..., "metrics": {name: [worlds]}}', fix="run wam conformance again") from error
    if version != VERSION:
        raise DataError("the conformance file is of another version of the formulas", where=where, expected=VERSION,
                        got=version, fix="run wam conformance again")
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
