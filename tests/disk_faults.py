"""Disks that fail: every call by which the recorder changes a file counts as a point, and one of them, or all from one on,
fails as a full disk, an I/O error, a write that stops half way, or a rename that is refused.
"""

from __future__ import annotations

import builtins
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wamlab.data import atomic

CALLS = ("write", "fsync", "replace", "open", "unlink", "ftruncate", "mkdir")
KINDS = ("full", "io", "short", "full for good", "io for good")


class Disk:
    """Counts the calls; from `point` on they fail as `kind` says."""

    def __init__(self, point: int | None = None, kind: str = "full"):
        self.point, self.kind, self.count, self.fired = point, kind, 0, ""

    def fails(self, call: str) -> bool:
        self.count += 1
        due = self.point is not None and (self.count == self.point or ("for good" in self.kind and self.count > self.point))
        # a disk that is full still lets files be removed and cut
        if due and call in ("unlink", "ftruncate") and "full" in self.kind:
            return False
        if due and not self.fired:
            self.fired = call
        return due

    def error(self) -> OSError:
        code = errno.EIO if "io" in self.kind else errno.ENOSPC
        return OSError(code, os.strerror(code))


class File:
    """A binary file whose writes are points; "short" writes half and then fails."""

    def __init__(self, file: Any, disk: Disk):
        self.file, self.disk = file, disk

    def write(self, content: bytes) -> int:
        if self.disk.fails("write"):
            if self.disk.kind == "short":
                self.file.write(bytes(content)[:len(content) // 2])
            raise self.disk.error()
        return self.file.write(content)

    def __enter__(self) -> File:
        self.file.__enter__()
        return self

    def __exit__(self, *what: Any) -> None:
        self.file.__exit__(*what)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Everything below `os` and `wamlab.data.atomic` goes through `disk`."""
    real = {name: getattr(os, name) for name in CALLS}

    def guarded(name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            changes = name != "open" or (len(arguments) > 1 and arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if changes and disk.fails(name):
                if disk.kind == "short" and name == "write":
                    return real["write"](arguments[0], bytes(arguments[1])[:max(1, len(arguments[1]) // 2)])
                raise disk.error()
            return real[name](*arguments, **named)
        return call

    def opened(path: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "r" in mode:
            return builtins.open(path, mode, *rest, **named)
        if disk.fails("open"):
            raise disk.error()
        return File(builtins.open(path, mode, *rest, **named), disk)

    try:
        for name in CALLS:
            setattr(os, name, guarded(name))
        atomic.open = opened
        yield disk
    finally:
        for name in CALLS:
            setattr(os, name, real[name])
        del atomic.open
