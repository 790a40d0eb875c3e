"""`wam data filter STORE OUT` and `wam data weigh DATASET...`: which episodes to keep, and how much of each dataset."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..errors import DataError, WamError
from ..reading import load_json
from ..recipe import Size, load
from .console import print_json, print_table, progress, say
from .options import Count, Positive, Rows, Seed, Share

EPISODE = re.compile(r"[0-9]{1,8}")


@dataclass(frozen=True)
class Filter:
    """Rank the episodes of a dataset by quality, show the worst and why, and write those that are kept.

    The source is only read. An episode is as bad as the filter says that blames it most, in robust standard deviations on
    that filter's bad side. Without --keep all that do not stand out are kept; with it that share, the best. Filters that
    need truth or labels are left out where there are none, and said so. A filter of your own is a Python file with
    FILTERS = (Filter(...),).

    examples:
      wam data filter data/drawer data/drawer-good
      wam data filter data/drawer data/drawer-good --by jerk value --keep 0.7
      wam data filter data/drawer ranking.json --labels labels.json
    """

    store: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="STORE")]
    """folder of the episode store"""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """folder of the new store, or a file that ends in .json: then only the ranking is written"""
    by: tuple[str, ...] = ()
    """names of filters (wam list --filters), or files with your own; default: the usual ones that can judge these"""
    keep: Share | None = None
    """share of the episodes to keep; default: all that do not stand out"""
    limit: Positive = 3.0
    """robust standard deviations from which an episode stands out (without --keep)"""
    labels: Literal["recorded"] | Path | None = None  # in this order: every text is a path
    """JSON file {"3": true, "7": false, ...} of some episodes that somebody has watched, for the filter success; "recorded": a
    quarter of the episodes lend their own record of success"""
    worst: Rows = 10
    """rows of the table"""
    seed: Seed = 0
    """for filters that learn or draw"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..curate.filters import Corpus, get
        from ..curate.filters.ranking import chosen, copy_episodes, defaults, rank, ranking_file, usable
        from ..data.store import EpisodeStore

        store = EpisodeStore.open(self.store)
        named = [one for name in self.by for one in get(name)]
        chosen(self.keep, self.limit)
        if self.out.resolve() == self.store.resolve():
            raise WamError("the source is only read", where="OUT", expected="a new folder, or a file that ends in .json",
                           got=self.out, fix="name another folder")
        with progress("read") as tick:
            corpus = Corpus.read(store, labels=self.labelled(store), seed=self.seed, progress=tick)
        filters, left_out = (named, {}) if named else usable(corpus, defaults())
        with progress("judge") as tick:
            ranking = rank(corpus, filters, keep=self.keep, limit=self.limit, progress=tick)
        kept = [index for index, good in zip(ranking.indices, ranking.kept, strict=True) if good]
        facts: dict[str, Any] = {
            "store": str(self.store), "out": str(self.out), "episodes": len(corpus), "kept": len(kept),
            "filters": [one.name for one in filters], "left_out": left_out,
            "not_imitated": list(corpus.played), "ranking": ranking.rows()}
        if self.out.suffix == ".json":
            ranking_file(self.out, facts)
        else:
            if not kept:
                raise DataError("no episode would be left", where=self.store, expected="one or more", got=0,
                                fix="raise --limit, or say --keep")
            with progress("write") as tick:
                copy_episodes(store, self.out, kept, {"filtered": {
                    "by": [one.name for one in filters], "keep": self.keep, "limit": self.limit, "seed": self.seed,
                    "of": len(corpus)}}, tick)
        if self.json:
            print_json(facts)
            return 0
        rows = [[row["episode"], f"{max(0, row['badness']):.1f}", row["blamed"], row["reason"],
                 "" if row["kept"] else "dropped"] for row in facts["ranking"][:self.worst]]
        print_table(f"the worst of {len(corpus)} episodes", ("episode", "deviations", "blamed by", "why", ""), rows)
        for name, why in left_out.items():
            say(f"not used: {name} ({why})")
        if corpus.played:
            say(f"no step to imitate: {len(corpus.played)} of the episodes ({', '.join(map(str, corpus.played[:10]))}"
                f"{', ...' * (len(corpus.played) > 10)}); left out by filters that judge what is imitated")
        say(f"kept {len(kept)} of {len(corpus)}: {self.out}")
        return 0

    def labelled(self, store: Any) -> dict[int, bool]:
        """Which episodes are labelled, and how."""
        import numpy as np

        if self.labels is None:
            return {}
        if self.labels == "recorded":
            indices = store.indices()
            drawn = np.random.default_rng([self.seed, 5]).permutation(indices)[:-(-len(indices) // 4)]
            lent = {int(index): store.load(int(index), frames=False) for index in sorted(drawn)}
            return {index: episode.solved for index, episode in lent.items() if episode.outcome_known}
        try:
            table = load_json(Path(self.labels))
        except DataError as error:
            raise DataError(f"the labels cannot be read: {error.problem}", where=error.where, got=error.got,
                            expected='{"3": true, "7": false, ...}') from error
        if not isinstance(table, dict) or not all(EPISODE.fullmatch(k) and isinstance(v, bool) for k, v in table.items()):
            raise DataError("the labels are no table of episodes", where=self.labels, expected='{"3": true, "7": false, ...}',
                            got=str(table)[:80])
        return {int(name): value for name, value in table.items()}


@dataclass(frozen=True)
class Weigh:
    """Find how much of each dataset to train on, so that none is learned much worse than it could be (Re-Mix).

    Trains the recipe twice on all of them; the second time weights follow what the model could still learn of each. A dataset
    that is only noise gets less than its share. OUT/weights.json holds the shares of a batch by dataset.

    examples:
      wam data weigh data/drawer data/plate data/junk --out weights/three
    """

    sources: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """folders of episode stores, two or more"""
    out: Path
    """folder for the models and weights.json"""
    recipe: str = "vla"
    """name of a recipe (wam list), path.py or path.py:variable"""
    size: Size = "small"
    """debug: seconds, learns nothing much; small: minutes on a laptop; base: for a GPU"""
    steps: Count | None = None
    """optimiser steps of each of the two trainings, in place of the recipe's"""
    mixed_renderers: bool = False
    """accept datasets whose pictures were drawn in different ways"""
    seed: Seed = 0
    """initial weights, order of the data and noise"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..curate.remix import source_weights
        from ..data.atomic import make_folder
        from ..data.store import EpisodeStore

        recipe = load(self.recipe).sized(self.size)
        if self.steps is not None:
            recipe = replace(recipe, training=replace(recipe.training, steps=self.steps))
        if len(set(self.sources)) < len(self.sources):
            raise WamError("a dataset is named twice", where="DATASET", expected="different folders", got=self.sources)
        sources = {str(folder): EpisodeStore.open(folder) for folder in self.sources}
        make_folder(self.out)  # before anything is trained
        with progress("weigh") as tick:
            found = source_weights(recipe, sources, self.out, seed=self.seed, mixed_renderers=self.mixed_renderers,
                                   progress=tick)
        file = self.out / "weights.json"
        found.save(file)
        if self.json:
            print_json({"out": file, "weights": dict(found.weights), "start": dict(found.start), "excess": dict(found.excess)})
        else:
            print_table("weights", ("dataset", "share of the windows", "weight", "excess loss at the end"),
                        [[name, f"{found.start[name]:.3f}", f"{weight:.3f}", f"{found.excess[name]:+.4f}"]
                         for name, weight in found.weights.items()])
            mix = ",".join(f"{weight:.3f}" for weight in found.weights.values())
            say(f"weights: {file}; next: wam train {self.recipe} --data {' '.join(map(str, self.sources))} --mix {mix}")
        return 0
