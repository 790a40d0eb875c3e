"""Which of a run's folders a path means."""

from __future__ import annotations

from pathlib import Path

from ..data.store import EpisodeStore
from ..errors import DataError
from ..evaluate.log import FILE, EvalLog


def log_folder(path: Path) -> Path:
    """The folder of the log, given it, its JSON file or the folder of the run.

    Raises:
        DataError: if there is no log at any of these.
    """
    for folder in (path, path / "log", path.parent):
        if (folder / FILE).exists() and (folder != path.parent or path.name == FILE):
            return folder
    if (path / "run.json").exists():
        raise DataError("the run is not finished", where=path, expected=f"log/{FILE}", got="none",
                        fix="run its command again, it goes on where it was")
    raise DataError("there is no log here", where=path, expected=f"{FILE}, or a run's folder with log/{FILE}",
                    got="neither" if path.exists() else "no such folder", fix="give the folder that wam run wrote")


def is_there(path: Path) -> bool:
    """Whether something is there; nothing is where no path can lead, such as one that is too long."""
    try:
        return path.exists()
    except OSError:
        return False


def stores(path: Path) -> dict[str, EpisodeStore]:
    """Datasets by name: the one at `path`, or all that a log at `path` names.

    Raises:
        DataError: if there is neither a dataset nor a log.
    """
    if (path / "dataset.json").exists():
        return {path.name: EpisodeStore.open(path)}
    folder = log_folder(path)
    named = {name: folder / place for name, place in EvalLog.load(folder).episodes.items()}
    found = {name: EpisodeStore.open(place) for name, place in named.items() if is_there(place / "dataset.json")}
    if not found:
        raise DataError("of this run only the log is left: there are no rollouts to score", where=folder,
                        expected=", ".join(named) or "episodes that the log names", got="no dataset at any of their places",
                        fix="copy the run's folder whole; wam report and wam show need the log alone")
    return found
