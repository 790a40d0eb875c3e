"""Demonstrations: experts, disturbed experts that recover, and play, written to a dataset.

Episode `i` is a function of (task, seed, i, kind) alone: any number of workers writes the same episodes, and a
collection that was interrupted goes on where it was.

- expert: the scripted expert, `HOLD` control steps beyond the first success, so that holding is learned too.
- noisy: the same with one burst of 2 to 4 control steps of a constant random action, from which the expert recovers.
  During the burst `imitate` is False: the actions teach dynamics, not the task.
- play: random motion that seeks contact with the object; `imitate` is False throughout.
- compass: motion of one size in eight directions, and standing still, to measure what a labeller finds (`compass.py`).
- mixed: in every ten episodes four noisy, three expert and three of play (`MIXTURE`).

An episode that an expert did not solve is kept, with `imitate` False: it shows the world, not how to do the task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy import ndarray

from ..data.store import EpisodeStore, code_version
from ..data.video import without_actions
from ..errors import UnknownName, WamError
from ..ranges import COUNT, SEED, WORKERS
from ..simulators import Simulator, make
from ..types import Episode
from .compass import compass_player
from .workers import in_workers

Kind = Literal["expert", "noisy", "play", "compass"]
KINDS: tuple[Kind, ...] = ("expert", "noisy", "play", "compass")
AIMLESS: tuple[Kind, ...] = ("play", "compass")
"""kinds that do not try to solve the task"""
MIXTURE: tuple[Kind, ...] = ("noisy", "expert", "play", "noisy", "expert", "noisy", "play", "noisy", "expert", "play")
HOLD = 8
"""control steps that an expert goes on after the first success"""
PLAY_STEPS = 60
SCENES = 1_000_000
"""collection uses scenes below this number, evaluation scenes from here on"""
PER_SEED = 10_000
"""scenes that one collection seed has to itself; more episodes than this start over with the next seed's"""


def kind_of(kind: str, index: int) -> Kind:
    """What episode `index` of a collection of `kind` is. Raises UnknownName."""
    known: dict[str, tuple[Kind, ...]] = {one: (one,) for one in KINDS} | {"mixed": MIXTURE}
    if kind not in known:
        raise UnknownName("kind of collection", kind, known)
    return known[kind][index % len(known[kind])]


def scene_of(seed: int, index: int) -> int:
    """The simulator seed of episode `index`: no two episodes of a collection share one. Collections whose seeds differ by a
    multiple of 100 show the same scenes."""
    return (seed * PER_SEED + index) % SCENES


def collect(task: str, episodes: int, out: str | Path, *, seed: int = 0, kind: str = "expert", video: bool = False,
            workers: int = 2, progress: Callable[[int, int], None] | None = None, options: Mapping[str, Any] | None = None,
            modalities: Sequence[str] = ()) -> EpisodeStore:
    """Write episodes 0 to `episodes` - 1 to the dataset `out`; those that are there already are left as they are.

    Args:
        task: a name for `simulators.make`; `options` are its keyword arguments.
        kind: "expert", "noisy", "play", "compass" or "mixed".
        video: withhold actions and proprioception, as in a video of the same.
        workers: processes; 1 stays in this one.
        progress: called with (episodes there, episodes wanted).
        modalities: what to measure at each observation beside the frames (`Simulator.modalities`).

    Raises:
        UnknownName, WamError: for a task, kind, modality or number that cannot be.
        DataError: if `out` holds another collection or cannot be written.
    """
    COUNT.check(episodes, "episodes", "collect needs at least one episode")
    WORKERS.check(workers, "workers")
    SEED.check(seed, "seed")
    kind_of(kind, 0)
    chosen = dict(options or {})
    simulator = make(task, **chosen)
    try:
        if simulator.expert() is None and kind not in AIMLESS:
            raise WamError(f"{task} has no scripted expert", where="kind", expected=" or ".join(AIMLESS), got=kind)
        asked = tuple(sorted(set(modalities)))
        for name in asked:
            if name not in simulator.modalities():
                raise UnknownName(f"modality of {task}", name, simulator.modalities())
        said: dict[str, Any] = {"source": "collect", "kind": kind, "seed": seed, "simulator": task, "options": chosen}
        said |= ({"video": True} if video else {}) | ({"modalities": asked} if asked else {})
        store = EpisodeStore.open_or_create(out, simulator.task_spec, simulator.renderer, said)
        wanted = [index for index in range(episodes) if not store.has(index)]
        job = Collection(task, chosen, Path(out), seed, kind, video, asked)
        if workers == 1 or len(wanted) <= 1:
            job.write(simulator, wanted, lambda: _report(progress, store, episodes))
        else:
            parts = [wanted[number::workers] for number in range(min(workers, len(wanted)))]
            in_workers(job, parts, lambda: _report(progress, store, episodes))
    finally:
        simulator.close()
    return store


def _report(progress: Callable[[int, int], None] | None, store: EpisodeStore, episodes: int) -> None:
    if progress is not None:
        progress(sum(index < episodes for index in store.indices()), episodes)


