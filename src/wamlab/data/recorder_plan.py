"""What a recording is of: `recording/plan.json`, which can be rebuilt from what `meta/wamlab.json` repeats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import spec as specs
from ..errors import DataError, SpecError
from ..reading import read_json, table, words
from ..spec import TaskSpec
from .atomic import write_whole
from .formats.sidecar import FILE, Sidecar, read_sidecar
from .recorder_aside import Aside

PLAN = "recording/plan.json"
HEAD = {"format": "wamlab-recording", "version": 1}


@dataclass(frozen=True)
class Plan:
    """Names, units and rates of what is recorded, and what made the pictures."""

    spec: TaskSpec
    renderer: str

    def content(self) -> bytes:
        return json.dumps(HEAD | {"task_spec": specs.to_json(self.spec), "renderer": self.renderer}).encode()


def read_plan(root: Path) -> Plan | None:
    """None where it is missing or damaged. Raises DataError for one of another version."""
    where = str(root / PLAN)
    try:
        said: Mapping[str, Any] = table(read_json(root, PLAN), where)
    except DataError:
        return None
    if {name: said.get(name) for name in HEAD} != HEAD:
        raise DataError("the recording is of another version", where=where, expected=f"{HEAD['format']} {HEAD['version']}",
                        got=f"{said.get('format')} {said.get('version')}", fix="use the wamlab that made it")
    try:
        return Plan(specs.from_json(said.get("task_spec")), words(said.get("renderer"), f"{where}, field renderer"))
    except (DataError, SpecError):
        return None


def readable_sidecar(root: Path) -> Sidecar | None:
    """None where it is missing or damaged."""
    try:
        return read_sidecar(root)
    except DataError:
        return None


def agreed_plan(root: Path, given: Plan | None, sidecar: Sidecar | None, aside: Aside) -> Plan:
    """The plan of a recording, written anew where it is missing or damaged and what it said is known.

    Args:
        given: what the recorder that opens the folder says; None: nobody does.

    Raises:
        DataError: where these contradict each other, or none is left.
    """
    kept = Plan(sidecar.task_spec, sidecar.renderer) if sidecar else None
    found = read_plan(root)
    if found and kept and found != kept:
        field = "renderer" if found.spec == kept.spec else "task_spec"
        raise DataError(f"two files of the recording disagree on {field}", where=f"{root / PLAN}, field {field}",
                        expected=f"as in {FILE}", got="another",
                        fix=f"restore the one that was changed from a copy; if that is {PLAN}, moving it away will do")
    plan = found or kept or given
    if plan is None:
        raise DataError("the plan of the recording is gone, and what would repeat it", where=root / PLAN,
                        expected=f"{PLAN} or {FILE}", got="neither can be read",
                        fix="restore one from a copy, or open the folder with a Recorder of the same spec")
    if given and given != plan:
        raise DataError("the recording here was made with another spec", where=root / PLAN, got="another",
                        expected="the same spec and renderer", fix="choose another folder")
    if found is None:
        again = (root / PLAN).exists() or kept is not None or (root / "data").is_dir()
        if (root / PLAN).exists():
            aside.take(root / PLAN, "it is damaged")
        write_whole(root / PLAN, plan.content())
        if again:
            aside.tell(f"{PLAN}: rebuilt from {FILE if kept else 'what the recorder was given'}")
    return plan
