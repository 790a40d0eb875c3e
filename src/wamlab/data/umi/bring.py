"""Recordings into an episode store, whichever way they become episodes; and what is left out, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...spec import TaskSpec
from ...types import Episode
from ..store import EpisodeStore
from . import files
from .calibrate import Calibration

Progress = Callable[[int, int], None]


def bring_in(root: Path, target: Path, make: Callable[[Path], Episode], opened: Callable[[], EpisodeStore], *,
             skip_bad: bool = False, progress: Progress | None = None) -> tuple[EpisodeStore, tuple[files.LeftOut, ...]]:
    """Append every recording that is not in the store, by name; a store is begun with the first that can be used.

    Args:
        make: a recording's folder to its episode, whose meta names the recording.
        opened: the store at `target`, made if there is none.
        skip_bad: leave recordings out that cannot be used, in place of an error. Those whose tracking failed are in any case.

    Returns:
        The store, and what lies in `root` and is not in it.

    Raises:
        DataError: naming the recording and file that cannot be used, or if none can be.
    """
    folders, left = files.demonstrations(root), files.left_out(root)
    store = opened() if (target / "dataset.json").exists() else None
    there = {str(store.meta(index).get("recording")) for index in store.indices()} if store is not None else set()
    for number, folder in enumerate(folders):
        if folder.name not in there:
            try:
                episode = make(folder)
            except DataError as error:
                if not skip_bad and not isinstance(error, files.Untracked):
                    raise DataError(f"the recording {folder.name} cannot be used: {error.problem}", where=error.where,
                                    expected=error.expected, got=error.got,
                                    fix=f"{error.fix or 'repair it'}; or leave such recordings out: --skip-bad") from error
                left.append(files.LeftOut(folder.name, f"{error.problem} ({error.where})"))
            else:
                store = opened() if store is None else store
                store.append(episode)
        if progress:
            progress(number + 1, len(folders))
    left.sort(key=lambda one: one.recording)
    if store is None:
        raise DataError("no recording here can be used", where=root, expected="one or more",
                        got="; ".join(f"{one.recording}: {one.reason}" for one in left)[:400])
    return store, tuple(left)


def open_store(target: Path, spec: TaskSpec, renderer: str, provenance: Mapping[str, Any],
               calibration: Calibration) -> EpisodeStore:
    """The store of recordings at `target`, made if there is none. One that is there keeps its instruction, as episodes have
    their own; one that was made before stores named their calibration is taken as it is.

    Raises:
        DataError: if it was made otherwise, or its recordings were brought in by another calibration.
    """
    said = dict(provenance) | {"calibration": calibration.digest()}
    if (target / "dataset.json").exists():
        there = EpisodeStore.open(target)
        spec = replace(spec, instruction=there.task_spec.instruction)
        if "calibration" not in there.provenance:
            said.pop("calibration")
    return EpisodeStore.open_or_create(target, spec, renderer, said)
