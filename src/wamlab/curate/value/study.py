"""Running a study: an estimate first, then one training after the other, each result a file of its own."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import simulators
from ...config import to_json
from ...data.atomic import alone_in, make_folder, write_whole
from ...data.store import EpisodeStore
from ...errors import DataError, WamError
from ...evaluate.ask.lockstep import successes
from ...evaluate.ask.rollout import held_out
from ...evaluate.provenance import provenance
from ...learn import checkpoint
from ...learn.train import train
from ...reading import load_json, number, table, whole, words
from ...spec import check
from ..filters.base import Corpus
from ..filters.ranking import defaults, rank, usable
from .gains import gains, notes
from .plan import Cell, Pools, Study, cells, mixture, pools
from .score import scores

Progress = Callable[[int, int], None]
PILOT = 12
"""steps that are trained to see how long a step takes"""


class Run:
    """A study in its folder."""

    def __init__(self, study: Study):
        study.check()
        self.study, self.recipe = study, study.made()
        self.stores = [EpisodeStore.open(folder) for folder in study.sources]
        self.names = [folder.name for folder in study.sources]
        self.pools = pools(study, self.stores)
        self.cells, self.verdict = cells(study), study.out / "filtered.json"
        if study.task:
            world = simulators.make(study.task, renders=False)
            world.close()
            for store in self.stores:
                check(world.task_spec, store.task_spec)

    def claim(self) -> None:
        """Make the folder this study's own. Raises DataError if results of another one are there."""
        file, parts = self.study.out / "study.json", self.study.out / "cells"
        mine = {k: v for k, v in to_json(self.study).items() if k not in ("out", "class")}
        mine |= {"episodes": dict(zip(self.names, map(len, self.stores), strict=True))}
        theirs = table(load_json(file), str(file)) if file.exists() else {}
        changed = sorted(k for k in mine if theirs.get(k) != mine[k])
        if not changed:
            return
        if any(parts.glob("*.json")):
            raise DataError("another study is in this folder", where=self.study.out, expected={k: mine[k] for k in changed},
                            got={k: theirs.get(k) for k in changed}, fix="choose another --out, or repeat its options")
        for old in ("pilot", "training"):
            shutil.rmtree(self.study.out / old, ignore_errors=True)
        self.verdict.unlink(missing_ok=True)
        make_folder(parts)
        write_whole(file, (json.dumps(mine, indent=1) + "\n").encode())

    def file(self, cell: Cell) -> Path:
        return self.study.out / "cells" / f"{cell.name}.json"

    def left(self) -> list[Cell]:
        return [cell for cell in self.cells if not self.file(cell).exists()]

    def estimate(self) -> float:
        """Seconds that the trainings which are not done yet will take, from a pilot of a few steps and starts."""
        if not self.left():
            return 0.0
        short = replace(self.recipe.training, steps=PILOT, codec_steps=PILOT)
        ticks: list[float] = []
        start = time.perf_counter()
        folder = self.study.out / "pilot"
        everything = [list(part) for part in self.pools.free]
        model = checkpoint.load_model(
            train(replace(self.recipe, training=short), self.stores, folder, seed=0, episodes=everything,
                  mixed_renderers=self.study.mixed_renderers, progress=lambda done, total: ticks.append(time.perf_counter())),
            self.recipe)
        trained = time.perf_counter()
        step = float(np.median(np.diff(ticks))) if len(ticks) > 2 else trained - start
        around = max(0.0, trained - start - step * len(ticks))  # reading the data, encoding frames, writing weights
        scores(model, self.stores, self.pools.held, self.names, self.names, "", 1)
        scored = time.perf_counter() - trained
        acting = 0.0
        if self.study.task:
            few = min(8, self.study.starts)
            start = time.perf_counter()
            successes(model, lambda: simulators.make(self.study.task), held_out(few))
            acting = (time.perf_counter() - start) * max(1.0, self.study.starts / few)
        shutil.rmtree(folder)
        training, codec = self.recipe.training, model.codec
        steps = training.steps + (training.codec_steps if codec is not None and codec.trained else 0)
        return len(self.left()) * (around + steps * step + scored + acting)

    def filtered(self) -> Pools:
        """The pools with what the usual filters keep; the verdict is left in the folder."""
        good = []
        if self.verdict.exists():
            kept = table(load_json(self.verdict), str(self.verdict))
            for name in self.names:
                if not isinstance(kept.get(name), list):
                    raise DataError("the verdict of the filters is damaged", where=f"{self.verdict}, field {name}",
                                    expected="a list of episodes", got=str(kept.get(name))[:60],
                                    fix="move the file away; it is made again")
                good.append(frozenset(whole(one, f"{self.verdict}, field {name}") for one in kept[name]))
            return replace(self.pools, good=tuple(good))
        for store in self.stores:
            corpus = Corpus.read(store)
            ranking = rank(corpus, usable(corpus, defaults())[0])
            good.append(frozenset(i for i, ok in zip(ranking.indices, ranking.kept, strict=True) if ok))
        kept = {name: sorted(one) for name, one in zip(self.names, good, strict=True)}
        write_whole(self.verdict, (json.dumps(kept) + "\n").encode())
        return replace(self.pools, good=tuple(good))

    def answer(self, cell: Cell, progress: Progress) -> None:
        """Train and judge one cell; its result appears whole, and its weights go."""
        episodes = (self.filtered() if cell.filtered else self.pools).of(cell)
        folder, start = self.study.out / "training" / cell.name, time.perf_counter()
        model = checkpoint.load_model(
            train(self.recipe, self.stores, folder, seed=cell.seed, mixture=mixture(cell, episodes), episodes=episodes,
                  mixed_renderers=self.study.mixed_renderers, progress=progress), self.recipe)
        counted = [self.study.target] if self.study.target else self.names
        found = scores(model, self.stores, self.pools.held, self.names, counted, self.study.task, self.study.starts)
        result = asdict(cell) | {"episodes": dict(zip(self.names, map(len, episodes), strict=True)), "scores": found,
                                 "seconds": round(time.perf_counter() - start, 2)}
        write_whole(self.file(cell), (json.dumps(result, indent=1) + "\n").encode())
        shutil.rmtree(folder)

    def results(self) -> list[dict[str, Any]]:
        return [result_of(self.file(cell), self.names) for cell in self.cells]

    def document(self, command: str) -> dict[str, Any]:
        """Everything that was found."""
        facts = provenance(command, seeds=list(range(self.study.seeds)), renderer=sorted({s.renderer for s in self.stores}),
                           study={k: v for k, v in to_json(self.study).items() if k not in ("out", "class")})
        results = self.results()
        return facts | {"gains": gains(results, self.names), "notes": notes(results), "results": results}


