"""What is done with a recording after a crash: saved episodes are completed, open ones kept up to their last whole row."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .atomic import alive, sweep, sync_folder, write_error
from .recorder_files import PLAN, Dataset, remove_strays
from .recorder_journal import read_journal

LOCK = "recording/lock"


@dataclass(frozen=True)
class Recovery:
    """What `recover` found and did."""

    completed: tuple[int, ...] = ()
    """episodes whose saving had begun"""
    salvaged: tuple[tuple[int, int], ...] = ()
    """(episode, rows) that were still open"""
    dropped: int = 0
    """journals with fewer than two whole rows"""


def recover(path: str | Path, *, locked: bool = False) -> Recovery:
    """Finish what a dead recorder left; doing it again changes nothing.

    A journal goes only once the files of its episode are on the disk, so that a crash during recovery loses nothing either.

    Raises:
        DataError: if there is no recording, a recorder is at work in it, or the disk refuses.
    """
    root = Path(path)
    if not (root / PLAN).exists():
        raise DataError("there is no recording here", where=root, expected=PLAN, got="no such file", fix="check the path")
    if not locked:
        take_lock(root)
    try:
        for folder in {root, root / "meta", root / "recording", *(file.parent for file in root.rglob(".*.tmp"))}:
            sweep(folder)
        dataset = Dataset.load(root)
        completed, salvaged, dropped = list[int](), list[tuple[int, int]](), 0
        for journal in sorted((root / "recording").glob("*.journal")):
            recorded, index = read_journal(journal), int(journal.stem)
            if recorded is None or len(recorded.steps) < 2:
                dropped += 1
            else:
                place = min(index, len(dataset.lengths))
                dataset.commit(place, recorded)
                if recorded.end is None:
                    salvaged.append((place, len(recorded.steps)))
                else:
                    completed.append(place)
            remove(journal)
        remove_strays(root, len(dataset.lengths))
        if not dataset.lengths:
            dataset.write_empty()
    except OSError as error:
        raise write_error(error, root) from error
    finally:
        if not locked:
            (root / LOCK).unlink(missing_ok=True)
    return Recovery(tuple(completed), tuple(salvaged), dropped)


def remove(journal: Path) -> None:
    """Raises DataError where the disk refuses."""
    try:
        journal.unlink(missing_ok=True)
        sync_folder(journal.parent)
    except OSError as error:
        raise write_error(error, journal) from error


def take_lock(root: Path) -> None:
    """Claim the folder for this process; a dead process's claim is void. Raises DataError if a live one holds it."""
    lock = root / LOCK
    try:
        holder = lock.read_text().strip()
    except FileNotFoundError:
        holder = ""
    except OSError as error:
        raise write_error(error, lock) from error
    if holder.isdigit() and int(holder) != os.getpid() and alive(int(holder)):
        raise DataError("another recorder is at work here", where=root, expected="one recorder at a time",
                        got=f"process {holder}",
                        fix="end it first, or choose another folder")
    try:
        lock.write_text(str(os.getpid()))
    except OSError as error:
        raise write_error(error, lock) from error
