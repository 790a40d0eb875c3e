"""A store of episodes with labels in place of actions, marked as such."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..data.store import EpisodeStore
from ..spec import ActionSpec
from .fitting import Progress
from .inverse import Inverse
from .latent_training import LatentActions
from .pairs import Pairs, pairs_from


@dataclass(frozen=True, eq=False)
class Labeller:
    """What a store is labelled with."""

    by: str
    """"inverse" or "latent" """
    gap: int
    """control steps between the two frames that are read"""
    label: Callable[[Pairs], Float[ndarray, "M A"]]
    action: ActionSpec
    """what its labels mean"""
    about: Mapping[str, Any]
    """JSON values that say how good it is; kept with the store and every episode"""


def inverse_labeller(inverse: Inverse, action: ActionSpec) -> Labeller:
    """Pseudo-actions in the units of `action`, held to its limits, from each pair of neighbouring frames."""
    low, high = np.array(action.low), np.array(action.high)
    about = {"error": inverse.error, "error of the mean action": inverse.mean_error,
             "error with exchanged frames": inverse.shuffled_error, "unit": "standard deviations of the true actions"}
    return Labeller("inverse", min(inverse.config.gaps), lambda pairs: np.clip(inverse.of(pairs), low, high), action, about)


def latent_labeller(latent: LatentActions, measures: Mapping[str, Any] | None = None) -> Labeller:
    """Latent actions: numbers without unit, comparable only with those of the same labeller. `measures`: JSON values that say
    how good they are on what is labelled."""
    names = tuple(f"latent {number}" for number in range(latent.width))
    limit = 8.0
    spec = ActionSpec(names, (-limit,) * latent.width, (limit,) * latent.width, ("latent",) * latent.width, "delta")
    about = {"bottleneck": type(latent.config.bottleneck).__name__, "known actions": latent.supervised, "seed": latent.seed,
             **(measures or {})}
    return Labeller("latent", latent.config.gap, lambda pairs: np.clip(latent.of(pairs), -limit, limit), spec, about)


def label_store(source: EpisodeStore, out: str | Path, labeller: Labeller, *, imitate: bool = True,
                progress: Progress | None = None) -> EpisodeStore:
    """Write every episode of `source` that is long enough with the labeller's labels in place of its actions.

    `action[t]` is the label of frames t and t + gap; the last steps, which have no second frame, stay without an action. The
    episodes' meta carry `{"label": {"by", "pseudo": true, ...}}`, the store's provenance the same and where the frames are
    from. What is there already is left, so that a stopped run goes on.

    Args:
        imitate: whether labels in place of actions that were unknown may be imitated; where an action was known, what was said
            of it stays.

    Raises:
        DataError: if `out` holds something else or cannot be written, or no episode is long enough.
    """
    about = {"by": labeller.by, "pseudo": True, "gap": labeller.gap, **labeller.about}
    spec = replace(source.task_spec, action=labeller.action)
    kept = {"source": "label", "label": about, "of": source.provenance}
    store = EpisodeStore.open_or_create(out, spec, source.renderer, kept)
    pairs = pairs_from([source], (labeller.gap,))
    indices = source.indices()
    for number, index in enumerate(indices):
        mine = pairs.rows(pairs.episode == number)
        if len(mine) and not store.has(index):
            episode, labels = source[index], labeller.label(mine)
            action = np.zeros((len(episode), labels.shape[1]), np.float32)
            action[:len(labels)] = labels
            may = np.where(np.asarray(episode.has_action), np.asarray(episode.imitate), imitate)
            store.put(index, replace(episode, action=action, has_action=np.arange(len(episode)) < len(labels), imitate=may,
                                     meta={**episode.meta, "label": about}))
        if progress is not None:
            progress(number + 1, len(indices))
    return store
