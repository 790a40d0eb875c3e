"""Closed-loop episodes, one per seed, written to a dataset by any number of processes with the same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...control.executor import Executor, run_episode
from ...control.workers import in_workers
from ...data.store import EpisodeStore
from ...errors import DataError, WamError
from ...simulators import Simulator, make
from ...spec import TaskSpec, check
from ...types import Episode

HELD_OUT = 1_000_000
"""evaluation scenes have seeds from here on; demonstrations are collected below"""


def held_out(episodes: int) -> tuple[int, ...]:
    """Seeds of starts that no demonstration was collected from."""
    return tuple(range(HELD_OUT, HELD_OUT + episodes))


def rollout(make_executor: Callable[[], Executor], task: str, seeds: Sequence[int], out: str | Path, *, workers: int = 2,
            progress: Callable[[int, int], None] | None = None, extra_steps_after_success: int = 0,
            provenance: Mapping[str, Any] | None = None,
            make_simulator: Callable[[], Simulator] | None = None, expects: TaskSpec | None = None,
            options: Mapping[str, Any] | None = None) -> EpisodeStore:
    """Run the executor from every seed; episode i of the dataset `out` is the run from `seeds[i]`.

    Episodes that are there already are kept, so an interrupted evaluation goes on where it was. Each process works
    with one torch thread, and an episode depends on its seed alone: the numbers do not depend on `workers`.

    Args:
        make_executor: called once in each process; picklable, such as a `functools.partial` of a module's function.
        task: a name for `simulators.make`.
        workers: processes; 0 or 1 stays in this one.
        progress: called with (episodes there, episodes wanted).
        provenance: JSON values that identify what is run (a checkpoint's hash, say); going on with a dataset of
            another provenance is refused.
        make_simulator: builds the simulator in place of `simulators.make(task)`; picklable.
        expects: the spec that the executor's model was trained for.
        options: keyword arguments for `simulators.make`.

    Raises:
        SpecError: if the task is of another kind than `expects`; nothing is written then.
        DataError: if `out` holds something else or cannot be written.
        WamError: naming the episode, if one fails.
    """
    job = Rollouts(make_executor, make_simulator or partial(make, task, **(options or {})), Path(out), tuple(map(int, seeds)),
                   extra_steps_after_success)
    said = {"source": "rollout", "simulator": task, "extra_steps": extra_steps_after_success, **(provenance or {})}
    store = finished(Path(out), job.seeds, said)
    if store is not None:
        if progress is not None:
            progress(len(seeds), len(seeds))
        return store
    simulator = job.make_simulator()
    try:
        if expects is not None:
            check(simulator.task_spec, expects)
        store = EpisodeStore.open_or_create(out, simulator.task_spec, simulator.renderer, said)
    finally:
        simulator.close()
    missing = [i for i in range(len(seeds)) if not already(store, i, job.seeds[i])]

    def report() -> None:
        if progress is not None:
            progress(sum(store.has(i) for i in range(len(seeds))), len(seeds))

    report()
    if workers <= 1 or len(missing) <= 1:
        job(missing, done=report)
    else:
        shares = [missing[number::workers] for number in range(min(workers, len(missing)))]
        try:
            in_workers(job, shares, report)
        except WamError as error:
            if "died" not in error.problem:
                raise
            under_way = [next((i for i in share if not store.has(i)), None) for share in shares]
            names = " or ".join(f"{i} (seed {job.seeds[i]})" for i in under_way if i is not None)
            raise WamError(f"a worker process died during episode {names}", where=out, got=error.got, fix=error.fix) from error
    return store


def finished(path: Path, seeds: Sequence[int], provenance: Mapping[str, Any]) -> EpisodeStore | None:
    """The dataset, if it holds all the episodes already: then no simulator is needed."""
    if not (path / "dataset.json").exists():
        return None
    store = EpisodeStore.open(path)
    same = store.provenance == json.loads(json.dumps(dict(provenance)))
    return store if same and all(already(store, i, seed) for i, seed in enumerate(seeds)) else None


def already(store: EpisodeStore, index: int, seed: int) -> bool:
    """Whether the episode is there. Raises DataError if it was run from another seed."""
    if not store.has(index):
        return False
    made = store.meta(index).get("seed")
    if made != seed:
        raise DataError(f"episode {index} here was run from another seed", where=store.path, expected=seed, got=made,
                        fix="choose another output folder")
    return True


@dataclass(frozen=True)
class Rollouts:
    """What a process needs to know; called with the indices that are its share."""

    make_executor: Callable[[], Executor]
    make_simulator: Callable[[], Simulator]
    path: Path
    seeds: tuple[int, ...]
    extra_steps: int

    def __call__(self, part: Sequence[int], alive: Callable[[], bool] = lambda: True,
                 done: Callable[[], None] = lambda: None) -> None:
        if not part:
            return
        with one_thread():
            store, executor, simulator = EpisodeStore.open(self.path), self.make_executor(), self.make_simulator()
            try:
                for index in part:
                    if not alive():
                        return
                    store.put(index, self.one(index, simulator, executor))
                    done()
            finally:
                simulator.close()

    def one(self, index: int, simulator: Simulator, executor: Executor) -> Episode:
        """The episode of an index. Raises WamError naming it, whatever went wrong."""
        try:
            return run_episode(simulator, executor, self.seeds[index], extra_steps_after_success=self.extra_steps)
        except WamError as error:
            raise WamError(f"episode {index} (seed {self.seeds[index]}) failed: {error.problem}",
                           where=error.where or self.path, expected=error.expected, got=error.got, fix=error.fix) from error
        except Exception as error:
            raise WamError(f"episode {index} (seed {self.seeds[index]}) failed", where=self.path,
                           expected="an episode", got=f"{type(error).__name__}: {error}",
                           fix="the episodes before it are kept; mend the cause and run the same command again") from error


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside, as before outside: sums are added in one order wherever an episode runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
