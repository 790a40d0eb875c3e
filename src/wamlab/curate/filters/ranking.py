"""Which episodes to keep: several filters' scores made one ranking, a table, and a dataset of what is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from ...data.atomic import make_folder, write_whole
from ...data.store import EpisodeStore
from ...errors import WamError
from . import discover
from .base import Corpus, Filter, Judgement

LIMIT = 3.0
"""robust standard deviations on the bad side from which an episode stands out"""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Ranking:
    """All episodes judged by all filters. An episode is as bad as the filter says that blames it most."""

    indices: tuple[int, ...]
    filters: tuple[Filter, ...]
    judgements: Mapping[str, Judgement]
    deviations: Float64[ndarray, "E N"]
    """per filter, robust standard deviations on the bad side; NaN where it cannot judge"""
    kept: Bool[ndarray, "E"]

    @property
    def badness(self) -> Float64[ndarray, "E"]:
        """The largest deviation of each episode; 0 where none can be judged."""
        return np.asarray(np.nan_to_num(self.deviations, nan=0.0).max(1))

    @property
    def order(self) -> list[int]:
        """Positions, the worst episode first."""
        return [int(i) for i in np.argsort(-self.badness, kind="stable")]

    def blamed(self, position: int) -> str:
        """The filter that blames this episode most."""
        return self.filters[int(np.nan_to_num(self.deviations[position], nan=-np.inf).argmax())].name

    def reason(self, position: int) -> str:
        """Why, in words."""
        return self.judgements[self.blamed(position)].reasons[position]

    def rows(self) -> list[dict[str, Any]]:
        """Everything about every episode as JSON values, the worst first."""
        return [{"episode": self.indices[i], "kept": bool(self.kept[i]), "badness": round(float(self.badness[i]), 3),
                 "blamed": self.blamed(i), "reason": self.reason(i),
                 "scores": {name: None if np.isnan(j.scores[i]) else round(float(j.scores[i]), 5)
                            for name, j in self.judgements.items()}} for i in self.order]


def defaults() -> list[Filter]:
    """The filters that are used when none is named."""
    return [one for one in discover().values() if one.usual]


def usable(corpus: Corpus, filters: Sequence[Filter]) -> tuple[list[Filter], dict[str, str]]:
    """Those filters that can judge these data, and why the others cannot."""
    reasons = {one.name: one.needs(corpus) for one in filters}
    return [one for one in filters if not reasons[one.name]], {name: why for name, why in reasons.items() if why}


def chosen(keep: float | None, limit: float) -> None:
    """Refuse a choice that is none. Raises WamError naming the option."""
    if keep is not None and not 0 < keep <= 1:
        raise WamError("this is no share of episodes", where="--keep", expected="above 0, at most 1", got=keep)
    if not limit > 0:
        raise WamError("the usual episode would stand out", where="--limit", expected="above 0 standard deviations", got=limit)


def rank(corpus: Corpus, filters: Sequence[Filter], *, keep: float | None = None, limit: float = LIMIT,
         progress: Progress | None = None) -> Ranking:
    """Judge and choose.

    Args:
        keep: share of the episodes to keep, the best ones. None: all that do not stand out by `limit` or more.

    Raises:
        WamError: without filters, for a share that is not above 0 and at most 1, or a limit that is not above 0.
        DataError: if a filter lacks what it needs.
    """
    chosen(keep, limit)
    if not filters:
        raise WamError("there is no filter to rank by", where="--by", expected="one or more", got=0,
                       fix="wam list --filters shows them, and what each needs")
    found: dict[str, Judgement] = {}
    for number, one in enumerate(filters):
        found[one.name] = one(corpus)
        if progress:
            progress(number + 1, len(filters))
    deviations = np.stack([one.deviation(found[one.name].scores) for one in filters], 1)
    badness = np.nan_to_num(deviations, nan=0.0).max(1)
    kept = badness < limit
    if keep is not None:
        kept = np.zeros(len(corpus), bool)
        kept[np.argsort(badness, kind="stable")[:max(1, round(keep * len(corpus)))]] = True
    return Ranking(tuple(record.index for record in corpus.records), tuple(filters), found, deviations, kept)


def copy_episodes(source: EpisodeStore, out: str | Path, indices: Sequence[int], provenance: Mapping[str, Any],
                  progress: Progress | None = None) -> EpisodeStore:
    """A dataset of some episodes of another, under their own indices. The source is only read; a stopped copy goes on.

    Raises:
        DataError: if `out` holds something else, or an episode is damaged.
    """
    store = EpisodeStore.open_or_create(out, source.task_spec, source.renderer, dict(source.provenance) | dict(provenance))
    for done, index in enumerate(indices):
        if not store.has(index):
            store.put(index, source[index])
        if progress:
            progress(done + 1, len(indices))
    return store


def ranking_file(path: Path, facts: Mapping[str, Any]) -> None:
    """Write a ranking as JSON, atomically. Raises DataError if it cannot be written."""
    make_folder(path.parent)
    write_whole(path, (json.dumps(facts, indent=1) + "\n").encode())
