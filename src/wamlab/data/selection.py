"""Which episodes a set of windows uses, and what their datasets must have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from ..errors import DataError, SpecError
from ..spec import TaskSpec, check
from ..types import Episode
from .store import EpisodeStore
from .video import FILMED


def common_spec(stores: Sequence[EpisodeStore], allow_mixed_renderers: bool) -> TaskSpec:
    """The spec that all stores share, with every camera that one of them has. Raises SpecError or DataError if they do
    not."""
    if not stores:
        raise DataError("no dataset was given", where="stores", expected="at least one", got="none")
    first = stores[0]
    for store in stores[1:]:
        check(store.task_spec, first.task_spec)
    drawn = [store for store in stores if store.renderer != FILMED]
    for store in drawn:
        if store.renderer != drawn[0].renderer and not allow_mixed_renderers:
            raise DataError("the datasets were rendered differently", where=store.path,
                            expected=f"{drawn[0].renderer} (as {drawn[0].path})", got=store.renderer,
                            fix="collect both on one machine, or ask for it: --mixed-renderers")
    further = dict.fromkeys(camera for store in stores for camera in store.task_spec.cameras)
    return replace(first.task_spec, cameras=tuple(further))


def chosen(stores: Sequence[EpisodeStore], where: Sequence[tuple[int, int]],
           episodes: Sequence[Sequence[int]] | None) -> Bool[ndarray, "E"]:
    """Which of all episodes are in use. Raises DataError for one that does not exist."""
    if episodes is None:
        return np.ones(len(where), bool)
    if len(episodes) != len(stores):
        raise DataError("one list of episodes per dataset is needed", where="episodes", expected=len(stores), got=len(episodes))
    wanted = {(number, int(index)) for number, indices in enumerate(episodes) for index in indices}
    missing = sorted(wanted - set(where))
    if missing:
        number, index = missing[0]
        raise DataError(f"there is no episode {index}", where=stores[number].path, expected=stores[number].indices(), got=index)
    return np.array([pair in wanted for pair in where], bool)


def first_success(record: Episode) -> float:
    """The first observation at which the task's condition holds; inf: none, NaN: nobody said."""
    if not record.outcome_known:
        return np.nan
    return float(np.argmax(record.success)) if record.success.any() else np.inf


def gather_truth(records: Sequence[Episode], name: str) -> Float64[ndarray, "N D"]:
    """One entity's numbers for every frame; NaN where an episode does not report it.

    Raises:
        SpecError: if no episode reports it, or episodes of different tasks report different things under that name.
    """
    widths = {record.truth[name].shape[1] for record in records if name in record.truth}
    if not widths:
        known = dict.fromkeys(key for record in records for key in record.truth)
        raise SpecError(f"no episode reports {name!r}", where="truth", expected=", ".join(known), got=name)
    if len(widths) > 1:
        raise SpecError(f"the datasets disagree on what {name!r} reports", where=f"truth/{name}", expected="one width",
                        got=sorted(widths), fix="read the truth of one task at a time")
    blanks = (np.full((len(record) + 1, min(widths)), np.nan) for record in records)
    return np.concatenate([r.truth.get(name, blank) for r, blank in zip(records, blanks, strict=True)])


def all_within(flags: Iterable[Bool[ndarray, "_"] | None], start: Int64[ndarray, "W"],
               end: Int64[ndarray, "W"]) -> Bool[ndarray, "W"]:
    """Whether a flag per action holds for all actions from `start` to before `end`, counted through all episodes."""
    missing = np.cumsum(~np.concatenate([np.ones(1, bool), *(part for part in flags if part is not None)]))
    return np.asarray(missing[end] == missing[start])


def split(stores: Sequence[EpisodeStore], held_out: float = 0.1, seed: int = 0,
          episodes: Sequence[Sequence[int]] | None = None) -> tuple[list[list[int]], list[list[int]]]:
    """(training, validation) episode indices per store: a share of whole episodes is held out, at least one of each
    store that has two. A pure function of the indices, the share and the seed.

    Args:
        episodes: per store, the indices to split (None: all).
    """
    training, validation = [], []
    for number, store in enumerate(stores):
        indices = store.indices() if episodes is None else sorted(episodes[number])
        count = min(max(1, round(held_out * len(indices))), len(indices) - 1) if held_out > 0 and len(indices) > 1 else 0
        order = np.random.default_rng([seed, number]).permutation(len(indices))
        held = {indices[i] for i in order[:count]}
        training.append([index for index in indices if index not in held])
        validation.append(sorted(held))
    return training, validation


def identity(stores: Sequence[EpisodeStore], states: Float32[ndarray, "N P"], records: Sequence[Episode],
             episodes: Sequence[Sequence[int]] | None = None) -> str:
    """What tells the data of one training from that of another, wherever it lies: a hash of every state and the renderers,
    of episodes without actions or states also of which actions are known and where the pictures come from, of episodes whose
    instruction changes of when and to what and, where not all are used, of the choice."""
    seen = hashlib.sha256(states.tobytes() + " ".join(store.renderer for store in stores).encode())
    for record in records:
        if not record.complete:
            seen.update(np.asarray(record.has_action).tobytes() + json.dumps(dict(record.meta), sort_keys=True).encode())
        if record.later:
            seen.update(repr(record.instructions).encode())
    seen.update(b"" if episodes is None else repr([sorted(map(int, part)) for part in episodes]).encode())
    return seen.hexdigest()[:16]
