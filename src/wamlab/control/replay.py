"""The control against tasks that need no perception: one demonstration's actions, played blindly from other starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from ..errors import WamError
from ..simulators import make
from ..types import Episode
from .workers import in_workers


@dataclass(frozen=True, eq=False)
class ReplayControl:
    """What blind replay reached."""

    solved: Bool[ndarray, "D S"]
    """per demonstration and start: whether the task's condition held at any step"""
    scenes: tuple[int, ...]
    """the starts' simulator seeds"""

    @property
    def rates(self) -> Float64[ndarray, "D"]:
        """Success rate of each demonstration."""
        return self.solved.mean(axis=1)

    @property
    def best(self) -> float:
        """Success rate of the demonstration that replays best: the number a task is judged by."""
        return float(self.rates.max())


def replay_control(task: str, demonstrations: Sequence[Episode], scenes: Sequence[int], *, workers: int = 1,
                   options: Mapping[str, Any] | None = None,
                   progress: Callable[[int, int], None] | None = None) -> ReplayControl:
    """Replay each demonstration open loop from each start. Nothing is rendered.

    Args:
        task, options: as for `simulators.make`.
        demonstrations: solved ones; of a disturbed one also the disturbance is replayed.
        scenes: simulator seeds other than the demonstrations' own.
        workers: processes.
        progress: called with (starts done, starts); between processes only at the end.

    Raises:
        WamError: without demonstrations or starts, or if a start is a demonstration's own.
    """
    if not demonstrations or not scenes:
        raise WamError("replay needs demonstrations and starts", where="replay_control", expected="at least one of each",
                       got=f"{len(demonstrations)} demonstrations, {len(scenes)} starts")
    own = [scene for scene in scenes if scene in {episode.meta.get("scene") for episode in demonstrations}]
    if own:
        raise WamError("a start is a demonstration's own", where="scenes", expected="other starts", got=own)
    job = _Replay(task, dict(options or {}), tuple(np.array(episode.action) for episode in demonstrations), progress)
    if workers == 1 or len(scenes) == 1:
        solved = job(list(scenes))
    else:
        parts = [list(scenes[number::workers]) for number in range(min(workers, len(scenes)))]
        columns = in_workers(_Replay(task, job.options, job.actions), parts)
        solved = np.empty((len(demonstrations), len(scenes)), bool)
        for number, found in enumerate(columns):
            solved[:, number::workers] = found
        if progress is not None:
            progress(len(scenes), len(scenes))
    return ReplayControl(solved, tuple(scenes))


@dataclass(frozen=True, eq=False)
class _Replay:
    task: str
    options: dict[str, Any]
    actions: tuple[ndarray, ...]
    progress: Callable[[int, int], None] | None = None

    def __call__(self, scenes: list[int], alive: Callable[[], bool] = lambda: True) -> Bool[ndarray, "D S"]:
        simulator = make(self.task, **self.options)
        simulator.renders = False
        solved = np.zeros((len(self.actions), len(scenes)), bool)
        try:
            for column, scene in enumerate(scenes):
                simulator.reset(seed=scene)
                start = simulator.save_state()
                for row, actions in enumerate(self.actions):
                    if not alive():
                        return solved
                    simulator.load_state(start)
                    solved[row, column] = any(simulator.step(action)[4]["success"] for action in actions)
                if self.progress is not None:
                    self.progress(column + 1, len(scenes))
        finally:
            simulator.close()
        return solved
