"""Files that are either whole or absent: write beside, flush to disk, rename.

A process that dies in the middle leaves only a temporary file whose name carries its process id; `sweep` removes it
once that process is gone.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import DataError

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
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
    mark = folder / ".working"
    for _ in range(2):
        try:
            with open(mark, "x") as file:
                file.write(str(os.getpid()))
            break
        except FileExistsError:
            with suppress(OSError, ValueError):
                other = int(mark.read_text() or 0)
                if other != os.getpid() and alive(other):
                    raise DataError("another process works in this folder", where=folder, expected="one at a time",
                                    got=f"process {other}", fix="wait for it or stop it; if there is none, delete "
                                    f"{mark.name} in the folder") from None
            mark.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(error, mark) from error
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename durable. Folders cannot be opened on Windows, where the rename itself is journalled."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> int:
    """Remove drafts, files or folders, whose writer is gone; returns how many. Silent where the folder cannot be written."""
    removed = 0
    for path in sorted(folder.glob(".*.tmp")):
        match = TEMPORARY.match(path.name)
        if match and not alive(int(match[1])):
            with suppress(OSError):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed += 1
    return removed


def alive(process: int) -> bool:
    """Whether a process of this number runs on this machine (on Windows, where asking would kill it: assume so)."""
    if os.name == "nt" or process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
