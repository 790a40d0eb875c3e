"""The main job: demonstrations, a world action model and a reactive baseline, closed loop, scores, one page.

Each phase leaves its result in the run's folder and finds it there the next time, so a run that was stopped goes on, and
ends in the same numbers as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from .. import recipe, simulators
from ..config import to_json
from ..control.collect import collect
from ..control.executor import Executor
from ..control.gate import Gate
from ..control.planning import BestOf
from ..control.policy import ModelPolicy
from ..data.atomic import alone_in
from ..data.store import EpisodeStore, store_name
from ..errors import SpecError, WamError
from ..evaluate.ask.lockstep import wanted
from ..evaluate.ask.rollout import held_out, one_thread, rollout
from ..evaluate.eyes.readout import Readout
from ..evaluate.log import EvalLog
from ..evaluate.provenance import provenance
from ..learn import checkpoint
from ..spec import check
from . import judge
from .chores import (
    Branching,
    Progress,
    Replaying,
    all_chores,
    do_all,
    model_folder,
    readout_path,
    recipe_of,
    silent,
)
from .run_config import RunConfig


def executor_for(folder: Path, execute: int = 4, recipe_name: str | None = None, best_of: int = 1) -> Executor:
    """A trained model ready to act; of so many answers, as the one that it values most says."""
    model = checkpoint.load_model(folder, recipe.load(recipe_name) if recipe_name else None)
    policy = ModelPolicy(model, wanted(model)) if best_of == 1 else BestOf(model, best_of, wanted(model))
    return Executor(policy, Gate(model.task_spec.action), execute, expects=model.task_spec, needs=model.needs)


def alike(tasks: Sequence[str]) -> None:
    """Tasks that one model can learn together. Raises SpecError if they are not, before anything is collected."""
    specs = []
    for task in tasks:
        world = simulators.make(task)
        specs.append(world.task_spec)
        world.close()
    for spec in specs[1:]:
        try:
            check(spec, specs[0])
        except SpecError as error:
            raise SpecError(error.problem, where="--tasks", expected=error.expected, got=error.got,
                            fix="run tasks with the same state, actions and picture size together, others apart") from error


class Run:
    """One run in its folder. Phases may be called in any order; each calls what it needs."""

    def __init__(self, config: RunConfig, progress: Progress | None = None):
        self.asked, self.config = config, config.resized()
        self.progress = progress or (lambda title: nullcontext(lambda done, total: None))
        self.out = config.out
        self.seconds: dict[str, float] = {}
        config.check()
        self.recipes = {self.name(model): recipe_of(model, self.config) for model in config.models}
        if len(self.recipes) < len(config.models):
            raise WamError("two models have the same name", where="--models", expected="different recipes", got=config.models,
                           fix="give the recipes different names")
        if len(config.tasks) > 1 and not (config.out / "run.json").exists():
            alike(config.tasks)
        config.claim()

    @staticmethod
    def name(model: str) -> str:
        return recipe.load(model).name

    def timed(self, phase: str, start: float) -> None:
        """Add up time over interruptions: what an earlier, stopped call spent is kept."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start

    # -- phases

    def demonstrations(self) -> dict[str, EpisodeStore]:
        stores, start = {}, time.perf_counter()
        for task in self.config.tasks:
            with self.progress(f"collect {task}") as tick:
                stores[task] = collect(task, self.config.episodes, self.out / "data" / store_name(task), seed=self.config.seed,
                                       kind="mixed", workers=self.config.workers, progress=tick)
        self.timed("collect", start)
        return stores

    def made_of_demonstrations(self) -> None:
        """Models, readouts, controls and branches, side by side, a process each."""
        start, c = time.perf_counter(), self.config
        spent = do_all(all_chores(c), c.workers, self.progress)
        self.timed("learn", start)
        self.seconds |= {f"of which {title}": seconds for title, seconds in spent.items()}

    def rollouts(self, folders: dict[str, Path]) -> dict[tuple[str, str], EpisodeStore]:
        found, start = {}, time.perf_counter()
        for (name, folder), source in zip(folders.items(), self.config.models, strict=True):
            make = partial(executor_for, folder, self.config.execute, source)
            for task in self.config.tasks:
                with self.progress(f"run {name} on {task}") as tick:
                    found[name, task] = rollout(make, task, held_out(self.config.starts),
                                                self.out / "rollouts" / name / store_name(task), workers=self.config.workers,
                                                progress=tick, provenance={"model": name, "seed": self.config.seed})
        self.timed("closed loop", start)
        return found

    def log(self) -> EvalLog:
        """Do what is not done yet, and judge. A finished run's log is read, not made again."""
        folder = self.out / "log"
        if (folder / "log.json").exists():
            return EvalLog.load(folder)
        with alone_in(self.out):
            return self.made(folder)

    def made(self, folder: Path) -> EvalLog:
        start = time.perf_counter()
        stores = self.demonstrations()
        self.made_of_demonstrations()
        c = self.config
        folders = {name: model_folder(model, c) / "model" for name, model in zip(self.recipes, c.models, strict=True)}
        readouts = {task: Readout.load(readout_path(task, c)) for task in c.tasks}
        rollouts = self.rollouts(folders)
        sources = dict(zip(folders, c.models, strict=True))
        models = {name: checkpoint.load_model(path, recipe.load(sources[name])) for name, path in folders.items()}
        controls = [score for task in c.tasks for score in Replaying(c, task).do(silent)]
        branches = {task: found for task in c.tasks if (found := Branching(c, task).do(silent)) is not None}
        judging = time.perf_counter()
        with self.progress("judge") as tick:
            tick(0, 1)
            log = judge.build(
                out=folder, rollouts=rollouts, models=models, readouts=readouts, branches=branches, controls=controls,
                headers={name: checkpoint.read_header(path) for name, path in folders.items()},
                provenance=self.provenance(stores), timings=self.seconds, seed=self.config.seed, workers=c.workers)
            tick(1, 1)
        self.timed("judge", judging)
        log = replace(log, timings={**self.seconds, "total of this call": time.perf_counter() - start})
        log.save(folder)
        return log

    def provenance(self, stores: dict[str, EpisodeStore]) -> dict[str, Any]:
        c = self.config
        return provenance(
            self.asked.command(), seeds=[c.seed], renderer=sorted({store.renderer for store in stores.values()}),
            models={name: made.summary for name, made in self.recipes.items()},
            recipes={name: to_json(made) for name, made in self.recipes.items()},
            run={k: v for k, v in to_json(c).items() if k not in ("out", "class")},
            goal={store.task_spec.task: store.task_spec.goal_visible for store in stores.values()},
            held_out=f"evaluation scenes {held_out(1)[0]} to {held_out(c.starts)[-1]}; demonstrations use scenes below them",
        )


def run(config: RunConfig, progress: Progress | None = None) -> EvalLog:
    """Do the main job, or what of it is not done yet.

    Args:
        progress: opens a progress bar of a title and gives its callback (done, total).

    Raises:
        WamError: for settings that cannot be, or a folder that holds another run.
    """
    with one_thread():  # sums depend on the number of threads
        return Run(config, progress).log()

