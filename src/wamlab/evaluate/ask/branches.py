"""What would have happened: several actions from the same saved state of a simulator, with the true futures of all.

A scene is played by the scripted expert; along the way up to three states are saved: in free motion, shortly before
contact, and in contact. From each, every action of the set is executed after an exact restore, so that two futures
differ by nothing but the action. Scenes are made in parallel processes, resumably, and cached under the hash of their
protocol.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ...control.workers import in_workers
from ...errors import DataError
from ...simulators import Simulator, make
from ...spec import TaskSpec
from ..metric import GROUPS, moved
from .actions import action_set
from .branch_data import FIRST_SCENE, STRATA, Branches, Protocol, joined
from .imagining import Futures, imagine_branches

__all__ = ["STRATA", "Branches", "Futures", "Protocol", "imagine_branches", "make_branches", "revisit", "scene_branches"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Visit:
    """One scene as the expert played it."""

    states: list[Any]
    """saved before each step, and after the last"""
    actions: ndarray
    truth: list[dict[str, ndarray]]
    solved: int
    """the first step at which the task's condition held, or the number of steps"""


def make_branches(protocol: Protocol, cache: str | Path, *, workers: int = 2, progress: Progress | None = None,
                  make_simulator: Callable[[], Simulator] | None = None) -> Branches:
    """The branches of a protocol, from the cache if they are there; what an interrupted call finished is kept.

    Args:
        cache: folder for the results of all protocols.
        workers: processes; 1 stays in this one.
        progress: called with (contexts there, contexts wanted).
        make_simulator: builds the simulator in place of `simulators.make(protocol.task)`; picklable.

    Raises:
        DataError: if the cache cannot be written, or the scenes have too few contexts.
        SpecError: if the task's actions are no motions.
    """
    build = make_simulator or partial(make, protocol.task, **protocol.options)
    simulator = build()
    try:
        renderer = simulator.renderer
    finally:
        simulator.close()
    digest = protocol.digest(renderer)
    whole = Path(cache) / f"{digest}.safetensors"
    if whole.is_file():
        return Branches.load(whole)
    job = Scenes(protocol, build, Path(cache) / digest)
    job.folder.mkdir(parents=True, exist_ok=True)
    parts: list[Branches] = []

    def report() -> None:
        if progress is not None:
            done = len(list(job.folder.glob("*.safetensors"))) * len(STRATA)
            progress(min(done, protocol.contexts), protocol.contexts)

    wanted, scenes = 0, 0
    while sum(map(len, parts)) < protocol.contexts and scenes < 2 * protocol.contexts + len(STRATA):
        wanted = -(-(protocol.contexts - sum(map(len, parts))) // len(STRATA))
        numbers = list(range(scenes, scenes + wanted))
        scenes += wanted
        missing = [n for n in numbers if not job.path(n).is_file()]
        if workers > 1 and len(missing) > 1:
            in_workers(job, [missing[i::workers] for i in range(min(workers, len(missing)))], report)
        else:
            job(missing, lambda: True, report)
        parts += [part for n in numbers if len(part := Branches.load(job.path(n)))]
    if sum(map(len, parts)) < protocol.contexts:
        raise DataError("the scenes are too short for so many contexts", where=protocol.task, expected=protocol.contexts,
                        got=sum(map(len, parts)), fix="ask for fewer contexts or a shorter horizon")
    branches = joined(parts, protocol)
    branches.save(whole)
    shutil.rmtree(job.folder)
    if progress is not None:
        progress(protocol.contexts, protocol.contexts)
    return branches


@dataclass(frozen=True)
class Scenes:
    """A picklable piece of work: some scenes, each written to a file of its own."""

    protocol: Protocol
    build: Callable[[], Simulator]
    folder: Path

    def path(self, number: int) -> Path:
        return self.folder / f"scene-{number:05d}.safetensors"

    def __call__(self, numbers: list[int], alive: Callable[[], bool], done: Callable[[], None] = lambda: None) -> None:
        simulator = self.build()
        try:
            for number in numbers:
                if not alive():
                    return
                scene_branches(simulator, self.protocol, number).save(self.path(number))
                done()
        finally:
            simulator.close()


def scene_branches(simulator: Simulator, protocol: Protocol, number: int) -> Branches:
    """The branches of one scene: at most one context per stratum, a function of (protocol, number) alone."""
    spec, seed = simulator.task_spec, FIRST_SCENE + protocol.seed * 100_000 + number
    generator = np.random.default_rng([protocol.seed, number, 7])
    visit = _visit(simulator, seed, protocol.horizon, generator)
    last = min(visit.solved, len(visit.actions) - protocol.horizon + 1)
    strata = _strata(spec, visit, protocol.horizon)
    rows = []
    for stratum in range(len(STRATA)):
        steps = np.flatnonzero(strata[:last] == stratum) if last > 0 else np.zeros(0, int)
        if len(steps):
            rows.append((int(generator.choice(steps)), stratum))
    found = [_context(simulator, protocol, visit, step, generator) for step, _ in rows]

    def stack(name: str, like: ndarray) -> ndarray:
        return np.stack([one[name] for one in found]) if found else np.zeros((0, *like.shape), like.dtype)

    blank = _context(simulator, protocol, visit, 0, generator) if not found else found[0]
    return Branches(
        spec, protocol, simulator.renderer, stack("actions", blank["actions"]), stack("seen", blank["seen"]),
        stack("state", blank["state"]), {e.name: stack(f"truth/{e.name}", blank[f"truth/{e.name}"]) for e in spec.entities},
        stack("success", blank["success"]), stack("frames", blank["frames"]), np.full(len(rows), seed, np.int64),
        np.array([step for step, _ in rows], np.int64), np.array([stratum for _, stratum in rows], np.int64))


def revisit(simulator: Simulator, protocol: Protocol, scene: int) -> Visit:
    """Play a scene of these branches again, to the same bits; every step's state is saved."""
    number = scene - FIRST_SCENE - protocol.seed * 100_000
    return _visit(simulator, scene, protocol.horizon, np.random.default_rng([protocol.seed, number, 7]))


def _visit(simulator: Simulator, seed: int, horizon: int, generator: np.random.Generator) -> Visit:
    """Play the scene until `horizon` steps after success. Without an expert, by a random walk."""
    spec = simulator.task_spec
    draws, simulator.renders = simulator.renders, False
    simulator.reset(seed=seed)
    expert = simulator.expert()
    states, truth, solved = [simulator.save_state()], [simulator.truth()], spec.max_steps
    actions: list[ndarray] = []
    walk, low, high = np.zeros(spec.action.width), np.array(spec.action.low), np.array(spec.action.high)
    while len(actions) < min(spec.max_steps, solved + horizon):
        if expert is None:
            walk = np.clip(0.8 * walk + 0.4 * generator.normal(size=walk.shape) * high, low, high)
        action = walk.astype(np.float32) if expert is None else expert()
        info = simulator.step(action)[4]
        actions.append(action)
        states.append(simulator.save_state())
        truth.append(simulator.truth())
        if info["success"]:
            solved = min(solved, len(actions))
    simulator.renders = draws
    return Visit(states, np.stack(actions), truth, min(solved, len(actions)))


def _strata(spec: TaskSpec, visit: Visit, horizon: int) -> ndarray:
    """Per step, the position in STRATA: in contact if something manipulable moves within the next `horizon` steps,
    near if that is so `horizon` steps later, else free."""
    steps = len(visit.actions)
    contact = np.zeros(steps + horizon, bool)
    for entity in spec.of_group(*GROUPS["object"]):
        places = np.stack([truth[entity.name] for truth in visit.truth])
        later = places[np.minimum(np.arange(steps) + horizon, steps)]
        contact[:steps] |= moved(entity, later - places[:steps])
    return np.where(contact[:steps], 2, np.where(contact[horizon:], 1, 0))


def _context(simulator: Simulator, protocol: Protocol, visit: Visit, step: int,
             generator: np.random.Generator) -> dict[str, Any]:
    """Every action of the set from the state saved before `step`."""
    spec, horizon = simulator.task_spec, protocol.horizon
    seen = [simulator.load_state(visit.states[max(0, step - back)]) for back in range(protocol.history - 1, -1, -1)]
    factual = visit.actions[step:step + horizon].astype(np.float32)  # a user's expert may answer in float64
    factual = np.concatenate([factual, np.repeat(factual[-1:], horizon - len(factual), 0)])
    chunks = action_set(spec.action, factual, generator, protocol.actions)
    truth: dict[str, list[Any]] = {entity.name: [] for entity in spec.entities}
    success, frames = np.zeros((len(chunks), horizon + 1), bool), []
    draws, simulator.renders = simulator.renders, False
    for number, chunk in enumerate(chunks):
        simulator.load_state(visit.states[step])
        places, pictures = [simulator.truth()], []
        for ahead, action in enumerate(chunk, 1):
            success[number, ahead] = simulator.step(action)[4]["success"]
            places.append(simulator.truth())
            if ahead in protocol.offsets:
                pictures.append(simulator.render_camera())
        frames.append(np.stack([pictures[sorted(protocol.offsets).index(offset)] for offset in protocol.offsets]))
        for name, rows in truth.items():
            rows.append(np.stack([place[name] for place in places]))
    simulator.renders = draws
    return {"actions": chunks, "seen": np.stack([one["frames"][spec.cameras[0]] for one in seen]),
            "state": np.stack([one["state"] for one in seen]).astype(np.float32), "success": success,
            "frames": np.stack(frames), **{f"truth/{name}": np.stack(rows) for name, rows in truth.items()}}
