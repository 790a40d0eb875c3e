"""Uncertainties that know everything, nothing, or only what anyone could guess, beside imagined futures of mixed quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy import ndarray

from ...metric import Effects, Evidence
from ...metrics import get
from ...metrics.calibration import outcomes
from ..promise import Promise, Table, seen_by
from ..saboteurs import Truth, noisy
from . import Family, World

Unsure = Callable[[ndarray, ndarray, ndarray, np.random.Generator], ndarray]
"""(wrong [C, K], imagined motion, step, generator) to uncertainty [C, K]"""
UNSURE: Mapping[str, Unsure] = {
    "oracle": lambda wrong, motion, step, generator: wrong.astype(float),
    "noisy": lambda wrong, motion, step, generator: wrong + generator.normal(0, 1, wrong.shape),
    "constant": lambda wrong, motion, step, generator: np.zeros(wrong.shape),
    "random": lambda wrong, motion, step, generator: generator.normal(size=wrong.shape),
    "motion": lambda wrong, motion, step, generator: motion,
    "time": lambda wrong, motion, step, generator: np.broadcast_to(step[:, None], wrong.shape).astype(float),
    "overconfident": lambda wrong, motion, step, generator: -wrong.astype(float),
}


def mixed(world: World) -> Effects:
    """Every other context is imagined truly, the rest with large noise."""
    effects, generator = world.effects, np.random.default_rng(world.seed)
    truth = Truth(world.spec, {n: v[:, None, None] for n, v in effects.start.items()}, effects.real, generator)
    wrong, half = noisy(truth, 1.5), generator.random(len(effects.strata)) < 0.5
    imagined = {name: np.where(half[:, None, None, None], wrong[name], real) for name, real in effects.real.items()}
    step = np.arange(len(effects.strata)) if effects.step is None else effects.step
    return replace(effects, imagined=imagined, step=step)


def table(world: World) -> Table:
    """Every uncertainty through the metric."""
    effects = mixed(world)
    wrong, motion = outcomes(Evidence("", world.spec, effects=effects))
    assert effects.step is not None
    rows = {}
    for name, unsure in UNSURE.items():
        values = np.ascontiguousarray(unsure(wrong, motion, effects.step, np.random.default_rng(world.seed + 1)))
        evidence = Evidence(name, world.spec, effects=replace(effects, uncertainty=values))
        rows[name] = {score.metric: score.value for score in get("calibration")(evidence)}
    return rows


FAMILY = Family("uncertainty", table, (
    Promise("calibration", "calibration", "higher", {"oracle": 1.0, "constant": 0.5, "overconfident": 0.0},
            chains=(("oracle", "noisy", "overconfident"),), margin=0.1, blind=seen_by("calibration.gain", "motion")),
    Promise("calibration", "calibration.gain", "higher", {}, chains=(("oracle", "noisy", "overconfident"),)),
    Promise("calibration", "calibration.brier", "lower", {"oracle": 0.0}, chains=(("oracle", "noisy", "constant"),),
            margin=0.05, blind=seen_by("calibration", "overconfident")),
    Promise("calibration", "calibration.risk", "lower", {}, chains=(("oracle", "noisy", "constant", "overconfident"),)),
))
