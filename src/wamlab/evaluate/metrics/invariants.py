"""What no body does, in imagined futures: jump, leave the scene, move untouched. As the excess over the simulator's own.

Limits are taken from the truth itself (the fastest step, the box that true states fill, the greatest distance of the robot
at which anything moved), so that the simulator's own rate is 0 and what is told is the excess.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from ...spec import EntitySpec
from ..log import Score
from ..metric import Effects, Evidence, Metric, entities, moved, positions
from .rates import share

SLACK = 1.25
"""how far beyond the truth's own extremes counts as broken"""


def paths(effects: Effects, entity: EntitySpec, which: str) -> ndarray:
    """Positions from the saved state on: [C, K, T + 1, p]."""
    values = vars(effects)[which][entity.name][..., :positions(entity)]
    start = effects.start[entity.name][:, None, None, :positions(entity)]
    return np.concatenate([np.broadcast_to(start, (*values.shape[:2], 1, values.shape[3])), values], axis=2)


def teleports(effects: Effects, entity: EntitySpec, noise: float) -> Bool[ndarray, "C K"]:
    """Faster between two shown moments than anything of this kind ever was in truth."""
    seconds = np.diff(np.array([0, *effects.offsets]))
    imagined, real = (np.linalg.norm(np.diff(paths(effects, entity, which), axis=2), axis=-1) for which in ("imagined", "real"))
    limit = SLACK * (real / seconds).max() * seconds + entity.tolerance + noise
    return (imagined > limit).any(-1)


def leaves(effects: Effects, entity: EntitySpec, noise: float) -> Bool[ndarray, "C K"]:
    """Beyond the box that true states of this thing fill."""
    real = paths(effects, entity, "real")
    low, high = real.min((0, 1, 2)), real.max((0, 1, 2))
    slack = (SLACK - 1) * (high - low) + entity.tolerance + noise
    imagined = vars(effects)["imagined"][entity.name][..., :positions(entity)]
    return ((imagined < low - slack) | (imagined > high + slack)).any((2, 3))


def untouched(effects: Effects, entity: EntitySpec, robot: EntitySpec, noise: float) -> Bool[ndarray, "C K"]:
    """It moves although the robot stays further away than it ever was when this thing moved in truth."""
    def nearest(which: str) -> tuple[ndarray, ndarray]:
        thing, hand = paths(effects, entity, which), paths(effects, robot, which)
        moves = moved(entity, thing - thing[:, :, :1], max(entity.tolerance, noise)).any(-1)
        return np.asarray(moves), np.asarray(np.linalg.norm(thing - hand, axis=-1)).min(-1)

    moves, distance = nearest("real")
    reach = SLACK * distance[moves].max() if moves.any() else 0.0
    moves, distance = nearest("imagined")
    return moves & (distance > reach)


def invariants(evidence: Evidence) -> Sequence[Score]:
    """Share of imagined futures that break each invariant, and any."""
    effects = evidence.effects
    assert effects is not None
    things = [e for group in ("robot", "object", "bystander") for e in entities(evidence.spec, group, effects.imagined)]
    robots = entities(evidence.spec, "robot", effects.imagined)
    shape = (len(effects.strata), len(effects.kinds))
    broken = {name: np.zeros(shape, bool) for name in ("teleport", "permanence", "contact")}
    for entity in things:
        noise = effects.noise.get(entity.name, 0.0)
        broken["teleport"] |= teleports(effects, entity, noise)
        broken["permanence"] |= leaves(effects, entity, noise)
        if robots and entity not in robots and positions(entity) == positions(robots[0]):
            broken["contact"] |= untouched(effects, entity, robots[0], noise)
    broken = {"": broken["teleport"] | broken["permanence"] | broken["contact"]} | broken
    return [share(evidence, "invariants" + (f".{name}" if name else ""),
                  np.stack([hits.sum(1), np.full(shape[0], shape[1])], -1).astype(np.float64)) for name, hits in broken.items()]


METRICS = (
    Metric("invariants", ("effects",), invariants, "lower", (0, 1),
           "share of imagined futures in which something does what no body in this world does",
           "physical invariants, excess over the simulator", "share", children={
               "teleport": "faster than anything of its kind in truth", "permanence": "outside of where it ever is in truth",
               "contact": "moving while the robot is further away than when it moves in truth"}),
)
