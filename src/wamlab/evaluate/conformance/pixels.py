"""Null models in pixels: imagined frames made from the true ones of branches, to go through the readout."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ..ask.branch_data import Branches

Made = Callable[[Branches, np.random.Generator], UInt8[ndarray, "C K F h w 3"]]


def frozen(branches: Branches, generator: np.random.Generator) -> ndarray:
    """The last frame seen, for ever."""
    return np.broadcast_to(branches.context_frames[:, -1][:, None, None], branches.frames.shape).copy()


def action_blind(branches: Branches, generator: np.random.Generator) -> ndarray:
    """The factual future, whatever is done: what a model that has seen only experts would imagine."""
    return np.broadcast_to(branches.frames[:, :1], branches.frames.shape).copy()


def elsewhere(branches: Branches, generator: np.random.Generator) -> ndarray:
    """True frames of a random context and action, drawn anew for each action."""
    contexts, kinds = branches.actions.shape[:2]
    context, kind = (generator.integers(n, size=(contexts, kinds)) for n in (contexts, kinds))
    return branches.frames[context, kind]


def shuffled(branches: Branches, generator: np.random.Generator) -> ndarray:
    """True frames, dealt to the wrong actions of the same context."""
    contexts, kinds = branches.actions.shape[:2]
    order = generator.permuted(np.tile(np.arange(kinds), (contexts, 1)), axis=1)
    return branches.frames[np.arange(contexts)[:, None], order]


NULL_FUTURES: Mapping[str, Made] = {
    "oracle": lambda branches, generator: branches.frames, "frozen": frozen, "action_blind": action_blind,
    "random": elsewhere, "shuffled": shuffled,
}