def run(study: Study, *, command: str = "", progress: Progress | None = None, limit_minutes: float = float("inf"),
        say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Do what of the study is not done yet.

    Args:
        progress: called with (steps done, steps in all) over all trainings that are left.
        limit_minutes: refuse if the estimate is above it.
        say: told the estimate, before anything is trained.

    Returns:
        The document, also written to `value.json`.

    Raises:
        WamError: for settings that cannot be, or an estimate above the limit; nothing has been trained then.
        DataError: if the folder holds another study, or another process works in it.
    """
    work = Run(study)
    make_folder(study.out)
    with alone_in(study.out):
        work.claim()
        seconds, judging = work.estimate(), any(cell.filtered for cell in work.left()) and not work.verdict.exists()
        say(f"{len(work.left())} trainings of {work.recipe.training.steps} steps are left of {len(work.cells)}: about "
            f"{spoken(seconds)}" + f", and once the judging of {sum(map(len, work.stores))} episodes by filters" * judging)
        if seconds > 60 * limit_minutes:
            raise WamError("the study would take too long", where="--limit-minutes", got=f"about {spoken(seconds)}",
                           expected=f"at most {limit_minutes:g} minutes",
                           fix="fewer --fractions, --seeds, --steps or --starts; or --yes")
        left, tick = work.left(), progress or (lambda done, total: None)
        for number, cell in enumerate(left):
            def within(done: int, total: int, number: int = number) -> None:
                tick(number * total + done, len(left) * total)

            work.answer(cell, within)
        found = work.document(command)
        write_whole(study.out / "value.json", (json.dumps(found, indent=1) + "\n").encode())
    return found


def result_of(file: Path, names: Sequence[str]) -> dict[str, Any]:
    """What a finished training left. Raises DataError naming the field that is damaged."""
    try:
        said = table(load_json(file), str(file))
        check_scores(said.get("scores"), f"{file}, field scores")
        for name, part in (("fractions", number), ("episodes", whole)):
            kept = table(said.get(name), f"{file}, field {name}")
            for key, value in kept.items():
                part(value, f"{file}, field {name}.{key}")
            if set(kept) != set(names):
                raise DataError("these are other sources", where=f"{file}, field {name}", expected=", ".join(names),
                                got=", ".join(kept))
        whole(said.get("seed"), f"{file}, field seed")
        words(said.get("last"), f"{file}, field last")
        if not isinstance(said.get("filtered"), bool):
            raise DataError("this is no truth value", where=f"{file}, field filtered", expected="true or false",
                            got=str(said.get("filtered"))[:40])
        return said
    except DataError as error:
        raise DataError(f"a result is damaged: {error.problem}", where=error.where, expected=error.expected, got=error.got,
                        fix="move the file away; it is made again") from error


def check_scores(value: Any, where: str) -> None:
    """A table of numbers as `score.scores` makes it: some by source in tables of their own, and whether each start was solved.
    Raises DataError."""
    for key, one in table(value, where).items():
        if isinstance(one, dict):
            check_scores(one, f"{where}.{key}")
        elif not (key == "solved" and isinstance(one, list) and all(isinstance(each, bool) for each in one)):
            number(one, f"{where}.{key}")


def spoken(seconds: float) -> str:
    """A time in words."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
