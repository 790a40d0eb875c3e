"""Imagined effects as judges of a planner's choices: in each context the action is taken whose imagined outcome is nearest to
that of the expert's. Of five contexts, in four the expert's action solves the task."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from ...evidence import Effects, Trials
from ...metric import Evidence, entities, stacked
from ...metrics import get
from ...metrics.causal import HEADLINE, scales_of
from ..promise import Promise, Table, seen_by
from ..saboteurs import SABOTEURS, sabotage
from . import Family, World
from .effects import PROMISES
from .needing import solved


def chosen(evidence: Evidence, outcome: Mapping[str, Float[ndarray, "C K T D"]], seed: int) -> Bool[ndarray, "C"]:
    """Whether the choices solve the task. Of outcomes that are equally near, any is taken."""
    effects = evidence.effects
    assert effects is not None
    scales = scales_of(evidence)
    groups = [g for g in HEADLINE if entities(evidence.spec, g, effects.real)]
    made, real = (np.concatenate([stacked(evidence.spec, g, v, scales) for g in groups], -1)[:, :, -1]
                  for v in (outcome, effects.real))
    gap = ((made - real[:, [effects.kinds.index("factual")]]) ** 2).sum(-1)
    lots = np.random.default_rng(seed).random(gap.shape)
    return solved(effects, np.where(gap <= gap.min(1, keepdims=True) + 1e-9, lots, -1).argmax(1))


def early(effects: Effects) -> Effects:
    """Without the actions that part late: at the end of the chunk they may be where the expert's is."""
    kept = [k for k, name in enumerate(effects.kinds) if not name.startswith("late")]
    sides = {side: {name: value[:, kept] for name, value in vars(effects)[side].items()} for side in ("imagined", "real")}
    return Effects(effects.start, sides["imagined"], sides["real"], effects.offsets, tuple(effects.kinds[k] for k in kept),
                   effects.strata)


def table(world: World) -> Table:
    """Every saboteur of effects as a judge, with what the concordance says of it beside."""
    rows = {}
    for name in SABOTEURS:
        if name == "hallucinated" and not entities(world.spec, "bystander", world.effects.real):
            continue  # there is nothing that could be moved along
        made = sabotage(name, world.effects, world.spec, world.seed)
        evidence = Evidence(name, world.spec, effects=early(made))
        assert evidence.effects is not None
        arms = {"truth": chosen(evidence, evidence.effects.real, world.seed),
                "imagination": chosen(evidence, evidence.effects.imagined, world.seed)}
        judged = Evidence(name, world.spec, effects=made, trials=Trials(arms))
        rows[name] = {s.metric: s.value for metric in ("planning", "cc", "false_effect", "invariants", "onset")
                      for s in get(metric)(judged)}
    return rows


CC = next(promise for promise in PROMISES if promise.score == "cc")
FAMILY = Family("choosing", table, (
    CC,
    Promise("planning", "planning", "lower", {"oracle": 0.0}, margin=0.1,
            blind={"hallucinated": "false_effect.bystander", "leaky": "onset", "vanishing": "invariants.permanence"}
            | seen_by("cc", "noise_0.1", "noise_0.3", "attenuated", "exaggerated", "kinematic", "late", "factual_only",
                      "identity_swap", "time_reversed")),
))
