"""A folder that is either whole or absent: written beside its place, flushed, renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import DataError
from ..atomic import drafting, make_folder, sweep, sync_folder, write_error


@contextmanager
def taking_place(target: Path) -> Iterator[Path]:
    """A hidden folder that becomes `target` when the block ends well and vanishes when it does not.

    Raises:
        DataError: if `target` exists, or the disk refuses.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError("there is something here already", where=target, expected="a new or empty folder",
                        got="files in it" if target.is_dir() else "a file", fix="choose another folder")
    make_folder(target.parent)
    sweep(target.parent, target.name)
    try:
        with drafting(target) as hidden:
            yield hidden
            for path in sorted(hidden.rglob("*"), reverse=True):
                if path.is_dir():
                    sync_folder(path)
                else:
                    with open(path, "rb") as file:
                        os.fsync(file.fileno())
            if target.exists():
                target.rmdir()
            os.replace(hidden, target)
            sync_folder(target.parent)
    except OSError as error:
        raise write_error(error, target) from error
