"""Policies in state space that follow their imagination, ignore it, or fool themselves: what is executed and what is imagined
are chosen among the true branches of each context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from ....types import Episode, Imagined
from ...metric import Evidence, Foresight
from ...metrics import get
from ..promise import Promise, Table, seen_by
from . import Family, World


@dataclass(frozen=True)
class Plan:
    """One kind of policy."""

    executes: str
    """name of the action; only the expert's, "factual", ever solves anything"""
    imagines: str = ""
    """name of the action whose true future it imagines; empty: that nothing changes"""
    elsewhere: bool = False
    """it imagines that for the scene of another context"""
    noise: float = 0.0
    """of the imagination, in sigma"""
    hopes: bool | None = None
    """whether it always (never) imagines success; None: as it will be"""


PLANS: Mapping[str, Plan] = {
    "oracle": Plan("factual", "factual"),
    "noisy": Plan("factual", "factual", noise=0.3),
    "decoupled": Plan("factual", "factual", elsewhere=True),
    "decoupled_frozen": Plan("factual", ""),
    "wrong_goal": Plan("reverse", "reverse"),
    "lucky": Plan("factual", "reverse"),
    "optimist": Plan("random direction", "factual", hopes=True),
    "pessimist": Plan("factual", "factual", hopes=False),
    "idle": Plan("null", ""),
}


def evidence_for(name: str, world: World) -> Evidence:
    """Episodes of one chunk, a context each. Four of five factual branches count as solved."""
    effects, plan = world.effects, PLANS[name]
    contexts, generator = len(effects.strata), np.random.default_rng(world.seed)
    done = effects.kinds.index(plan.executes if plan.executes in effects.kinds else "turn +90")
    solved = (np.arange(contexts) % 5 != 0) & (plan.executes == "factual")
    real = {key: value[:, done] for key, value in effects.real.items()}
    imagined: dict[str, ndarray] = {}
    for key, start in effects.start.items():
        move = np.zeros_like(real[key]) if not plan.imagines else (
            effects.real[key][:, effects.kinds.index(plan.imagines)] - start[:, None])
        sigma = float(np.sqrt(((real[key] - start[:, None]) ** 2).mean()))
        move = np.roll(move, 1, 0) if plan.elsewhere else move
        imagined[key] = start[:, None] + move + generator.normal(0, 1, move.shape) * plan.noise * sigma
    hoped = solved if plan.hopes is None else np.full(contexts, plan.hopes)
    steps = len(effects.offsets)
    made, came = ({key: value.reshape(-1, value.shape[-1]) for key, value in side.items()} for side in (imagined, real))
    begun = {key: np.repeat(value, steps, 0) for key, value in effects.start.items()}
    index = np.repeat(np.arange(contexts), steps)
    foresight = Foresight(index, index, begun, made, came, None, hoped, solved)
    return Evidence(name, world.spec, tuple(episode(bool(s)) for s in solved), foresight=foresight)


def episode(solved: bool) -> Episode:
    """Two decisions of a known duration without anything to see."""
    plans = tuple(Imagined(t, np.zeros((1, 1), np.float32), seconds=0.05) for t in range(2))
    return Episode("conformance", "", {"main": np.zeros((3, 1, 1, 3), np.uint8)}, np.zeros((3, 1), np.float32),
                   np.zeros((2, 1), np.float32), np.array([False, False, solved]), imagined=plans)


def table(world: World) -> Table:
    """Every policy through success, agreement and foresight."""
    rows = {}
    for name in PLANS:
        evidence = evidence_for(name, world)
        rows[name] = {s.metric: s.value for metric in ("success", "pea", "specific", "fcs", "latency", "latency_p95")
                      for s in get(metric)(evidence)}
    return rows


FAMILY = Family("plans", table, (
    Promise("success", "success", "higher", {**dict.fromkeys(("oracle", "pessimist"), "success.held"),
                                             **dict.fromkeys(("wrong_goal", "optimist", "idle"), 0.0)},
            blind=seen_by("pea", "noisy") | seen_by("fcs", "decoupled", "lucky", "decoupled_frozen")),
    Promise("pea", "pea", "higher", {"oracle": 1.0, "decoupled_frozen": 0.0, "wrong_goal": 1.0, "pessimist": 1.0},
            chains=(("oracle", "noisy"), ("oracle", "decoupled"), ("oracle", "lucky")), blind=seen_by("success", "idle")),
    Promise("specific", "specific", "higher", {"oracle": 1.0, "wrong_goal": 1.0, "pessimist": 1.0, "decoupled_frozen": 0.0},
            chains=(("oracle", "noisy", "decoupled"),), blind=seen_by("success", "idle")),
    Promise("fcs", "fcs", "higher", {"oracle": "success", "decoupled_frozen": 0.0, "wrong_goal": 0.0, "idle": 0.0,
                                     "optimist": 0.0, "lucky": 0.0},
            blind=seen_by("pea", "noisy") | seen_by("fcs.pessimism", "pessimist")),
    Promise("fcs", "fcs.lucky", "lower", {"oracle": 0.0, "decoupled_frozen": 1.0, "lucky": 1.0, "wrong_goal": None,
                                          "optimist": None, "idle": None},
            blind=seen_by("pea", "noisy") | seen_by("fcs.pessimism", "pessimist")),
    Promise("fcs", "fcs.optimism", "lower", {**dict.fromkeys((n for n in PLANS if n != "optimist"), 0.0), "optimist": 1.0}),
    Promise("fcs", "fcs.pessimism", "lower", {n: 0.0 for n in PLANS if n != "pessimist"}),
    *(Promise(name, f"{name}.total", "lower", dict.fromkeys(PLANS, 0.05)) for name in ("latency", "latency_p95")),
))
