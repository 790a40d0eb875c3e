"""The journal of an episode that is being recorded: append-only records, each with its length and checksum.

    "WAMJ1\\n", then per record   kind (1 byte), length (4), CRC-32 of kind and payload (4), payload

A reader takes records until the first one that is not whole, or whose content is none: whatever a crash, a full disk or a power
cut leaves behind it is cut off there, and what is before it is exactly what was written.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..errors import DataError
from ..reading import VIDEO_LIMIT, parse_json, read_bytes, table, whole, words
from .atomic import sync_folder, write_error

MAGIC = b"WAMJ1\n"
HEAD = struct.Struct("<BII")
BEGIN, STEP, END = 1, 2, 3
LARGEST = 1 << 28
"""bytes of the largest record that is believed"""


@dataclass(frozen=True, eq=False)
class Step:
    """One row: an observation and the action taken there."""

    state: Float32[ndarray, "P"]
    action: Float32[ndarray, "A"]
    """NaN throughout where there is none (the last observation)"""
    success: bool
    imitate: bool
    captured: tuple[int, ...]
    """per camera, nanoseconds on the recorder's clock"""
    flags: tuple[int, ...]
    """per camera, what the watch noticed; 0 is fine"""
    pictures: tuple[bytes, ...]
    """per camera, one encoded frame"""

    def packed(self) -> bytes:
        head = struct.pack("<HH??B", len(self.state), len(self.action), self.success, self.imitate, len(self.pictures))
        parts = [head, self.state.tobytes(), self.action.tobytes()]
        for captured, flags, picture in zip(self.captured, self.flags, self.pictures, strict=True):
            parts += [struct.pack("<qBI", captured, flags, len(picture)), picture]
        return b"".join(parts)

    @classmethod
    def unpacked(cls, content: bytes) -> Step:
        """Raises ValueError or struct.error for what `packed` does not make."""
        width, actions, success, imitate, cameras = struct.unpack_from("<HH??B", content)
        place = struct.calcsize("<HH??B")
        numbers = np.frombuffer(content, np.float32, width + actions, place)
        place += 4 * (width + actions)
        captured, flags, pictures = [], [], []
        for _ in range(cameras):
            when, marks, size = struct.unpack_from("<qBI", content, place)
            place += struct.calcsize("<qBI")
            captured.append(when)
            flags.append(marks)
            pictures.append(content[place:place + size])
            place += size
        state, action = numbers[:width], numbers[width:]
        if place != len(content) or not np.isfinite(state).all() or len(set(np.isfinite(action).tolist())) > 1:
            raise ValueError("the record is no row")
        return cls(state, action, success, imitate, tuple(captured), tuple(flags), tuple(pictures))


def packed(said: dict[str, Any], where: str) -> bytes:
    """The first or last record. Raises DataError for what could not be read back."""
    try:
        content = json.dumps(said).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError("this cannot be recorded", where=where, expected="JSON values", got=str(error)[:120]) from error
    told(content, where)
    return content


def told(content: bytes, where: str) -> dict[str, Any]:
    """What the first and the last record say. Raises DataError."""
    said = table(parse_json(content, where), where)
    table(said.get("meta", {}), f"{where}, field meta")
    return said


@dataclass
class Recorded:
    """What a journal holds: its longest whole prefix."""

    begin: dict[str, Any]
    steps: list[Step] = field(default_factory=list)
    end: dict[str, Any] | None = None
    """None: the episode was still open"""
    good: int = 0
    """bytes of the whole prefix"""
    lost: int = 0
    """bytes behind it"""


class Journal:
    """Appends records to one file; every record is handed to the operating system at once and is on the disk within
    `sync_seconds`.

    Raises:
        DataError: where the disk is full or refuses. The file is cut back to its last whole record then, and the same
            call may be tried again.
    """

    def __init__(self, path: Path, begin: dict[str, Any], sync_seconds: float = 0.25):
        self.path, self.sync_seconds = path, sync_seconds
        self.good, self.synced = 0, time.monotonic()
        try:
            self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                self._write(MAGIC)
                self.append(BEGIN, json.dumps(begin).encode(), sync=True)
                sync_folder(path.parent)
            except BaseException:
                os.close(self.file)
                path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise write_error(error, path) from error

    def append(self, kind: int, payload: bytes, sync: bool = False) -> None:
        """Add a record. `sync`: do not return before it is on the disk."""
        check, before = zlib.crc32(payload, zlib.crc32(bytes([kind]))), self.good
        try:
            self._write(HEAD.pack(kind, len(payload), check) + payload)
            if sync or time.monotonic() - self.synced >= self.sync_seconds:
                os.fsync(self.file)
                self.synced = time.monotonic()
        except OSError as error:
            self._cut(before)
            raise write_error(error, self.path) from error

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self.file, view):]
        self.good += len(content)

    def _cut(self, size: int) -> None:
        """Take back what a failed call left. Where even that fails, readers stop at the broken record all the same."""
        self.good = size
        with suppress(OSError):
            os.ftruncate(self.file, size)
            os.lseek(self.file, size, os.SEEK_SET)

    def close(self) -> None:
        os.close(self.file)


def read_journal(path: Path) -> Recorded | None:
    """The longest whole prefix of a journal; None if not even its first record is whole.

    Raises:
        DataError: if the file cannot be read at all.
    """
    content = read_bytes(path, VIDEO_LIMIT)
    if not content.startswith(MAGIC):
        return None
    place, found = len(MAGIC), None
    while place + HEAD.size <= len(content):
        kind, length, check = HEAD.unpack_from(content, place)
        payload = content[place + HEAD.size:place + HEAD.size + length]
        if length > LARGEST or len(payload) < length or zlib.crc32(payload, zlib.crc32(bytes([kind]))) != check:
            break
        try:
            if kind == BEGIN and found is None:
                begin = told(payload, f"{path}, its first record")
                found = Recorded(begin | {"instruction": words(begin.get("instruction"), f"{path}, field instruction"),
                                          "meta": begin.get("meta", {})})
            elif kind == STEP and found is not None and found.end is None:
                found.steps.append(Step.unpacked(payload))
            elif kind == END and found is not None and found.end is None:
                end = told(payload, f"{path}, its last record")
                whole(end.get("rows", len(found.steps)), f"{path}, field rows", len(found.steps), len(found.steps))
                found.end = end
            else:
                break
        except (DataError, ValueError, struct.error):  # written so, or changed together with its checksum
            break
        place += HEAD.size + length
        found.good = place
    if found is not None:
        found.lost = len(content) - found.good
    return found
