"""`wam data value DATASET...`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..recipe import Size
from .console import print_json, print_table, progress, say
from .options import Count, Seconds, Share


@dataclass(frozen=True)
class Value:
    """Find out what your data are worth by training small models: how much of each source, in what order, filtered or not.

    Trains the recipe on everything, on everything with one source cut down to shares of its episodes, on what the usual
    filters keep, and with each source last; each several times, all with the same number of steps. Judges every model on
    the same held-out episodes of each source (error of its actions, gain of its imagination over copying the last frame)
    and, with --task, in closed loop. A gain is a difference between trainings of the same seed, with its interval over the
    seeds. How long it will take is said first; above --limit-minutes nothing is trained without --yes. Stopped at any moment,
    the same command goes on.

    examples:
      wam data value data/drawer data/plate --out values/two --task metaworld/drawer-open --target drawer
      wam data value data/mine --out values/mine --recipe vla --steps 400 --seeds 5 --fractions 0.25 0.5 1
      wam data value data/a data/b --out values/quick --size debug --seeds 2 --fractions 0 1
    """

    sources: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """folders of episode stores of the same kind of robot"""
    out: Path
    """folder of the study: value.json, value.html and a file per training"""
    recipe: str = "vla"
    """name of a recipe (wam list), path.py or path.py:variable"""
    size: Size = "small"
    """debug: seconds, learns nothing much; small: minutes on a laptop; base: for a GPU"""
    steps: Count | None = None
    """optimiser steps of every training, in place of the recipe's"""
    fractions: tuple[Share, ...] = (0.0, 0.25, 0.5, 1.0)
    """shares of each source's episodes that are tried, 1 among them"""
    filtered: bool = True
    """also train on what the usual filters keep"""
    orders: bool = True
    """also train with every source at the end, the others before it"""
    seeds: Count = 3
    """trainings of every cell: the more, the narrower the intervals"""
    held_out: Share = 0.15
    """share of each source's episodes that is judged and never trained on"""
    mixed_renderers: bool = False
    """accept sources whose pictures were drawn in different ways"""
    target: str = ""
    """name (last part of the folder) of the source whose held-out episodes count; default: all, each with the same say"""
    task: str = ""
    """also act in closed loop in this task"""
    starts: Count = 50
    """held-out starts of the closed loop"""
    limit_minutes: Seconds = 30.0
    """refuse a study that will take longer"""
    yes: bool = False
    """do it however long it takes"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..curate.value.page import page
        from ..curate.value.plan import Study
        from ..curate.value.study import run

        study = Study(self.sources, self.out, self.recipe, self.size, self.steps, self.fractions, self.filtered, self.orders,
                      self.seeds, self.held_out, self.mixed_renderers, self.target, self.task, self.starts)
        with progress("value") as tick:
            found = run(study, command=shlex.join(["wam", *sys.argv[1:]]), progress=tick,
                        limit_minutes=float("inf") if self.yes else self.limit_minutes,
                        say=lambda text: say(text, stderr=True))
        html = page(found, self.out / "value.html")
        if self.json:
            print_json({"out": self.out / "value.json", "page": html, "gains": found["gains"], "notes": found["notes"]})
        else:
            from ..curate.value.page import HEAD, cells

            print_table("what it brought (positive is better)", HEAD, [cells(row) for row in found["gains"]])
            for note in found["notes"]:
                say(f"note: {note}")
            say(f"everything: {self.out / 'value.json'}; page: {html}")
        return 0
