"""Locks that the operating system keeps: taken in one step, given up by death.

No clock and no process number decides who holds one: both come again. What stands in a lock file is for people alone.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from ..errors import DataError

FAR = 1 << 30
"""where in the file Windows locks a byte: behind all that is written, which others may read then"""
_open: set[int] = set()
"""handles of the locks that this process holds"""

if sys.platform == "win32":
    import msvcrt

    def seize(handle: int, wait: bool = False) -> bool:
        """Lock an open file; False if another handle, of any process or this one, has it locked. Raises OSError."""
        os.lseek(handle, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
else:
    import fcntl

    def seize(handle: int, wait: bool = False) -> bool:
        """Lock an open file or folder; False if another handle, of any process or this one, has it locked. Raises OSError."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def _forked() -> None:
        """A child is not the holder: what it was born with must not keep the lock when the parent dies."""
        for handle in _open:
            with suppress(OSError):
                os.close(handle)
        _open.clear()

    os.register_at_fork(after_in_child=_forked)


class Lock:
    """A lock that this process holds until `release`, or until it dies."""

    def __init__(self, path: Path, handle: int):
        self.path, self._handle, self._process = path, handle, os.getpid()
        _open.add(handle)

    def release(self) -> None:
        """Let go; doing it again, or in a forked child, does nothing."""
        if self._handle in _open and self._process == os.getpid():
            _open.discard(self._handle)
            if is_still(self._handle, self.path):
                with suppress(OSError):  # while it is held: who has opened it meanwhile sees that it is gone
                    self.path.unlink()
            os.close(self._handle)
        self._handle = -1


def is_still(handle: int, path: Path) -> bool:
    """Whether an open file is the one that now bears this name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def take(path: Path, problem: str, expected: str, fix: str) -> Lock:
    """Claim the file `path`, made if it is not there, for this process.

    Args:
        problem, expected, fix: what the error says where somebody else has it.

    Raises:
        DataError: if another process, or another part of this one, holds it.
        OSError: if the file cannot be made, or the file system has no locks.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            mine = seize(handle)
            if not mine:
                holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() if hasattr(os, "pread") else ""
                raise DataError(problem, where=path.parent, expected=expected, fix=fix,
                                got=f"process {holder}" if holder.isdigit() else "another process")
            if is_still(handle, path):
                with suppress(OSError):  # for people; a full disk is no reason not to hold the lock
                    os.ftruncate(handle, 0)
                    os.lseek(handle, 0, os.SEEK_SET)
                    os.write(handle, str(os.getpid()).encode())
                return Lock(path, handle)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its last holder removed it between our opening and locking it
