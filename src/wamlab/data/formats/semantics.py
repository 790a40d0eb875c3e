"""What an action means, read off the numbers: does it say where the state will be, or by how much it will change?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...spec import ActionKind
from ..transforms import stands_still

CLEAR = 0.5
"""share of the variance that a meaning must explain to be believed"""
Pair = tuple[Float[ndarray, "_ P"], Float[ndarray, "_ A"]]
"""state and action of one episode's rows"""


def explained(pairs: Sequence[Pair]) -> tuple[Float[ndarray, "A P"], Float[ndarray, "A P"]]:
    """Squared correlation of every action channel with (the next value, the next change) of every state channel."""
    value = np.concatenate([state[1:] for state, _ in pairs]).astype(np.float64)
    change = np.concatenate([np.diff(state.astype(np.float64), axis=0) for state, _ in pairs])
    action = np.concatenate([action[:-1] for _, action in pairs]).astype(np.float64)
    return correlation(action, value) ** 2, correlation(action, change) ** 2


def correlation(left: Float[ndarray, "N A"], right: Float[ndarray, "N P"]) -> Float[ndarray, "A P"]:
    """Pearson's r of every pair of columns; 0 where a column is constant but for rounding."""
    varies = ~stands_still(left)[:, None] & ~stands_still(right)[None]
    left, right = left - left.mean(0), right - right.mean(0)
    scale = np.sqrt((left ** 2).sum(0))[:, None] * np.sqrt((right ** 2).sum(0))[None]
    return np.divide(left.T @ right, scale, out=np.zeros((left.shape[1], right.shape[1])), where=varies & (scale > 0))


def guess_kind(pairs: Sequence[Pair]) -> ActionKind:
    """ "delta" where the actions follow the state's changes clearly better than its values, else "absolute" (the
    convention of most recorded robots)."""
    pairs = [(state, action) for state, action in pairs if len(state) > 2 and state.shape[1]]
    if not pairs:
        return "absolute"
    by_value, by_change = (table.max(1) for table in explained(pairs))
    return "delta" if np.median(by_change) > CLEAR and np.median(by_change) > np.median(by_value) else "absolute"
