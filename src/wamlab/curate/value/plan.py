"""What a study asks, and the trainings that answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ... import ranges
from ...data.mixture import Mixture
from ...data.selection import split
from ...data.store import EpisodeStore
from ...errors import WamError
from ...ranges import Count, Share
from ...recipe import Recipe, Size, load


@dataclass(frozen=True)
class Study:
    """The settings of `wam data value DATASET...`."""

    sources: tuple[Path, ...]
    """episode stores; their names are their folders'"""
    out: Path
    """folder of the study; the same command goes on with what is there"""
    recipe: str = "vla"
    size: Size = "small"
    steps: Count | None = None
    """optimiser steps of each training, in place of the recipe's; all trainings get the same"""
    fractions: tuple[Share, ...] = (0.0, 0.25, 0.5, 1.0)
    """shares of each source's episodes; the others stay whole"""
    filtered: bool = True
    """also train on what the usual filters keep of every source"""
    orders: bool = True
    """also train with every source at the end, the others before it, one fading into the other"""
    seeds: Count = 3
    """trainings of every cell: other initial weights, other order, other episodes in a share"""
    held_out: Share = 0.15
    """share of each source's episodes that is judged and never trained on"""
    mixed_renderers: bool = False
    """accept sources whose pictures were drawn in different ways"""
    target: str = ""
    """name of the source whose held-out episodes count; empty: all, each with the same say"""
    task: str = ""
    """also act in closed loop in this task"""
    starts: Count = 50
    """held-out starts of the closed loop"""

    def check(self) -> None:
        """Refuse what cannot be. Raises WamError naming the option."""
        ranges.check(self, "--")
        names = [folder.name for folder in self.sources]
        if not names or len(set(names)) < len(names):
            raise WamError("sources need different names", where="DATASET", expected="one or more folders, no name twice",
                           got=names, fix="rename a folder")
        if self.target and self.target not in names:
            raise WamError("there is no such source", where="--target", expected=", ".join(names), got=self.target)
        if 1.0 not in self.fractions or not all(0 <= f <= 1 for f in self.fractions):
            raise WamError("shares lie between 0 and 1, and the whole is one of them", where="--fractions",
                           expected="such as 0 0.5 1", got=self.fractions)
        if self.seeds < 2:
            raise WamError("one training has no interval", where="--seeds", expected="2 or more", got=self.seeds)
        if not 0 < self.held_out < 0.9 or self.starts < 1:
            raise WamError("something has to be judged", where="--held-out, --starts", expected="a share in (0, 0.9), a start",
                           got=f"{self.held_out}, {self.starts}")

    def made(self) -> Recipe:
        """The recipe with the study's size and steps."""
        recipe = load(self.recipe).sized(self.size)
        return recipe if self.steps is None else replace(recipe, training=replace(recipe.training, steps=self.steps))


@dataclass(frozen=True)
class Cell:
    """One training."""

    fractions: Mapping[str, float]
    """share of each source"""
    seed: int
    filtered: bool = False
    last: str = ""
    """the source that comes last; empty: all are mixed from beginning to end"""

    @property
    def name(self) -> str:
        """A name that files can have."""
        parts = [f"{source}-{share:g}" for source, share in self.fractions.items() if share != 1] or ["all"]
        more = ["filtered"] * self.filtered + [f"{self.last}-last"] * bool(self.last)
        return "_".join([*parts, *more, f"s{self.seed}"])


def cells(study: Study) -> list[Cell]:
    """Every training of the study: all of everything, then one source at a time cut down, then filtered, then in order."""
    whole = {folder.name: 1.0 for folder in study.sources}
    mixes = [whole] + [whole | {name: share} for name in whole for share in sorted(set(study.fractions) - {1.0}, reverse=True)
                       if share > 0 or len(whole) > 1]
    found = [Cell(mix, seed) for mix in mixes for seed in range(study.seeds)]
    found += [Cell(whole, seed, True) for seed in range(study.seeds) if study.filtered]
    ordered = whole if study.orders and len(whole) > 1 else {}
    return found + [Cell(whole, seed, last=name) for name in ordered for seed in range(study.seeds)]


@dataclass(frozen=True)
class Pools:
    """Which episodes are judged, and which may be trained on, in the order in which shares take them."""

    held: tuple[tuple[int, ...], ...]
    free: tuple[tuple[int, ...], ...]
    good: tuple[frozenset[int], ...] = field(default=())
    """what the filters keep"""

    def of(self, cell: Cell) -> list[list[int]]:
        """The episodes of a cell, per source. Smaller shares are part of larger ones of the same seed."""
        chosen = []
        for number, (free, share) in enumerate(zip(self.free, cell.fractions.values(), strict=True)):
            order = np.random.default_rng([cell.seed, number, 3]).permutation(free)
            part = [int(index) for index in order[:round(share * len(free))]]
            chosen.append([index for index in part if not cell.filtered or index in self.good[number]])
        return chosen


def mixture(cell: Cell, episodes: Sequence[Sequence[int]]) -> Mixture | None:
    """The order of a cell: at first the other sources, each by its number of episodes, at the end only the last one."""
    if not cell.last:
        return None
    counts = [float(len(part)) for part in episodes]
    final = [float(name == cell.last) * sum(counts) for name in cell.fractions]
    before = [count * (name != cell.last) for name, count in zip(cell.fractions, counts, strict=True)]
    return Mixture(((0.0, tuple(before)), (1.0, tuple(final))))


def pools(study: Study, stores: Sequence[EpisodeStore]) -> Pools:
    """Hold out; the same episodes whatever the seed. Raises WamError for a source with fewer than four episodes."""
    for store in stores:
        if len(store) < 4:
            raise WamError("a source has too few episodes to be cut down", where=store.path, expected="4 or more",
                           got=len(store))
    free, held = split(stores, study.held_out, seed=17)
    return Pools(tuple(map(tuple, held)), tuple(map(tuple, free)))
