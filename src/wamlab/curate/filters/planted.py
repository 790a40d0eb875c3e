"""PushWorld demonstrations that are wrong in a known way, for testing filters: every one claims to be an expert's success.

    burst           from some moment on random actions, held for a few steps each; the task is not done
    goal            the disc is pushed to another place than the ring that is seen
    jitter          the hand shakes: noise is added to every action that is executed; the task is done
    frozen          the camera stops for about half of the episode
    late pictures   every picture shows what was four steps earlier
    late actions    every recorded action is the one that was executed four steps earlier
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy import ndarray

from ...data.store import EpisodeStore
from ...errors import WamError
from ...simulators.pushworld import PushWorld
from ...types import Episode

Kind = Literal["burst", "goal", "jitter", "frozen", "late pictures", "late actions"]
KINDS: tuple[Kind, ...] = ("burst", "goal", "jitter", "frozen", "late pictures", "late actions")
LAG = 4
SHAKE = 0.6
"""standard deviation of a shaking hand, of actions in [-1, 1]"""
AFTER = 8
"""steps after the claimed success"""


def plant(store: EpisodeStore, out: str | Path, *, share: float = 0.3, seed: int = 0,
          kinds: tuple[Kind, ...] = KINDS) -> tuple[EpisodeStore, dict[int, Kind]]:
    """A copy of a PushWorld dataset in which a share of the episodes, drawn by chance, is wrong; every kind equally often.

    Returns:
        The dataset, and the kind of every wrong episode by index.

    Raises:
        WamError: if the data are not PushWorld's.
    """
    if store.task_spec.task != "pushworld":
        raise WamError("known faults are planted into PushWorld only", where=store.path, expected="pushworld",
                       got=store.task_spec.task)
    generator = np.random.default_rng([seed, 30])
    indices = store.indices()
    chosen = generator.permutation(indices)[:round(share * len(indices))]
    wrong = {int(index): kinds[number % len(kinds)] for number, index in enumerate(chosen)}
    world = PushWorld(**store.provenance.get("options", {}))
    made = EpisodeStore.open_or_create(out, store.task_spec, store.renderer, dict(store.provenance) | {
        "planted": {"share": share, "seed": seed, "kinds": list(kinds)}})
    for index in indices:
        if not made.has(index):
            good = store[index]
            made.put(index, spoilt(world, good, wrong[index], np.random.default_rng([seed, index])) if index in wrong else good)
    return made, wrong


def spoilt(world: PushWorld, good: Episode, kind: Kind, generator: np.random.Generator) -> Episode:
    """The episode of the same scene with a fault of that kind."""
    frames = good.frames["main"]
    match kind:
        case "late pictures":
            late = _without_start(good)
            return _claimed(replace(late, frames={"main": frames[:len(frames) - LAG]}))
        case "late actions":
            late = _without_start(good)
            return _claimed(replace(late, action=good.action[:len(good) - LAG]))
        case "frozen":
            length = int(len(frames) * generator.uniform(0.4, 0.6))
            start = int(generator.integers(1, len(frames) - length))
            place = np.arange(len(frames))
            place[start:start + length] = start
            return _claimed(replace(good, frames={"main": frames[place]}))
        case "jitter":
            shake = generator.normal(0, SHAKE, (world.task_spec.max_steps, 2))
            return _claimed(_played(world, good, lambda step, expert: expert + shake[step]))
        case "goal":
            actions = _elsewhere(world, int(good.meta["scene"]), generator)
            return _claimed(_played(world, good, lambda step, expert: actions[step], len(actions)))
        case "burst":
            while True:
                start, held = int(generator.integers(3, max(4, len(good) // 2))), np.zeros(2)
                actions = np.empty((len(good), 2))
                for step in range(len(good)):
                    held = generator.uniform(-1, 1, 2) if generator.random() < 0.3 or step == start else held
                    actions[step] = held

                def act(step: int, expert: ndarray, start: int = start, actions: ndarray = actions) -> ndarray:
                    return actions[step] if step >= start else expert

                made = _played(world, good, act, len(good))
                if not made.success[-1]:
                    return _claimed(made)


def _played(world: PushWorld, good: Episode, act: Callable[[int, ndarray], ndarray], steps: int | None = None) -> Episode:
    """The scene acted in; without `steps` until a little after success."""
    observation, _ = world.reset(seed=int(good.meta["scene"]))
    expert = world.expert()
    seen, truths, success, actions = [observation], [world.truth()], [False], list[ndarray]()
    left = world.task_spec.max_steps if steps is None else steps
    while left > 0:
        action = np.clip(act(len(actions), expert()), -1, 1).astype(np.float32)
        observation, _, _, _, info = world.step(action)
        left -= 1
        if steps is None and info["success"] and not any(success):
            left = min(left, AFTER)
        seen.append(observation)
        truths.append(world.truth())
        success.append(bool(info["success"]))
        actions.append(action)
    return Episode(
        task=good.task, instruction=good.instruction, frames={"main": np.stack([s["frames"]["main"] for s in seen])},
        state=np.stack([s["state"] for s in seen]), action=np.stack(actions), success=np.array(success),
        truth={name: np.stack([t[name] for t in truths]) for name in truths[0]}, meta=dict(good.meta) | {"burst": None})


def _elsewhere(world: PushWorld, scene: int, generator: np.random.Generator) -> ndarray:
    """What the expert does in that scene if the ring is somewhere else, at least three discs from where it is."""
    while True:
        world.reset(seed=scene)
        start = world.save_state()
        places = start.places.copy()
        places[3] = generator.uniform(0.2, 0.8, 2)
        if np.linalg.norm(places[3] - start.places[3]) < 0.3 or np.linalg.norm(places[3] - places[1]) < 0.2:
            continue
        world.load_state(replace(start, places=places))
        expert, actions, left = world.expert(), list[ndarray](), world.task_spec.max_steps
        while left > 0:
            action = expert()
            _, _, _, _, info = world.step(action)
            actions.append(action)
            left = min(left - 1, AFTER) if info["success"] and left > AFTER else left - 1
        if info["success"]:
            return np.stack(actions)


def _without_start(episode: Episode) -> Episode:
    """The episode without its first LAG steps: what is late would otherwise stand still there, which gives it away."""
    seen, done = slice(LAG, None), slice(LAG, None)
    later = tuple((start - LAG, text) for start, text in episode.later if start > LAG)
    assert episode.imitate is not None
    return replace(episode, instruction=episode.instruction_at(LAG), later=later, state=episode.state[seen],
                   frames={name: value[seen] for name, value in episode.frames.items()},
                   action=episode.action[done], success=episode.success[seen], imitate=episode.imitate[done], has_action=None,
                   truth={name: value[seen] for name, value in episode.truth.items()})


def _claimed(episode: Episode) -> Episode:
    """As its maker would file it: an expert's, and successful at the end."""
    success = np.zeros(len(episode) + 1, bool)
    success[-1] = True
    return replace(episode, success=success, imitate=np.ones(len(episode), bool))
