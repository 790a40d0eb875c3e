"""`wam conformance`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import WamError
from .console import print_json, print_table, progress, say
from .options import Count, Seed, Workers

if TYPE_CHECKING:
    from ..evaluate.conformance.promise import Table

COLUMNS = ("cc", "identification", "false_effect", "miss", "dose", "null_action", "onset", "regret", "invariants",
           "exhibit.diversity", "exhibit.delta_psnr", "exhibit.closeness")


@dataclass(frozen=True)
class Command:
    """Test the metrics themselves: models that are known to be right, trivial or wrong must score as each metric promises.

    Fails (exit status 1) where a metric is fooled. The published scores that trivial models win are shown being fooled.
    In every world in state space, on pictures, and through pixels and a readout that is trained for it (--no-readout leaves
    that out: seconds instead of minutes, but only for a first look).

    examples:
      wam conformance
      wam conformance --json
      wam conformance --task pushworld --no-readout
      wam conformance --task metaworld/drawer-open
      wam conformance --family my_family.py --out runs/first/log/conformance.json
    """

    task: tuple[str, ...] = ("pushworld", "metaworld/plate-slide")
    """worlds"""
    contexts: Count = 24
    """saved states per world"""
    family: Path | None = None
    """a Python file with a FAMILY of your own, in place of those of the package"""
    readout: bool = True
    """examine also what is read off pictures"""
    out: Path | None = None
    """write which metrics passed to this file; a report of the log beside it shows them"""
    write: bool = False
    """write the package's own record, for its developers"""
    seed: Seed = 0
    workers: Workers = 2
    """processes for simulation"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..evaluate.conformance import families, gate
        from ..evaluate.conformance.registry import examine
        from ..evaluate.conformance.worlds import eye_for, world_of
        from ..evaluate.provenance import provenance

        if self.write and not (self.readout and gate.complete(self.task) and self.family is None):
            raise WamError("the package's record is of all families, in all worlds, through the readout", where="--write",
                           expected=f"tasks of {' and '.join(gate.WORLDS)}, with the readout", got=" ".join(self.task))
        chosen = None if self.family is None else {(own := families.load(self.family)).name: own}
        found, renderers = [], []
        with tempfile.TemporaryDirectory() as cache:
            for task in self.task:
                with progress(f"branch {task}") as tick:
                    world = world_of(task, Path(cache), contexts=self.contexts, seed=self.seed, workers=self.workers,
                                     progress=tick)
                if self.readout and (chosen is None or any(family.reads for family in chosen.values())):
                    with progress(f"learn to read states off frames of {task}") as tick:
                        world = replace(world, readout=eye_for(world, Path(cache), workers=self.workers, progress=tick))
                found.append(examine(world, chosen))
                renderers.append("" if world.branches is None else world.branches.renderer)
        metrics = sorted({name for one in found for name in one.cleared | one.failed})
        passed = {name: [one.world for one in found if name in one.cleared] for name in metrics
                  if not any(name in one.failed for one in found)}
        for path in [*([self.out] if self.out else []), *([Path(gate.__file__).parent / gate.PASSED] if self.write else [])]:
            gate.write(passed, path)
        broken = [finding for one in found for finding in one.broken]
        if self.json:
            facts = provenance("wam conformance --json", [self.seed], renderers, contexts=self.contexts)
            worlds = {one.world: {"tables": rounded(one.tables), "exhibits": [asdict(f) for f in one.exhibits]}
                      for one in found}
            print_json(facts | {"ok": not broken, "passed": passed, "protocol": gate.VERSION,
                                "broken": [asdict(finding) for finding in broken], "worlds": worlds})
        else:
            self.show(found, passed, broken)
        return 1 if broken else 0

    def show(self, found: list[Any], passed: dict[str, list[str]], broken: list[Any]) -> None:
        for one in found:
            for family, table in one.tables.items():
                columns = [c for c in COLUMNS if c in table["oracle"]] if family == "effects" else [
                    c for c in table["oracle"] if "." not in c]
                rows = [[saboteur, *(number(row.get(c)) for c in columns)] for saboteur, row in table.items()]
                print_table(f"{one.world}: {family}", ["", *columns], rows)
                say()
        for finding in (f for one in found for f in one.exhibits):
            say(f"{finding.score}: {finding.saboteur} reaches {number(finding.value)} ({finding.demand})")
        say("", f"{len(passed)} metrics kept every promise: {', '.join(passed)}")
        for finding in broken:
            say(f"BROKEN {finding.score} on {finding.saboteur}: {number(finding.value)} is not {finding.demand}")


def rounded(tables: Mapping[str, Table]) -> dict[str, Any]:
    """Six digits are more than any of these numbers carries."""
    return {family: {name: {score: None if value is None else float(f"{value:.6g}") for score, value in row.items()}
                     for name, row in table.items()} for family, table in tables.items()}


def number(value: float | None) -> str:
    """Two digits; a dash where a score is unavailable."""
    return "–" if value is None else f"{value + 0.0:.2f}"
