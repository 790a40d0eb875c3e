"""Which metrics kept their promises, in which world; and the published scores, shown fooled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import families
from .exhibits import FOOLED_BY
from .families import Family, World
from .promise import Finding, Table, blind_spots, check, cleared


@dataclass(frozen=True)
class Examination:
    """What conformance found in one world."""

    world: str
    tables: Mapping[str, Table]
    """per family"""
    findings: tuple[Finding, ...]
    """promises kept and broken, and admitted blind spots with what sees them"""
    exhibits: tuple[Finding, ...]
    """published scores and the trivial models that win them; kept means: shown fooled"""
    cleared: frozenset[str]
    """names of the metrics that kept all their promises here"""
    failed: frozenset[str]
    """names of those that broke one"""

    @property
    def broken(self) -> tuple[Finding, ...]:
        return tuple(f for f in (*self.findings, *self.exhibits) if not f.kept)


def examine(world: World, chosen: Mapping[str, Family] | None = None) -> Examination:
    """Every family (all of the package if None) in a world; those that need pictures or a readout only where there are some."""
    tables: dict[str, Table] = {}
    findings: list[Finding] = []
    passed: set[str] = set()
    failed: set[str] = set()
    for family in (families.discover() if chosen is None else chosen).values():
        if not family.suits(world):
            continue
        table = tables[family.name] = family.table(world)
        kept = check(table, family.promises)
        findings += [*kept, *blind_spots(table, family.promises)]
        good = cleared(kept, family.promises)
        passed |= good
        failed |= {p.metric for p in family.promises} - good
    exhibits = fooled(tables["effects"]) if "effects" in tables else ()
    return Examination(world.name, tables, tuple(findings), exhibits, frozenset(passed - failed), frozenset(failed))


def fooled(table: Table) -> tuple[Finding, ...]:
    """The exhibits: each must be shown fooled by the trivial model named for it."""
    found = []
    for exhibit, (saboteur, share) in FOOLED_BY.items():
        value, oracle = table[saboteur][f"exhibit.{exhibit}"], table["oracle"][f"exhibit.{exhibit}"]
        assert value is not None and oracle is not None
        demand = f"fooled: at least {share} of {oracle:.3g}"
        found.append(Finding(f"exhibit.{exhibit}", saboteur, value, value >= share * oracle, demand))
    return tuple(found)
