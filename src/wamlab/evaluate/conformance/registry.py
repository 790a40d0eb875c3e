"""What each metric promises about models that are known to be right or wrong, and whether it keeps the promise.

A promise covers every saboteur: it is anchored (an exact value), or ordered, or worse than the oracle by a margin, or
admitted as a blind spot together with the score that sees it. A metric without a kept promise is not to be reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from ...spec import TaskSpec
from ..metrics import discover
from ..metrics.base import Effects, Evidence
from .exhibits import EXHIBITS, FOOLED_BY
from .saboteurs import SABOTEURS, sabotage

Table = Mapping[str, Mapping[str, float | None]]
"""saboteur -> score -> value"""


@dataclass(frozen=True)
class Promise:
    """What a score promises in state space, where the oracle is exact."""

    metric: str
    score: str
    better: Literal["higher", "lower"]
    anchors: Mapping[str, float | str]
    """saboteur -> exact value, or the name of the score whose value it must have"""
    tolerance: float = 1e-6
    margin: float = 0.02
    """by how much every saboteur that is not named here must be worse than the oracle"""
    chains: tuple[tuple[str, ...], ...] = ()
    """saboteurs, each strictly worse than the one before"""
    blind: Mapping[str, str] = field(default_factory=dict)
    """saboteur -> the score that sees what this one cannot"""


@dataclass(frozen=True)
class Finding:
    """One cell of the table: metric x saboteur."""

    score: str
    saboteur: str
    value: float | None
    kept: bool
    demand: str


NOISE = ("oracle", "noise_0.1", "noise_0.3", "noise_1")
HALLUCINATION = {"hallucinated": "false_effect.bystander"}


def seen_by(score: str, *saboteurs: str) -> dict[str, str]:
    return dict.fromkeys(saboteurs, score)


PROMISES: tuple[Promise, ...] = (
    Promise("cc", "cc", "higher",
            {"oracle": 1.0, "frozen": 0.0, "action_blind": 0.0, "success_prior": 0.0, "wrong_direction": -1.0,
             "attenuated": 0.8, "exaggerated": 0.8, "kinematic": 0.5},
            chains=(NOISE, ("oracle", "late"), ("kinematic", "random"), ("attenuated", "shuffled", "wrong_direction")),
            blind=HALLUCINATION),
    Promise("identification", "identification", "higher",
            {"oracle": 1.0, **seen_by("identification.chance", "frozen", "action_blind", "success_prior")},
            chains=(("oracle", "noise_1"), ("oracle", "shuffled"), ("oracle", "random")),
            blind=HALLUCINATION | seen_by("cc", "noise_0.1", "noise_0.3", "late")),
    Promise("false_effect", "false_effect", "lower", {"oracle": 0.0, "frozen": 0.0, "attenuated": 0.0},
            blind=seen_by("miss", "kinematic") | seen_by("cc", "late", "exaggerated", "wrong_direction", "noise_0.1",
                                                         "time_reversed")),
    Promise("miss", "miss", "lower",
            {"oracle": 0.0, "frozen": 1.0, "hallucinated": 0.0, "exaggerated": 0.0, "wrong_direction": 0.0},
            blind=seen_by("cc", "attenuated", "factual_only", "noise_0.1", "noise_0.3", "noise_1", "diverse", "identity_swap",
                          "random", "time_reversed", "late", "success_prior", "action_blind")),
)


def table_of(effects: Effects, spec: TaskSpec, seed: int = 0) -> Table:
    """Every saboteur through every metric that judges effects, and through the exhibits."""
    metrics = [m for m in discover().values() if m.needs == ("effects",)]
    rows: dict[str, dict[str, float | None]] = {}
    for name in SABOTEURS:
        made = sabotage(name, effects, spec, seed)
        evidence = Evidence(name, spec, effects=made)
        rows[name] = {score.metric: score.value for metric in metrics for score in metric(evidence)}
        rows[name] |= {f"exhibit.{key}": function(made, spec) for key, function in EXHIBITS.items()}
    return rows


def check(table: Table, promises: tuple[Promise, ...] = PROMISES) -> tuple[Finding, ...]:
    """One finding per score and saboteur, and one per link of a chain."""
    return tuple(finding for promise in promises for finding in _check(table, promise))


def _check(table: Table, promise: Promise) -> list[Finding]:
    name, sign = promise.score, 1 if promise.better == "higher" else -1
    found = []
    named = {*promise.anchors, *promise.blind, *(one for chain in promise.chains for one in chain)}
    oracle = table["oracle"][name]
    for saboteur, row in table.items():
        value = row[name]
        if saboteur in promise.anchors:
            anchor = promise.anchors[saboteur]
            wanted = row[anchor] if isinstance(anchor, str) else anchor
            kept = value is not None and wanted is not None and abs(value - wanted) <= promise.tolerance
            found.append(Finding(name, saboteur, value, kept, f"= {anchor}"))
        elif saboteur in promise.blind:
            found.append(Finding(name, saboteur, value, True, f"blind, see {promise.blind[saboteur]}"))
        elif saboteur not in named:
            kept = value is not None and oracle is not None and sign * (oracle - value) >= promise.margin
            found.append(Finding(name, saboteur, value, kept, f"worse than the oracle by {promise.margin}"))
    for chain in promise.chains:
        for better, worse in pairwise(chain):
            a, b = table[better][name], table[worse][name]
            kept = a is not None and b is not None and sign * (a - b) > 0
            found.append(Finding(name, worse, b, kept, f"worse than {better}"))
    return found


def blind_spots(table: Table, promises: tuple[Promise, ...] = PROMISES, margin: float = 0.005) -> tuple[Finding, ...]:
    """Every admitted blind spot must be seen by the score that is named for it."""
    better = {promise.score: promise.better for promise in promises}
    found = []
    for promise in promises:
        for saboteur, seer in promise.blind.items():
            sign = 1 if better.get(seer, better.get(seer.split(".")[0])) == "higher" else -1
            value, oracle = table[saboteur][seer], table["oracle"][seer]
            kept = value is not None and oracle is not None and sign * (oracle - value) >= margin
            found.append(Finding(seer, saboteur, value, kept, f"sees what {promise.score} does not"))
    return tuple(found)


def fooled(table: Table) -> tuple[Finding, ...]:
    """The exhibits: each must be shown fooled by the trivial model named for it."""
    found = []
    for exhibit, (saboteur, share) in FOOLED_BY.items():
        value, oracle = table[saboteur][f"exhibit.{exhibit}"], table["oracle"][f"exhibit.{exhibit}"]
        assert value is not None and oracle is not None
        demand = f"fooled: at least {share} of {oracle:.3g}"
        found.append(Finding(f"exhibit.{exhibit}", saboteur, value, value >= share * oracle, demand))
    return tuple(found)


def cleared(findings: tuple[Finding, ...], promises: tuple[Promise, ...] = PROMISES) -> frozenset[str]:
    """Names of the metrics all of whose promises were kept."""
    broken = {finding.score for finding in findings if not finding.kept}
    return frozenset(p.metric for p in promises) - frozenset(p.metric for p in promises if p.score in broken)
