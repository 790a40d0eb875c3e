"""Is every thing one of its own? What is called an object must not be the robot, or a part that goes with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..metric import Evidence, moved, positions
from ..metric import entities as of_group
from ..metrics.causal import centred

FOLLOWS, OFTEN = 0.95, 0.9
"""share of a thing's effects that another's explain within a context, and share of the contexts in which the robot acts where
they do: more is one thing under two names. What is held follows the hand, but is not held everywhere"""
ALWAYS = 0.99
"""share of a thing's effects that one map of another's explains in all contexts in which an object acts"""


def entities(evidence: Evidence) -> Iterator[str]:
    """No thing that is another one under a second name.

    Robot and object: the true effects of one are no linear map of the other's (any factor, turn, mirror or projection). One map
    per context is asked where the robot acts, one map for all where the object does. Measured on true branches (16 contexts, 24
    of PushWorld), largest of both directions: explained in 0.69 of the contexts at most (hand-insert; pick-place 0.50,
    drawer-open 0.19, PushWorld 0) where more than 0.9 is refused; by one map 0.94 at most (drawer-open; pick-place 0.91,
    PushWorld 0.21), so that what is left is six times the hundredth that is refused. Things of one group may hang together (a
    drawer and its joint): of these only one that is everywhere where the other is, is refused.
    """
    effects = evidence.effects
    assert effects is not None
    groups = {group: of_group(evidence.spec, group, effects.real) for group in ("robot", "object")}
    effect = {e.name: centred(effects.real[e.name])[..., :positions(e)] for chosen in groups.values() for e in chosen}
    acting = {e.name: moved(e, effect[e.name]).any((1, 2)) for chosen in groups.values() for e in chosen}
    for thing in groups["object"]:
        for robot in groups["robot"]:
            both = acting[thing.name] & acting[robot.name]
            pairs = [(effect[a.name] / a.tolerance, effect[b.name] / b.tolerance) for a, b in ((thing, robot), (robot, thing))]
            per_context = max(sum(left(y[c:c + 1], x[c:c + 1]) < 1 - FOLLOWS for c in np.flatnonzero(both)) for y, x in pairs)
            if both.any() and (per_context > OFTEN * acting[robot.name].sum() or
                               min(left(y[both], x[both]) for y, x in pairs) < 1 - ALWAYS):
                yield (f"{thing.name} goes with {robot.name} as a part of it does, in all that truly happens: one thing under "
                       "two names")
    for chosen in groups.values():
        for number, one in enumerate(chosen):
            for two in chosen[:number]:
                if (width := positions(one)) != positions(two):
                    continue
                a, b = (effects.real[e.name][..., :width] - effects.start[e.name][:, None, None, :width] for e in (one, two))
                same = (np.linalg.norm(a - b, axis=-1) <= min(one.tolerance, two.tolerance)).all((1, 2))
                if (where := acting[two.name]).any() and same[where].mean() > OFTEN:
                    yield f"{one.name} does what {two.name} does, in all that truly happens: one thing under two names"


def left(effect: Float[ndarray, "C K T D"], other: Float[ndarray, "C K T W"]) -> float:
    """Share of the energy of centred effects that no linear map of another thing's explains, for the number of actions that a
    map could be fitted to (offsets of one action are no further ones): 0 a linear map, about 1 none; inf if it cannot be said.
    Channels that are constant say nothing."""
    count = effect.shape[0] * (effect.shape[1] - 1)
    y, x = effect.reshape(-1, effect.shape[-1]), other.reshape(-1, other.shape[-1])
    fit, _, rank, _ = np.linalg.lstsq(x, y, rcond=1e-6)
    energy = float((y**2).sum())
    if rank >= count or energy <= 0:
        return float("inf")
    return float(((y - x @ fit) ** 2).sum()) / energy * count / (count - int(rank))
