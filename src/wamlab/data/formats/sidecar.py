"""What a LeRobot dataset has no place for: spec, units, renderer and provenance, in `meta/wamlab.json`; and a checksum of
every file, in `meta/wamlab-files.json`. Other tools ignore both.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ... import spec as specs
from ...errors import DataError, SpecError
from ...reading import NUMBER, inside, read_json, table, whole, words
from ...spec import TaskSpec

FILE = "meta/wamlab.json"
SUMS = "meta/wamlab-files.json"
VERSION = 1


@dataclass(frozen=True)
class Sidecar:
    """The contents of `meta/wamlab.json`."""

    task_spec: TaskSpec
    renderer: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    episodes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """per episode: {"meta": provenance, "solved_at_start": bool}, and what a recorder noted"""

    def content(self) -> bytes:
        return json.dumps({"format": "wamlab-lerobot", "version": VERSION, "task_spec": specs.to_json(self.task_spec),
                           "renderer": self.renderer, "provenance": dict(self.provenance),
                           "episodes": {str(index): dict(said) for index, said in self.episodes.items()}}).encode()


def read_sidecar(root: Path) -> Sidecar | None:
    """None where the dataset has none. Raises DataError."""
    if not (root / FILE).exists():
        return None
    where = str(root / FILE)
    said = table(read_json(root, FILE), where)
    if said.get("format") != "wamlab-lerobot" or said.get("version") != VERSION:
        raise DataError("the file is of another version", where=where, expected=f"wamlab-lerobot {VERSION}",
                        got=f"{said.get('format')} {said.get('version')}")
    try:
        spec = specs.from_json(said.get("task_spec"))
    except SpecError as error:
        raise DataError(error.problem, where=f"{where}, {error.where}", expected=error.expected, got=error.got) from error
    episodes = {}
    for key, value in table(said.get("episodes"), f"{where}, field episodes").items():
        number = whole(int(key) if key.isascii() and key.isdigit() and len(key) < 9 else -1, f"{where}, field episodes", 0,
                       NUMBER)
        episodes[number] = table(value, f"{where}, field episodes.{key}")
    return Sidecar(spec, words(said.get("renderer"), f"{where}, field renderer"),
                   table(said.get("provenance"), f"{where}, field provenance"), episodes)


def sums(root: Path) -> bytes:
    """The checksums of all files of a dataset that is finished, as JSON."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    said = {path.relative_to(root).as_posix(): [path.stat().st_size, checksum(path)] for path in files if path != root / SUMS}
    return json.dumps({"format": "wamlab-files", "version": VERSION, "files": said}, indent=0).encode()


def differing_files(root: Path) -> list[tuple[str, str, str]]:
    """(path, expected, got) for every file that is not what the checksums say; empty too where there are none.

    Raises:
        DataError: if the list itself is damaged.
    """
    if not (root / SUMS).exists():
        return []
    where = str(root / SUMS)
    found = []
    said = table(table(read_json(root, SUMS), where).get("files"), f"{where}, field files")
    for name, entry in said.items():
        if not isinstance(entry, list) or len(entry) != 2:
            raise DataError("the list of checksums is damaged", where=f"{where}, field {name}", expected="[bytes, checksum]",
                            got=entry)
        try:
            file = inside(root, Path(name))
        except DataError as error:
            found.append((name, f"{entry[0]} bytes", error.problem))
            continue
        if file.stat().st_size != entry[0]:
            found.append((name, f"{entry[0]} bytes", f"{file.stat().st_size} bytes"))
        elif (got := checksum(file)) != entry[1]:
            found.append((name, f"checksum {entry[1]}", f"checksum {got}"))
    return found


def checksum(file: Path) -> int:
    """CRC-32 of a file's bytes."""
    value = 0
    with open(file, "rb") as source:
        while piece := source.read(1 << 20):
            value = zlib.crc32(piece, value)
    return value
