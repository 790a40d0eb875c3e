"""What is done with a recording after a crash: saved episodes are completed, open ones kept up to their last whole row.

Nothing is removed but a journal whose episode is on the disk, or which never held two rows. What is missing is made again from
what is there (`recorder_rebuild`); what belongs to no episode goes aside (`recorder_aside`); where neither will do, nothing is
touched and an error says what to restore.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .atomic import make_folder, sweep, sync_folder, write_error
from .formats import depth
from .locks import Lock, take
from .recorder_aside import Aside
from .recorder_describe import hurt, mend_descriptions
from .recorder_files import Dataset
from .recorder_journal import Recorded, Step, read_journal
from .recorder_plan import PLAN, Plan, agreed_plan, readable_sidecar
from .recorder_rebuild import load, numbered

LOCK = "recording/lock"
JOURNAL = re.compile(r"(\d{8})\.journal", re.ASCII)


@dataclass(frozen=True)
class Recovery:
    """What `recover` found and did."""

    completed: tuple[int, ...] = ()
    """episodes whose saving had begun"""
    salvaged: tuple[tuple[int, int], ...] = ()
    """(episode, rows) that were still open"""
    dropped: int = 0
    """journals with fewer than two whole rows"""
    said: tuple[str, ...] = ()
    """what was rebuilt, what was moved aside, and what is hurt and stays so: a line for each"""


def recover(path: str | Path) -> Recovery:
    """Finish what a dead recorder left; doing it again changes nothing.

    A journal goes only once the files of its episode are on the disk, so that a crash during recovery loses nothing either.

    Raises:
        DataError: if there is no recording, a recorder is at work in it, an episode can neither be read nor rebuilt, or the
            disk refuses.
    """
    root = Path(path)
    if not (root / PLAN).parent.is_dir():
        raise DataError("there is no recording here", where=root, expected=PLAN, got="no such file", fix="check the path")
    lock = take_lock(root)
    try:
        return opened(root, None)[0]
    finally:
        lock.release()


def opened(root: Path, given: Plan | None) -> tuple[Recovery, Dataset]:
    """Recover a recording whose lock is held; what was done, and what is there then.

    Args:
        given: the plan of the recorder that opens it; None: nobody says.
    """
    aside = Aside(root)
    try:
        sidecar = readable_sidecar(root)
        plan = agreed_plan(root, given, sidecar, aside)
        for folder in {root, root / "meta", root / "recording", *(file.parent for file in root.rglob(".*.tmp"))}:
            sweep(folder)
        entries = sorted((root / "recording").glob("*.journal"))
        journals = {int(match[1]): path for path in entries if path.is_file() and (match := JOURNAL.fullmatch(path.name))}
        dataset = load(root, plan, sidecar, set(journals), aside)
        for path in entries:
            if path not in journals.values():
                aside.take(path, "it is no journal of an episode")
        completed, salvaged, dropped = list[int](), list[tuple[int, int]](), 0
        for index, path in journals.items():
            rows, ended = finished(dataset, index, path, aside)
            if rows == 0:
                dropped += 1
            elif ended and rows > 0:
                completed.append(min(index, len(dataset.lengths) - 1))
            elif rows > 0:
                salvaged.append((min(index, len(dataset.lengths) - 1), rows))
        strays(dataset, aside)
        mend_descriptions(dataset, aside)
        for line in hurt(dataset):
            aside.tell(line)
    except OSError as error:
        raise write_error(error, root) from error
    return Recovery(tuple(completed), tuple(salvaged), dropped, tuple(aside.said)), dataset


def finished(dataset: Dataset, index: int, path: Path, aside: Aside) -> tuple[int, bool]:
    """Make an episode of a journal; (its rows, whether it had been saved). 0 rows: it held none; -1: it was moved aside.

    Raises:
        DataError: where the disk refuses.
    """
    recorded = read_journal(path)
    if recorded is not None:
        misfit = next((row for row, step in enumerate(recorded.steps) if not fits(step, dataset)), None)
        if misfit is not None:
            recorded = Recorded(recorded.begin, recorded.steps[:misfit], None, recorded.good, recorded.lost + 1)
    behind = path.stat().st_size > 0 if recorded is None else recorded.lost > 0
    if recorded is None or len(recorded.steps) < 2:
        if behind:
            aside.take(path, "fewer than two whole rows can be read")
        else:
            remove(path)
        return 0, False
    if index < len(dataset.lengths) and not same(dataset, index, recorded):
        aside.take(path, f"episode {index} is saved, with other rows")
        return -1, False
    place = min(index, len(dataset.lengths))
    try:
        dataset.commit(place, recorded)
    except DataError as error:
        if isinstance(error.__cause__, OSError):  # the disk: try again later
            raise
        aside.take(path, f"no episode can be made of it: {error.problem}")
        return -1, False
    if behind:
        aside.take(path, f"only its first {len(recorded.steps)} rows can be read; they are episode {place}")
    else:
        remove(path)
    return len(recorded.steps), recorded.end is not None


def fits(step: Step, dataset: Dataset) -> bool:
    """Whether a row is one of this recording."""
    spec = dataset.spec
    return ((len(step.state), len(step.action), len(step.pictures)) == (len(spec.state), spec.action.width, len(spec.cameras))
            and all(not camera.endswith(depth.SUFFIX) or picture.startswith(b"\x89PNG")
                    for camera, picture in zip(spec.cameras, step.pictures, strict=True)))


def same(dataset: Dataset, index: int, recorded: Recorded) -> bool:
    """Whether a saved episode is the one of a journal, as far as it can be read."""
    try:
        return dataset.holds(index, recorded)
    except DataError:  # its data are damaged, and the journal may mend them
        return dataset.lengths[index] == len(recorded.steps)


def strays(dataset: Dataset, aside: Aside) -> None:
    """Move aside files of episodes that were never saved: other readers load every file that is there."""
    root = dataset.root
    for base in (root / "data", root / "meta/episodes", *sorted(root.glob("videos/*"))):
        for index, path in numbered(base).items():
            if index >= len(dataset.lengths):
                aside.take(path, "it belongs to no saved episode")


def remove(journal: Path) -> None:
    """Raises DataError where the disk refuses."""
    try:
        journal.unlink(missing_ok=True)
        sync_folder(journal.parent)
    except OSError as error:
        raise write_error(error, journal) from error


def take_lock(root: Path) -> Lock:
    """Claim the folder for this process until it releases the lock or dies. Raises DataError if another holds it."""
    path = root / LOCK
    make_folder(path.parent)
    try:
        return take(path, "another recorder is at work here", "one recorder at a time",
                    "end it first, or choose another folder")
    except OSError as error:
        raise write_error(error, path) from error
