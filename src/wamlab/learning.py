"""What a run learns from its demonstrations, each in a process of its own: models, and readouts of states off frames.

One thread each. Small models gain little from a second one, and sums, so the numbers, would depend on how many there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from . import recipe
from .control.workers import Parent, in_workers
from .data.store import EpisodeStore
from .data.windows import Windows
from .evaluate.readout_training import readout_for
from .evaluate.rollout import one_thread
from .run_config import REFERENCE_MINUTES, RunConfig, store_name
from .train import train

Tick = Callable[[int, int], None]
Progress = Callable[[str], AbstractContextManager[Tick]]
"""opens a progress bar of that title"""


def recipe_of(model: str, config: RunConfig) -> recipe.Recipe:
    """A recipe by name or path, at the run's size and length."""
    sized = recipe.load(model).sized(config.size)
    return replace(sized, training=sized.training.scaled(config.minutes / REFERENCE_MINUTES))


def model_folder(model: str, config: RunConfig) -> Path:
    return config.out / "models" / recipe.load(model).name


def readout_path(task: str, config: RunConfig) -> Path:
    return config.out / "readouts" / f"{store_name(task)}.safetensors"


@dataclass(frozen=True)
class Lesson:
    """One thing to learn; picklable."""

    config: RunConfig
    what: str
    """a recipe of `config.models`, or a task of `config.tasks` whose frames to read"""

    @property
    def is_model(self) -> bool:
        return self.what in self.config.models

    @property
    def title(self) -> str:
        return f"train {recipe.load(self.what).name}" if self.is_model else f"learn to read states off frames of {self.what}"

    def learn(self, tick: Tick) -> float:
        """Returns the seconds that it took."""
        start, config = time.perf_counter(), self.config
        with one_thread():
            if self.is_model:
                stores = [EpisodeStore.open(config.out / "data" / store_name(task)) for task in config.tasks]
                train(recipe_of(self.what, config), stores, model_folder(self.what, config), seed=config.seed, progress=tick)
            elif not readout_path(self.what, config).exists():
                windows = Windows([EpisodeStore.open(config.out / "data" / store_name(self.what))],
                                  history=1, chunk=1, offsets=())
                readout_for(windows, seed=config.seed, steps=500 if config.size != "debug" else 30,
                            progress=tick).save(readout_path(self.what, config))
        return time.perf_counter() - start


def learn_all(lessons: Sequence[Lesson], workers: int, progress: Progress) -> dict[str, float]:
    """Learn what is not learned yet. Returns title -> seconds.

    Raises:
        WamError: whatever a lesson raises; the others go on from their last checkpoint the next time.
    """
    bars: dict[str, Tick] = {}
    with ExitStack() as stack:
        def show(title: str, done: int, total: int) -> None:
            if title not in bars:
                bars[title] = stack.enter_context(progress(title))
            bars[title](done, total)

        if workers == 1 or len(lessons) < 2:
            seconds = [lesson.learn(partial(show, lesson.title)) for lesson in lessons]
        else:
            seconds = in_workers(in_process, lessons, at_once=workers, heard=lambda said: show(*said))
    return {lesson.title: spent for lesson, spent in zip(lessons, seconds, strict=True)}


def in_process(lesson: Lesson, parent: Parent) -> float:
    title = lesson.title
    return lesson.learn(lambda done, total: parent.say((title, done, total)))
