"""What a run makes of its demonstrations, side by side: models, readouts of states off frames, controls and branches.

One thread each. Small models gain little from a second one, and sums, so the numbers, would depend on how many there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from .. import recipe
from ..control.workers import Parent, in_workers
from ..data.store import EpisodeStore, store_name
from ..data.windows import Windows
from ..evaluate.ask.branches import Branches, make_branches
from ..evaluate.ask.branches import Protocol as BranchProtocol
from ..evaluate.ask.rollout import held_out, one_thread
from ..evaluate.eyes.readout_training import readout_for
from ..evaluate.log import Score
from ..learn.train import train
from .judge import own_replay, replay_score
from .run_config import REFERENCE_MINUTES, RunConfig

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


def store_of(task: str, config: RunConfig) -> EpisodeStore:
    return EpisodeStore.open(config.out / "data" / store_name(task))


@runtime_checkable
class Chore(Protocol):
    """A part of a run that needs its demonstrations and nothing else; picklable. What is done already is not done again."""

    @property
    def title(self) -> str: ...

    def do(self, tick: Tick) -> object: ...


@dataclass(frozen=True)
class Model:
    """Train a recipe of `config.models`."""

    config: RunConfig
    model: str

    @property
    def title(self) -> str:
        return f"train {recipe.load(self.model).name}"

    def do(self, tick: Tick) -> object:
        c = self.config
        return train(recipe_of(self.model, c), [store_of(task, c) for task in c.tasks], model_folder(self.model, c),
                     seed=c.seed, progress=tick)


@dataclass(frozen=True)
class Reading:
    """Learn to read a task's states off its frames."""

    config: RunConfig
    task: str

    @property
    def title(self) -> str:
        return f"learn to read states off frames of {self.task}"

    def do(self, tick: Tick) -> object:
        c, path = self.config, readout_path(self.task, self.config)
        if not path.exists():
            windows = Windows([store_of(self.task, c)], history=1, chunk=1, offsets=())
            readout_for(windows, seed=c.seed, steps=500 if c.size != "debug" else 30, progress=tick).save(path)
        return path


@dataclass(frozen=True)
class Replaying:
    """The controls: against tasks that need no perception, and of the recordings themselves."""

    config: RunConfig
    task: str

    @property
    def title(self) -> str:
        return f"replay demonstrations of {self.task}"

    def do(self, tick: Tick) -> list[Score]:
        c, store = self.config, store_of(self.task, self.config)
        return [replay_score(self.task, store, held_out(c.starts), c.out / "controls", progress=tick),
                *own_replay(self.task, store, c.out / "controls")]


@dataclass(frozen=True)
class Branching:
    """True futures of several actions from saved states, as long as the longest model needs them."""

    config: RunConfig
    task: str

    @property
    def title(self) -> str:
        return f"branch {self.task}"

    def do(self, tick: Tick) -> Branches | None:
        c, spec = self.config, store_of(self.task, self.config).task_spec
        models = [recipe_of(model, c).model.build(spec) for model in c.models]  # untrained: only their sizes matter
        offsets = tuple(sorted({offset for model in models for offset in model.offsets}))
        if not offsets:
            return None
        protocol = BranchProtocol(self.task, offsets, contexts=c.contexts, seed=c.seed, history=max(m.history for m in models),
                             horizon=max(*(m.chunk for m in models), *offsets))
        return make_branches(protocol, c.out / "branches", workers=1, progress=tick)


def all_chores(config: RunConfig) -> list[Chore]:
    """All of a run, the longest first."""
    return [*(Model(config, model) for model in config.models), *(Reading(config, task) for task in config.tasks),
            *(Replaying(config, task) for task in config.tasks), *(Branching(config, task) for task in config.tasks)]


def do_all(chores: Sequence[Chore], workers: int, progress: Progress) -> dict[str, float]:
    """Do what is not done yet, `workers` at a time. Returns title -> seconds.

    Raises:
        WamError: whatever a chore raises; what was finished is kept, and training goes on from its last checkpoint.
    """
    bars: dict[str, Tick] = {}
    with ExitStack() as stack:
        def show(title: str, done: int, total: int) -> None:
            if title not in bars:
                bars[title] = stack.enter_context(progress(title))
            bars[title](done, total)

        if workers == 1 or len(chores) < 2:
            seconds = [timed(chore, partial(show, chore.title)) for chore in chores]
        else:
            seconds = in_workers(in_process, chores, at_once=workers, heard=lambda said: show(*said))
    return {chore.title: spent for chore, spent in zip(chores, seconds, strict=True)}


def silent(done: int, total: int) -> None:
    """No progress bar."""


def timed(chore: Chore, tick: Tick) -> float:
    start = time.perf_counter()
    with one_thread():
        chore.do(tick)
    return time.perf_counter() - start


def in_process(chore: Chore, parent: Parent) -> float:
    title = chore.title
    return timed(chore, lambda done, total: parent.say((title, done, total)))