@dataclass(frozen=True)
class Collection:
    """What a worker process needs to know; called with the indices that are its share."""

    task: str
    options: dict[str, Any]
    path: Path
    seed: int
    kind: str
    video: bool
    modalities: tuple[str, ...] = ()

    def __call__(self, indices: list[int], alive: Callable[[], bool]) -> None:
        simulator = make(self.task, **self.options)
        try:
            self.write(simulator, indices, lambda: None, alive)
        finally:
            simulator.close()

    def write(self, simulator: Simulator, indices: list[int], done: Callable[[], None],
              alive: Callable[[], bool] = lambda: True) -> None:
        store = EpisodeStore.open(self.path)
        for index in indices:
            if not alive():
                return
            episode = demonstrate(simulator, kind_of(self.kind, index), self.seed, index, self.modalities)
            if not store.has(index):
                store.put(index, without_actions(episode) if self.video else episode)
            done()


def demonstrate(simulator: Simulator, kind: Kind, seed: int, index: int, modalities: Sequence[str] = ()) -> Episode:
    """Episode `index` of kind `kind`; the simulator's own state before does not matter."""
    scene = scene_of(seed, index)
    generator = np.random.default_rng([seed, index, KINDS.index(kind)])
    action_spec = simulator.task_spec.action
    low, high = np.array(action_spec.low), np.array(action_spec.high)
    start, length = (int(generator.integers(1, 15)), int(generator.integers(2, 5))) if kind == "noisy" else (-1, 0)
    push = generator.uniform(low, high)
    observation, _ = simulator.reset(seed=scene)
    makers = {"play": player, "compass": compass_player}
    decide = makers[kind](simulator, generator) if kind in AIMLESS else simulator.expert()
    if decide is None:
        raise WamError(f"{simulator.task_spec.task} has no scripted expert", where="kind", expected=" or ".join(AIMLESS),
                       got=kind)
    seen, truths, success, imitate = [observation], [simulator.truth()], [False], list[bool]()
    measure = {name: simulator.modalities()[name] for name in modalities}
    measured = {name: [read()] for name, read in measure.items()}
    described = {"modalities": {name: {"shape": list(measured[name][0].shape), **simulator.describe(name)}
                                for name in measure}} if measure else {}
    actions: list[ndarray] = []
    budget = min(PLAY_STEPS, simulator.task_spec.max_steps) if kind in AIMLESS else simulator.task_spec.max_steps
    left = budget
    while left > 0:
        disturbed = start <= len(actions) < start + length
        action = (push if disturbed else decide()).astype(np.float32)
        observation, _, _, _, info = simulator.step(action)
        left -= 1
        if info["success"] and not any(success) and kind not in AIMLESS:
            left = min(left, HOLD)
        seen.append(observation)
        truths.append(simulator.truth())
        for name, read in measure.items():
            measured[name].append(read())
        actions.append(action)
        success.append(info["success"])
        imitate.append(not disturbed and kind not in AIMLESS)
    burst = [start, min(length, len(actions) - start)] if kind == "noisy" and start < len(actions) else None
    spec = simulator.task_spec
    return Episode(
        task=spec.task, instruction=spec.instruction,
        frames={name: np.stack([one["frames"][name] for one in seen]) for name in spec.cameras},
        state=np.stack([one["state"] for one in seen]), action=np.stack(actions), success=np.array(success),
        truth={entity.name: np.stack([one[entity.name] for one in truths]) for entity in spec.entities},
        imitate=np.array(imitate) & any(success),
        meta={"source": kind, "seed": seed, "index": index, "scene": scene, "renderer": simulator.renderer,
              "simulator": type(simulator).__name__, "wamlab": code_version(), "burst": burst, **described,
              **({"conditions": simulator.conditions()} if simulator.conditions() else {})},
        modalities={name: np.stack(values) for name, values in measured.items()})


def player(simulator: Simulator, generator: np.random.Generator) -> Callable[[], ndarray]:
    """Random motion that seeks contact: two thirds of the stretches head for a point near an object for 8 to 16
    control steps, the others keep a random direction for 3 to 8; all do where the spec has no robot or no object to head for.
    Needs actions whose first channels move the robot's position."""
    spec = simulator.task_spec
    low, high = np.array(spec.action.low), np.array(spec.action.high)
    robots = spec.of_group("robot")
    things = spec.of_group("object", "bystander") if robots else ()
    axes = min(spec.action.width, *(len(entity.channels) for entity in (robots[0], *things))) if things else 0
    left, held, target = 0, np.zeros(spec.action.width), np.zeros(axes)
    seeking = False

    def act() -> ndarray:
        nonlocal left, held, target, seeking
        truth = simulator.truth()
        if left == 0:
            held = generator.uniform(low, high)
            seeking = bool(things) and generator.random() < 2 / 3
            left = int(generator.integers(8, 17) if seeking else generator.integers(3, 9))
            if seeking:
                thing = things[int(generator.integers(len(things)))]
                target = truth[thing.name][:axes] + generator.normal(0, 3 * thing.tolerance, axes)
        left -= 1
        action = held.copy()
        if seeking:
            way = target - truth[robots[0].name][:axes]
            action[:axes] = np.where(way > 0, high[:axes], -low[:axes]) * way / (np.abs(way).max() + 1e-9)
        return np.clip(action, low, high)

    return act
