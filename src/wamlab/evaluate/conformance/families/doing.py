"""Imagined effects, taken for what the robot does in them, and done: which of them come out as imagined?

The decoder is the simplest that needs no simulator: of the actions tried from a state, the one whose true motion of the
robot is nearest. Its consequence is that action's true future.
"""

from __future__ import annotations

import numpy as np

from ....spec import TaskSpec
from ...metric import Decoded, Effects, Evidence, entities, positions, sigma
from ...metrics import get
from ..promise import Promise, Table, seen_by
from ..saboteurs import SABOTEURS, sabotage
from . import Family, World
from .effects import NOISE, PROMISES


def done(made: Effects, spec: TaskSpec) -> Decoded:
    """What comes of doing what the robot does in these futures."""
    robot = entities(spec, "robot", made.real)[0]
    width = positions(robot)
    gap = made.imagined[robot.name][:, :, None, :, :width] - made.real[robot.name][:, None, :, :, :width]
    nearest = (gap**2).sum((3, 4)).argmin(2)
    came = {name: np.take_along_axis(value, nearest[:, :, None, None], 1) for name, value in made.real.items()}
    still = np.zeros((*nearest.shape, len(made.offsets), spec.action.width))
    return Decoded(made.start, made.imagined, made.real, made.real, still, {"nearest": still}, {"nearest": still},
                   {"nearest": came}, {"nearest": made.real}, made.offsets)


def table(world: World) -> Table:
    """Every saboteur of effects, with what the concordance says of it beside."""
    rows = {}
    effects, spec = world.effects, world.spec
    scales = {e.name: sigma(e, effects.real[e.name] - effects.start[e.name][:, None, None]) for e in spec.entities
              if e.name in effects.real}
    for name in SABOTEURS:
        if name == "hallucinated" and not entities(spec, "bystander", effects.real):
            continue  # there is nothing that could be moved along
        made = sabotage(name, effects, spec, world.seed)
        evidence = Evidence(name, spec, effects=made, decoded=done(made, spec), scales=scales)
        rows[name] = {s.metric: s.value for metric in ("plausibility", "cc", "false_effect", "invariants", "onset")
                      for s in get(metric)(evidence)}
    return rows


CC = next(promise for promise in PROMISES if promise.score == "cc")
POSSIBLE = (seen_by("cc", "frozen", "action_blind", "success_prior", "shuffled", "attenuated", "kinematic", "late")
            | {"hallucinated": "false_effect.bystander", "leaky": "onset"})
"""futures that may well be done, but not by the action that was asked about: plausible, and wrong"""
FAMILY = Family("doing", table, (
    CC,
    Promise("plausibility", "plausibility.nearest.error", "lower", {"oracle": 0.0}, chains=(NOISE,), blind=POSSIBLE),
    Promise("plausibility", "plausibility.nearest.reached", "higher", {"oracle": 1.0}, chains=(("noise_0.3", "noise_1"),),
            blind=POSSIBLE | seen_by("plausibility.nearest.error", "noise_0.1", "noise_0.3")),
))
