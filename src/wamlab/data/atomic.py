"""Files that are either whole or absent: write beside, flush to disk, rename.

A process that dies in the middle leaves only a draft. Whoever writes one holds a lock on it until it is in its place, so that
`sweep` knows a dead writer's from a living one's, also where process numbers are used again.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import DataError
from .locks import is_still, seize, take

TEMPORARY = re.compile(r"^\..+\.(\d+)\.[0-9a-f]{8}\.tmp$")
DENIED = {errno.EROFS, errno.EACCES, errno.EPERM}
FULL = {errno.ENOSPC, errno.EDQUOT}


def write_error(error: OSError, path: Path) -> DataError:
    """The user's version of a failed write."""
    if error.errno in FULL:
        return DataError("the disk is full", where=path, expected="room for the file", got=error.strerror,
                         fix="free some space and run the same command again: what was finished is kept")
    if error.errno in DENIED:
        return DataError("the output folder cannot be written", where=path.parent, expected="a writable folder",
                         got=error.strerror, fix="choose another output folder or change its permissions")
    return DataError("the file cannot be written", where=path, got=error.strerror or error, fix="choose another output folder")


def draft_of(path: Path) -> Path:
    """A name beside `path` for what is not finished yet, or no longer wanted; `sweep` removes it if its writer dies."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes `path`'s place when the block ends well, and leaves nothing behind when it does not.

    Raises:
        DataError: for a full disk, a read-only folder and any other failure of the write.
    """
    temporary = draft_of(path)
    try:
        with _locked_file(temporary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name != "nt":
                os.replace(temporary, path)  # while the lock is held, so that nobody takes it for a dead writer's
        if os.name == "nt":  # where an open file cannot be renamed, and nothing is swept
            os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _locked_file(draft: Path) -> BinaryIO:
    """A new file, open and locked. Raises OSError."""
    while True:
        file = open(draft, "xb")  # noqa: SIM115
        if _claimed(file.fileno(), draft):
            return file
        file.close()


@contextmanager
def drafting(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path`, to be renamed into its place within the block; what is left of it then is removed.

    Raises:
        OSError: if it cannot be made.
    """
    draft, handle = draft_of(path), None
    try:
        handle = _locked_folder(draft)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _locked_folder(draft: Path) -> int | None:
    """Make a folder; its handle, which holds the lock (on Windows, where nothing is swept, None). Raises OSError."""
    while True:
        draft.mkdir(exist_ok=True)
        if os.name == "nt":
            return None
        with suppress(FileNotFoundError):  # swept before it was locked
            handle = os.open(draft, os.O_RDONLY)
            if _claimed(handle, draft):
                return handle
            os.close(handle)


def _claimed(handle: int, draft: Path) -> bool:
    """Lock a draft that was just made; False if it was swept before that. Where the file system has no locks, `sweep` cannot
    take any either and leaves everything."""
    with suppress(OSError):
        seize(handle, wait=True)
    return is_still(handle, draft)


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all. Raises DataError as `replacing` does."""
    with replacing(path) as file:
        file.write(content)


def make_folder(path: Path) -> None:
    """Create a folder and its parents. Raises DataError if that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise DataError("a file stands where a folder is needed", where=path, expected="a folder", got="a file",
                        fix="choose another output folder") from error
    except NotADirectoryError as error:
        raise DataError("a file stands where a folder is needed", where=path, expected="folders only", got="a file",
                        fix="choose another output folder") from error
    except OSError as error:
        if error.errno in DENIED | FULL:
            raise write_error(error, path) from error
        raise DataError("the folder cannot be made", where=path, expected="a path where one can be",
                        got=error.strerror or error, fix="choose another output folder") from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only process that works in a folder, as long as the block lasts. A process that was killed does not count.

    Raises:
        DataError: if another process does.
    """
    with _held(folder / ".working", "another process works in this folder"):
        yield


@contextmanager
def alone_at(target: Path) -> Iterator[None]:
    """Be the only process that makes what is to be at `target`, as long as the block lasts. The lock lies beside it, for there
    may be nothing yet, and nothing may be left where making it fails.

    Raises:
        DataError: if another process makes it.
    """
    target = target.absolute()
    make_folder(target.parent)
    with _held(target.parent / f".{target.name}.working", f"another process writes {target.name} at this moment"):
        yield


@contextmanager
def _held(mark: Path, problem: str) -> Iterator[None]:
    try:
        lock = take(mark, problem, "one at a time", "wait for it or stop it, or choose another output folder")
    except OSError as error:
        raise write_error(error, mark) from error
    try:
        yield
    finally:
        lock.release()


def sync_folder(folder: Path) -> None:
    """Make a rename durable. Folders cannot be opened on Windows, where the rename itself is journalled."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path, name: str = "") -> int:
    """Remove drafts, files or folders, whose writer is gone; returns how many. Silent where the folder cannot be written.

    Args:
        name: only drafts of the file or folder of this name; "": of every one.
    """
    if os.name == "nt":  # where a folder cannot be locked
        return 0
    mine = [path for path in sorted(folder.glob(".*.tmp")) if TEMPORARY.match(path.name)]
    return sum(_swept(path) for path in mine if not name or path.name.startswith(f".{name}."))


def _swept(draft: Path) -> bool:
    with suppress(OSError):
        kind = draft.lstat().st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            return False
        handle = os.open(draft, (os.O_RDONLY if stat.S_ISDIR(kind) else os.O_RDWR) | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if seize(handle) and is_still(handle, draft):
                shutil.rmtree(draft) if stat.S_ISDIR(kind) else draft.unlink()
                return True
        finally:
            os.close(handle)
    return False
