"""Laws of physics: true futures of the physics scenes, and such as no world has. Each law is examined in one scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
from numpy import ndarray

from ....simulators import make
from ....spec import TaskSpec
from ...metric import Effects, Evidence
from ...metrics import get
from ..promise import Promise, Table, seen_by
from . import Family, World

OFFSETS = (2, 4, 6, 8)
SCENES: Mapping[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "drop": ((14, 18, 22, 26, 30), ("gravity", "hover")), "ramp": ((2, 4, 6), ("incline",)),
    "collision": ((4, 9, 14), ("penetration", "momentum", "onset", "reaction", "teleport")),
    "friction": ((2, 12, 20), ("material",)),
}
"""per scene: control steps that the expert takes before the saved moments, and the laws that are examined there"""
Change = Callable[[str, ndarray, ndarray], ndarray]
"""(entity, true future, start) to imagined future"""


def moves(entity: str) -> bool:
    """Whether an entity is one of the things, not the hand or the marker."""
    return entity not in ("robot", "goal")


def frozen(entity: str, real: ndarray, start: ndarray) -> ndarray:
    """Nothing ever happens."""
    return np.broadcast_to(start, real.shape)


def weightless(entity: str, real: ndarray, start: ndarray) -> ndarray:
    """Everything keeps its height."""
    return np.concatenate([real[..., :1], np.broadcast_to(start, real.shape)[..., 1:]], -1)


def teleporting(entity: str, real: ndarray, start: ndarray) -> ndarray:
    """Half-way, things are 0.3 m elsewhere, to the side and up."""
    return real + np.where(np.arange(4) > 1, 0.3, 0.0)[:, None] * -np.sign(start[..., :1] - 1e-9) * moves(entity)


def restless(entity: str, real: ndarray, start: ndarray) -> ndarray:
    """Things drift by themselves, and rise."""
    return real + 0.02 * np.arange(1, 5)[:, None] * moves(entity)


def ghostly(entity: str, real: ndarray, start: ndarray) -> ndarray:
    """What is hit stays where it is, and what hits it goes on, through it."""
    if entity == "cue":
        return start + (real[:, :, :1] - start) * np.arange(1, 5)[:, None]
    return np.broadcast_to(start, real.shape) if moves(entity) else real


SABOTEURS: Mapping[str, Change] = {
    "oracle": lambda entity, real, start: real, "frozen": frozen, "weightless": weightless, "teleporting": teleporting,
    "time_reversed": lambda entity, real, start: real[:, :, ::-1], "restless": restless, "ghostly": ghostly,
}


@cache
def truth(scene: str, seeds: int = 4) -> tuple[TaskSpec, Effects]:
    """True futures of three actions (the expert's, none, its reverse) from saved states along the expert's way."""
    world = make(f"physics/{scene}")
    world.renders = False
    starts: list[Mapping[str, ndarray]] = []
    futures: list[list[list[Mapping[str, ndarray]]]] = []
    for seed in range(seeds):
        for before in SCENES[scene][0]:
            world.reset(seed=seed)
            expert = world.expert()
            assert expert is not None
            for _ in range(before):
                world.step(expert())
            saved = world.save_state()
            starts.append(world.truth())
            futures.append([])
            for share in (1, 0, -1):
                world.load_state(saved)
                path = []
                for _ in range(max(OFFSETS)):
                    world.step(expert() * np.array([share, share, 1], np.float32))
                    path.append(world.truth())
                futures[-1].append([path[offset - 1] for offset in OFFSETS])
    world.close()
    start = {name: np.stack([one[name] for one in starts]) for name in starts[0]}
    real = {name: np.array([[[moment[name] for moment in path] for path in context] for context in futures]) for name in start}
    return world.task_spec, Effects(start, real, real, OFFSETS, ("factual", "null", "reverse"), ("contact",) * len(starts))


def table(world: World) -> Table:
    """Every way of breaking laws through every law. The world at hand has no part in it: the laws have their own."""
    rows: dict[str, dict[str, float | None]] = {name: {} for name in SABOTEURS}
    for scene, (_, laws) in SCENES.items():
        spec, effects = truth(scene)
        for name, change in SABOTEURS.items():
            made = {key: np.array(change(key, value, effects.start[key][:, None, None])) for key, value in effects.real.items()}
            scores = {s.metric: s.value for s in get("physics")(Evidence(name, spec, effects=replace(effects, imagined=made)))}
            rows[name] |= {f"physics.{law}": scores[f"physics.{law}"] for law in laws}
    return rows


STILL = seen_by("physics.reaction", "frozen", "ghostly")
FLOATING = seen_by("physics.hover", "weightless")
JUMPS = seen_by("physics.teleport", "teleporting", "time_reversed")
DRIFT = seen_by("physics.onset", "restless")
BLIND: Mapping[str, Mapping[str, str]] = {
    "gravity": DRIFT, "hover": DRIFT, "incline": DRIFT,
    "penetration": seen_by("physics.reaction", "frozen") | FLOATING | DRIFT | seen_by("physics.teleport", "time_reversed"),
    "momentum": FLOATING | seen_by("physics.reaction", "ghostly"), "onset": FLOATING | STILL,
    "reaction": FLOATING | JUMPS | DRIFT, "teleport": FLOATING | STILL, "material": FLOATING,
}
FAMILY = Family("laws", table, tuple(Promise("physics", f"physics.{law}", "lower", {"oracle": 0.0}, margin=0.01, blind=blind)
                                     for law, blind in BLIND.items()))
