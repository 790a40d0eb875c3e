"""What each metric promises about models that are known to be right or wrong, and whether it keeps the promise.

A promise covers every saboteur: it is anchored (an exact value), or ordered, or worse than the oracle by a margin, or
admitted as a blind spot together with the score that sees it. A metric without a kept promise is not to be reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Table = Mapping[str, Mapping[str, float | None]]
"""saboteur -> score -> value"""


@dataclass(frozen=True)
class Promise:
    """What a score promises about every saboteur of its family."""

    metric: str
    score: str
    better: Literal["higher", "lower"]
    anchors: Mapping[str, float | str | None]
    """saboteur -> exact value, or the name of the score whose value it must have; None: it must be unavailable"""
    tolerance: float = 1e-6
    margin: float = 0.02
    """by how much every saboteur that is not named here must be worse than the oracle"""
    chains: tuple[tuple[str, ...], ...] = ()
    """saboteurs, each strictly worse than the one before"""
    blind: Mapping[str, str] = field(default_factory=dict)
    """saboteur -> the score that sees what this one cannot"""
    may_refuse: frozenset[str] = frozenset()
    """saboteurs on which it may be unavailable instead: who does not judge is not fooled. Never the oracle"""


@dataclass(frozen=True)
class Finding:
    """One cell of the table: metric x saboteur."""

    score: str
    saboteur: str
    value: float | None
    kept: bool
    demand: str


def check(table: Table, promises: tuple[Promise, ...]) -> tuple[Finding, ...]:
    """One finding per score and saboteur, and one per link of a chain."""
    return tuple(finding for promise in promises for finding in _check(table, promise))


def _check(table: Table, promise: Promise) -> list[Finding]:
    name, sign = promise.score, 1 if promise.better == "higher" else -1
    found = []
    named = {*promise.anchors, *promise.blind, *(one for chain in promise.chains for one in chain)}
    oracle = table["oracle"].get(name)
    for saboteur, row in table.items():
        value = row.get(name)
        if value is None and saboteur in promise.may_refuse:
            found.append(Finding(name, saboteur, value, True, "not judged"))
        elif saboteur in promise.anchors:
            anchor = promise.anchors[saboteur]
            wanted = row.get(anchor) if isinstance(anchor, str) else anchor
            kept = value is wanted is None or (value is not None and wanted is not None
                                               and abs(value - wanted) <= promise.tolerance)
            found.append(Finding(name, saboteur, value, kept, "unavailable" if anchor is None else f"= {anchor}"))
        elif saboteur in promise.blind:
            found.append(Finding(name, saboteur, value, True, f"blind, see {promise.blind[saboteur]}"))
        elif saboteur not in named:
            kept = value is not None and oracle is not None and sign * (oracle - value) >= promise.margin
            found.append(Finding(name, saboteur, value, kept, f"worse than the oracle by {promise.margin}"))
    for chain in promise.chains:
        for better, worse in pairwise(s for s in chain if s in table):
            a, b = table[better].get(name), table[worse].get(name)
            if promise.may_refuse & {s for s, v in ((better, a), (worse, b)) if v is None}:
                continue
            kept = a is not None and b is not None and sign * (a - b) > 0
            found.append(Finding(name, worse, b, kept, f"worse than {better}"))
    return found


def blind_spots(table: Table, promises: tuple[Promise, ...], margin: float = 0.005) -> tuple[Finding, ...]:
    """Every admitted blind spot must be seen by the score that is named for it."""
    better = {promise.score: promise.better for promise in promises}
    found: list[Finding] = []
    for promise in promises:
        for saboteur, seer in ((s, by) for s, by in promise.blind.items() if s in table):
            sign = 1 if better.get(seer, better.get(seer.split(".")[0])) == "higher" else -1
            value, oracle = table[saboteur].get(seer), table["oracle"].get(seer)
            kept = value is not None and oracle is not None and sign * (oracle - value) >= margin
            found.append(Finding(seer, saboteur, value, kept, f"sees what {promise.score} does not"))
    return tuple(found)


def seen_by(score: str, *saboteurs: str) -> dict[str, str]:
    """Blind spots that one score sees."""
    return dict.fromkeys(saboteurs, score)


def cleared(findings: tuple[Finding, ...], promises: tuple[Promise, ...]) -> frozenset[str]:
    """Names of the metrics all of whose promises were kept."""
    broken = {finding.score for finding in findings if not finding.kept}
    return frozenset(p.metric for p in promises) - frozenset(p.metric for p in promises if p.score in broken)
