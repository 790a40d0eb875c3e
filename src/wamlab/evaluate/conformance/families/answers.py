"""Models that do what they are shown, something like it, or something of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy import ndarray

from ...metric import Answers, Evidence
from ...metrics import get
from ..promise import Promise, Table, seen_by
from ..saboteurs import sabotage
from . import Family, World

DOERS = ("oracle", "noise_0.1", "noise_0.3", "noise_1", "attenuated", "exaggerated", "wrong_direction", "frozen",
         "success_prior", "shuffled", "random", "diverse", "late")
"""saboteurs of effects, read as what is done about an offered future; "frozen" never moves, "success_prior" always does what
the expert would"""
LOOKS = ("oracle", "attenuated", "exaggerated", "noise_0.1")
"""those of them whose doing follows the offer"""


def controls(name: str, world: World) -> Mapping[str, Mapping[str, ndarray]]:
    """What comes of its own future (the factual one), a swapped one (the last action's), a frozen, a sham and no future."""
    effects = world.effects
    made = sabotage(name, effects, world.spec, world.seed).imagined
    still = {key: np.broadcast_to(value[:, None], made[key][:, 0].shape) for key, value in effects.start.items()}
    own = {key: value[:, 0] for key, value in made.items()}
    other = {key: value[:, effects.kinds.index("reverse")] for key, value in made.items()}
    looks = name in LOOKS
    return {"own": own, "swapped": other if looks else own, "sham": own, "frozen": still if looks or name == "frozen" else own,
            "blocked": still if looks else own}


def table(world: World) -> Table:
    """Every doer through CC-F2A."""
    effects, rows = world.effects, {}
    for name in DOERS:
        made = sabotage(name, effects, world.spec, world.seed)
        answers = Answers(effects.start, effects.real, made.imagined, effects.offsets, effects.kinds, effects.strata,
                          controls(name, world))
        rows[name] = {score.metric: score.value for score in get("f2a")(Evidence(name, world.spec, answers=answers))}
    return rows


FAMILY = Family("answers", table, (
    Promise("f2a", "f2a", "higher",
            {"oracle": 1.0, "frozen": 0.0, "success_prior": 0.0, "wrong_direction": -1.0, "attenuated": 0.8,
             "exaggerated": 0.8},
            chains=(("oracle", "noise_0.1", "noise_0.3", "noise_1"), ("attenuated", "shuffled"), ("oracle", "late"))),
    Promise("f2a", "f2a.specificity", "higher",
            {"oracle": 1.0, **dict.fromkeys((d for d in DOERS if d not in LOOKS), None)},
            blind=seen_by("f2a", "attenuated", "exaggerated", "noise_0.1")),
    Promise("f2a", "f2a.frozen", "lower",
            {"oracle": 0.0, "frozen": None, "success_prior": 1.0, "wrong_direction": 1.0, "shuffled": 1.0, "random": 1.0},
            blind=seen_by("f2a", "attenuated", "exaggerated", "noise_0.1")),
))
