"""Policies that need their imagination, do not, or break at any change of it: what each does about the future that it is shown
is chosen among the true branches of each context. Of five contexts, in four the expert's action solves the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from ...evidence import Effects, Trials
from ...metric import Evidence
from ...metrics import get
from ..promise import Promise, Table, seen_by
from . import Family, World

Moves = Mapping[str, Float[ndarray, "C T D"]]
Acts = Callable[[Effects, Moves, Moves, np.random.Generator], Int[ndarray, "C"]]
"""(true branches, what is shown, what it would imagine itself, generator) to the number of the action that is executed"""
IMAGINES: Mapping[str, str] = {"misled": "reverse"}
"""action whose true future a policy imagines; all others imagine the expert's"""


def moves(effects: Effects, kind: str) -> Moves:
    """True displacements that an action causes."""
    k = effects.kinds.index(kind)
    return {name: real[:, k] - effects.start[name][:, None] for name, real in effects.real.items()}


def follow(effects: Effects, shown: Moves, own: Moves, generator: np.random.Generator) -> Int[ndarray, "C"]:
    """The action whose future is nearest to what is shown."""
    gaps = [((real - effects.start[name][:, None, None] - shown[name][:, None]) ** 2).sum((2, 3))
            for name, real in effects.real.items()]
    return np.sum(gaps, axis=0).argmin(1)


def expert(effects: Effects, shown: Moves, own: Moves, generator: np.random.Generator) -> Int[ndarray, "C"]:
    """The expert's action, whatever is shown."""
    return np.full(len(effects.strata), effects.kinds.index("factual"))


def idle(effects: Effects, shown: Moves, own: Moves, generator: np.random.Generator) -> Int[ndarray, "C"]:
    """Nothing, whatever is shown."""
    return np.full(len(effects.strata), effects.kinds.index("null"))


def anything(effects: Effects, shown: Moves, own: Moves, generator: np.random.Generator) -> Int[ndarray, "C"]:
    """Any action, the same whatever is shown."""
    return generator.integers(len(effects.kinds), size=len(effects.strata))


def trembling(effects: Effects, shown: Moves, own: Moves, generator: np.random.Generator) -> Int[ndarray, "C"]:
    """Follows in two of three contexts."""
    often = np.arange(len(effects.strata)) % 3 != 0
    return np.where(often, follow(effects, shown, own, generator), anything(effects, shown, own, generator))


def fragile(effects: Effects, shown: Moves, own: Moves, generator: np.random.Generator) -> Int[ndarray, "C"]:
    """Does what the expert would as long as it is shown its own future to the last digit, else nothing."""
    same = all((shown[name] == own[name]).all() for name in shown)
    return (expert if same else idle)(effects, shown, own, generator)


POLICIES: Mapping[str, Acts] = {"oracle": follow, "trembling": trembling, "misled": follow, "decorative": expert, "idle": idle,
                                "random": anything, "fragile": fragile}


def solved(effects: Effects, done: Int[ndarray, "C"]) -> Bool[ndarray, "C"]:
    """Whether the task is solved by these actions."""
    return (done == effects.kinds.index("factual")) & (np.arange(len(done)) % 5 != 0)


def table(world: World) -> Table:
    """Every policy shown its own future, its reverse, one that hardly differs, and the expert's."""
    effects, rows = world.effects, {}
    for name, act in POLICIES.items():
        own = moves(effects, IMAGINES.get(name, "factual"))
        shown = {"own": own, "swapped": moves(effects, "reverse"), "oracle": moves(effects, "factual"),
                 "sham": {entity: value + 1e-9 for entity, value in own.items()}}
        arms = {arm: solved(effects, act(effects, future, own, np.random.default_rng(world.seed)))
                for arm, future in shown.items()}
        rows[name] = {s.metric: s.value for s in get("necessity")(Evidence(name, world.spec, trials=Trials(arms)))}
    return rows


WITHOUT = dict.fromkeys(("decorative", "idle", "random"), 0.0)
FAMILY = Family("needing", table, (
    Promise("necessity", "necessity", "higher", WITHOUT, chains=(("oracle", "trembling", "decorative"), ("oracle", "misled")),
            blind=seen_by("necessity.sham", "fragile")),
    Promise("necessity", "necessity.headroom", "lower", {"oracle": 0.0, **WITHOUT, "fragile": 0.0, "trembling": 0.0}),
    Promise("necessity", "necessity.sham", "lower", {"oracle": 0.0, **WITHOUT, "trembling": 0.0, "misled": 0.0}),
))
