"""Hand-held recordings done again by a simulator's robot, into an episode store of its task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..data.store import EpisodeStore
from ..data.umi import files
from ..data.umi.calibrate import Calibration
from ..data.umi.path import path_of
from ..errors import DataError
from ..simulators import make
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
                 progress: Callable[[int, int], None] | None = None) -> tuple[EpisodeStore, tuple[Replayed, ...]]:
    """Retarget every recording of a folder and execute it; episodes that are there already are left as they are.

    Args:
        scene: the simulator's scene for recordings that name none.

    Raises:
        DataError: for a recording that cannot be used, or that says no scene.
        WamError: for a task whose robot follows no paths.
    """
    simulator = make(task)
    done = []
    try:
        store = EpisodeStore.open_or_create(target, simulator.task_spec, simulator.renderer, {
            "source": "umi", "name": root.resolve().name, "simulator": task})
        folders = files.demonstrations(root)
        for index, folder in enumerate(folders):
            if not store.has(index):
                demonstration = files.read(folder)
                where = demonstration.scene if demonstration.scene is not None else scene
                if where is None:
                    raise DataError("the recording does not say in which scene it was made",
                                    where=folder / "demonstration.json", expected='"scene": a whole number', got="none",
                                    fix="say it there, or give one for all: --scene 0")
                simulator.reset(seed=where)
                path = path_of(demonstration, calibration, simulator.task_spec.control_hz)
                store.put(index, retarget(simulator, path, {"recording": demonstration.name, "scene": where}).episode)
            done.append(_summary(store, index))
            if progress:
                progress(index + 1, len(folders))
    finally:
        simulator.close()
    return store, tuple(done)


def _summary(store: EpisodeStore, index: int) -> Replayed:
    episode = store.load(index, frames=False)
    meta = episode.meta
    return Replayed(str(meta["recording"]), int(meta["scene"]), episode.solved, len(episode), int(meta["flagged"]),
                    float(meta["path_error_mm"]["rms"]))
