"""Imagined effects in state space: everything that judges whether the future follows the action."""

from __future__ import annotations

from collections.abc import Mapping

from ....spec import TaskSpec
from ...metric import Effects, Evidence, entities
from ...metrics import discover
from ..exhibits import EXHIBITS
from ..promise import Promise, Table, seen_by
from ..saboteurs import SABOTEURS, sabotage
from . import Family

NOISE = ("oracle", "noise_0.1", "noise_0.3", "noise_1")
HALLUCINATION = {"hallucinated": "false_effect.bystander"}
SIZE = ("attenuated", "exaggerated")
LEAK = {"leaky": "onset"}
GONE = {"vanishing": "invariants.permanence"}
WAITING = LEAK | GONE | seen_by("cc", "frozen", "attenuated", "exaggerated", "wrong_direction", "kinematic", "late",
                                "identity_swap", "time_reversed")
POSSIBLE = LEAK | seen_by("cc", "attenuated", "exaggerated", "wrong_direction", "kinematic", "frozen", "action_blind",
                          "success_prior", "shuffled", "late", "identity_swap", "time_reversed", "noise_0.1")
PROMISES: tuple[Promise, ...] = (
    Promise("cc", "cc", "higher",
            {"oracle": 1.0, "frozen": 0.0, "action_blind": 0.0, "success_prior": 0.0, "wrong_direction": -1.0,
             "attenuated": 0.8, "exaggerated": 0.8, "kinematic": 0.5},
            chains=(NOISE, ("oracle", "late"), ("kinematic", "random"), ("attenuated", "shuffled", "wrong_direction")),
            blind=HALLUCINATION | LEAK | GONE),
    Promise("identification", "identification", "higher",
            {"oracle": 1.0, **seen_by("identification.chance", "frozen", "action_blind", "success_prior")},
            chains=(("oracle", "noise_1"), ("oracle", "shuffled"), ("oracle", "random")),
            blind=HALLUCINATION | seen_by("cc", "noise_0.1", "noise_0.3", "late") | LEAK | GONE),
    Promise("false_effect", "false_effect", "lower", {"oracle": 0.0, "frozen": 0.0, "attenuated": 0.0},
            blind=seen_by("miss", "kinematic") | seen_by("cc", "late", "exaggerated", "wrong_direction", "noise_0.1",
                                                         "time_reversed") | LEAK),
    Promise("miss", "miss", "lower",
            {"oracle": 0.0, "frozen": 1.0, "hallucinated": 0.0, "exaggerated": 0.0, "wrong_direction": 0.0, "vanishing": 0.0},
            blind=seen_by("cc", "attenuated", "factual_only", "noise_0.1", "noise_0.3", "noise_1", "diverse", "identity_swap",
                          "random", "time_reversed", "late", "success_prior", "action_blind") | LEAK),
    Promise("dose", "dose", "higher",
            {"oracle": 1.0, "frozen": 0.0, "action_blind": 0.0, "success_prior": 0.0, "wrong_direction": -1.0},
            chains=(("oracle", "noise_1", "random"), ("oracle", "shuffled"), ("oracle", "kinematic")),
            blind=HALLUCINATION | LEAK | GONE | seen_by("dose.robot.skill", *SIZE, "late", "noise_0.3", "identity_swap")
            | seen_by("cc", "noise_0.1")),
    *(Promise("dose", f"dose.{group}.slope", "higher",
              {"oracle": 1.0, "frozen": 0.0, "action_blind": 0.0, "success_prior": 0.0, "wrong_direction": -1.0,
               "attenuated": 0.5, "exaggerated": 2.0, "kinematic": 1.0 if group == "robot" else 0.0},
              blind=HALLUCINATION | LEAK | GONE | seen_by("cc", "noise_0.1")
              | seen_by(f"dose.{group}.skill", *NOISE[2:], "late", "identity_swap", "diverse"))
      for group in ("robot", "object")),
    Promise("dose", "dose.robot.violations", "lower",
            {"oracle": 0.0, "frozen": 0.0, "action_blind": 0.0, "success_prior": 0.0, "attenuated": 0.0, "exaggerated": 0.0,
             "wrong_direction": 1.0, "kinematic": 0.0, "hallucinated": 0.0, "vanishing": 0.0},
            blind=seen_by("cc", *NOISE[1:], "late", "identity_swap", "time_reversed") | LEAK),
    Promise("null_action", "null_action", "higher", {"oracle": 1.0}, chains=(NOISE, ("oracle", "action_blind"),
                                                                             ("oracle", "success_prior")),
            blind=HALLUCINATION | WAITING),
    Promise("onset", "onset", "lower",
            {**dict.fromkeys(("frozen", "action_blind", "success_prior"), None),
             **dict.fromkeys(("oracle", *SIZE, "wrong_direction", "kinematic", "hallucinated", "late", "identity_swap",
                              "vanishing"), 0.0)},
            chains=(NOISE, ("oracle", "leaky", "time_reversed"))),
    Promise("regret", "regret", "lower",
            {"oracle": 0.0, "frozen": 1.0, "action_blind": 1.0, "success_prior": 1.0, "kinematic": 1.0, "attenuated": 0.0,
             "exaggerated": 0.0},
            chains=(("frozen", "wrong_direction"),),
            blind=HALLUCINATION | seen_by("regret.tau", "noise_0.1", "noise_0.3", "noise_1", "identity_swap")
            | seen_by("cc", "late") | LEAK | GONE),
    Promise("regret", "regret.tau", "higher",
            {"oracle": 1.0, "frozen": 0.0, "action_blind": 0.0, "success_prior": 0.0, "kinematic": 0.0,
             "wrong_direction": -1.0}, chains=(NOISE,), blind=HALLUCINATION | seen_by("cc", *SIZE, "late") | LEAK | GONE),
    Promise("invariants", "invariants", "lower", {"oracle": 0.0, "frozen": 0.0, "kinematic": 0.0},
            chains=(("oracle", "noise_1"),),
            blind=POSSIBLE | HALLUCINATION),
    Promise("invariants", "invariants.permanence", "lower", {"oracle": 0.0, "frozen": 0.0, "kinematic": 0.0, "vanishing": 1.0},
            blind=POSSIBLE | HALLUCINATION | seen_by("cc", "noise_0.3", "noise_1", "random", "factual_only", "diverse")),
)


def table_of(effects: Effects, spec: TaskSpec, seed: int = 0) -> Table:
    """Every saboteur through every metric that judges effects, and through the exhibits."""
    metrics = [m for m in discover().values() if m.needs == ("effects",)]
    rows: dict[str, Mapping[str, float | None]] = {}
    for name in SABOTEURS:
        if name == "hallucinated" and not entities(spec, "bystander", effects.real):
            continue  # there is nothing that could be moved along
        made = sabotage(name, effects, spec, seed)
        evidence = Evidence(name, spec, effects=made)
        row = {score.metric: score.value for metric in metrics for score in metric(evidence)}
        rows[name] = row | {f"exhibit.{key}": function(made, spec) for key, function in EXHIBITS.items()}
    return rows


FAMILY = Family("effects", lambda world: table_of(world.effects, world.spec, world.seed), PROMISES)
