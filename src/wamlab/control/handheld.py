"""Hand-held recordings done again by a simulator's robot, into an episode store of its task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..data.store import EpisodeStore
from ..data.umi import files
from ..data.umi.bring import Progress, bring_in, open_store
from ..data.umi.calibrate import Calibration
from ..data.umi.path import path_of
from ..errors import DataError
from ..simulators import make
from ..types import Episode
from .retarget import retarget


@dataclass(frozen=True)
class Replayed:
    """What became of one recording."""

    recording: str
    scene: int
    solved: bool
    steps: int
    flagged: int
    """steps that the robot could not do as they were shown; they are not imitated"""
    error_mm: float
    """between hand and path, root mean square"""


def retarget_all(root: Path, target: Path, task: str, calibration: Calibration, *, scene: int | None = None,
                 held: files.Held | None = None, skip_bad: bool = False,
                 progress: Progress | None = None) -> tuple[EpisodeStore, tuple[Replayed, ...], tuple[files.LeftOut, ...]]:
    """Retarget every recording of a folder and execute it; those that are there already, by name, are left as they are.

    Args:
        scene: the simulator's scene for recordings that name none.
        held: how the gripper was held in recordings without its width.
        skip_bad: leave recordings out that cannot be used, in place of an error. Those whose tracking failed are in any case.

    Returns:
        The store, what became of each recording, and what is not in the store and why.

    Raises:
        DataError: for a recording that cannot be used, or that says no scene; if none can be used.
        WamError: for a task whose robot follows no paths.
    """
    simulator = make(task)

    def done(folder: Path) -> Episode:
        demonstration = files.read(folder, held)
        where = demonstration.scene if demonstration.scene is not None else scene
        if where is None:
            raise DataError("the recording does not say in which scene it was made", where=folder / "demonstration.json",
                            expected='"scene": a whole number', got="none",
                            fix="say it there, or give one for all: --scene 0")
        path = path_of(demonstration, calibration, simulator.task_spec.control_hz)
        simulator.reset(seed=where)
        return retarget(simulator, path, {**demonstration.meta(), "scene": where}).episode

    try:
        kept = {"source": "umi", "name": root.resolve().name, "simulator": task}
        store, left = bring_in(root, target, done, lambda: open_store(
            target, simulator.task_spec, simulator.renderer, kept, calibration), skip_bad=skip_bad, progress=progress)
    finally:
        simulator.close()
    return store, tuple(_summary(store, index) for index in store.indices()), left


def _summary(store: EpisodeStore, index: int) -> Replayed:
    episode = store.load(index, frames=False)
    meta = episode.meta
    return Replayed(str(meta["recording"]), int(meta["scene"]), episode.solved, len(episode), int(meta["flagged"]),
                    float(meta["path_error_mm"]["rms"]))
