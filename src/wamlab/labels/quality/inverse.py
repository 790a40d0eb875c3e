"""How good pseudo-actions are on episodes that the inverse dynamics has not seen, beside what must be worse."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...evaluate.log import Score
from ..inverse import Inverse
from ..pairs import Pairs
from .measures import over_episodes

MEANING = {"error": "root mean squared error in standard deviations of the true actions, over the channels that vary",
           "explained": "share of the true actions' variance that is explained"}


def inverse_quality(name: str, task: str, inverse: Inverse, held: Pairs, *,
                    beside: Mapping[str, Float[ndarray, "M A"]] | None = None, seed: int = 0) -> tuple[Score, ...]:
    """`inverse.error` and `inverse.explained` of the labeller, of always saying its mean action ("control/mean"), and of
    the labeller with the second frames exchanged between pairs ("control/exchanged").

    Args:
        held: pairs of episodes that it was not trained on, with all actions known.
        beside: what others say of the same pairs, by name; judged alike.

    Raises:
        DataError: with fewer than 3 episodes.
    """
    other = held.after[np.random.default_rng([seed, 18]).permutation(len(held))]
    spread = inverse.off(held, np.broadcast_to(held.action.mean(0, dtype=np.float64), held.action.shape))
    count, episodes = np.ones(len(held)), len(np.unique(held.episode))
    scores = []
    for who, made in ((name, inverse.of(held)), ("control/mean", np.broadcast_to(inverse.mean, held.action.shape)),
                      ("control/exchanged", inverse.of(held, other)), *(beside or {}).items()):
        sums = np.stack([inverse.off(held, made), count, spread], 1)
        found = {"error": over_episodes(sums, held.episode, lambda s: np.sqrt(s[:, 0] / s[:, 1])),
                 "explained": over_episodes(sums, held.episode, lambda s: 1 - s[:, 0] / s[:, 2])}
        units = {"error": "standard deviations", "explained": "share"}
        scores += [Score(who, task, f"inverse.{metric}", e.value, e.low, e.high, episodes, units[metric])
                   for metric, e in found.items()]
    return tuple(scores)
