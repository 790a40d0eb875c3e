"""Was everything asked? The whole set of actions, each doing what its name says; far enough ahead; where things are touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy import ndarray

from ...spec import TaskSpec
from ..ask.actions import OFFERED, STANDARD
from ..ask.protocol import Terms
from ..metric import Evidence, moved, positions
from ..metric import entities as of_group
from ..metrics.causal import centred, depends

HORIZON = 8
"""control steps, least length of an action"""
LAST = 0.75
"""of the horizon, least place of the last offset"""
TOUCHED, TOUCHES = 0.2, 5
"""share and number of contexts, at least, in which what becomes of an object depends on the action"""
SHARES: Mapping[str, tuple[float, float]] = {
    "null": (-0.25, 0.25), "dose 0.25": (0.05, 0.45), "dose 0.5": (0.25, 0.8), "reverse": (-2.0, -0.25),
    "turn +90": (-0.75, 0.75), "turn -90": (-0.75, 0.75)}
"""of the factual motion of the robot, both counted from the null action's: between these, summed over contexts"""
QUIET = 0.5
"""of the factual motion, at most, that is left where nothing is done"""


def actions(spec: TaskSpec, start: Mapping[str, ndarray], real: Mapping[str, ndarray], kinds: Sequence[str],
            how: Literal["tried", "offered"]) -> Iterator[str]:
    """Whether the protocol's actions are all there, and the robot truly does what their names say.

    Args:
        start, real: per entity [C, D] and [C, K, T, D].
    """
    wanted = STANDARD if how == "tried" else OFFERED
    if missing := [name for name in wanted if name not in kinds]:
        yield f"not all actions of the protocol were {how}, without {', '.join(missing)}"
        return
    robots = of_group(spec, "robot", real)
    if not robots:
        yield "there is no robot"
        return
    away = {e: (real[e.name] - start[e.name][:, None, None])[..., :positions(e)] for e in robots}
    moves = np.concatenate([value / e.tolerance for e, value in away.items()], -1)
    null, factual = moves[:, kinds.index("null")], moves[:, kinds.index("factual")]
    ahead = factual - null
    size = float((ahead**2).sum())
    if float((null**2).sum()) > QUIET**2 * float((factual**2).sum()) or size <= 0:
        yield f"the robot moves by the null action, as {how}, nearly as by the factual one"
        return
    for name, (least, most) in SHARES.items():
        if name in wanted:
            share = float(((moves[:, kinds.index(name)] - null) * ahead).sum()) / size
            if not least <= share <= most:
                yield (f"what is {how} as {name} moves the robot {share:.2f} times as the factual action does, "
                       f"where its name says {least:g} to {most:g}")


def moments(terms: Terms) -> Iterator[str]:
    """Whether futures are compared far enough ahead."""
    if terms.horizon < HORIZON:
        yield f"actions of {terms.horizon} control steps, fewer than {HORIZON}"
    if terms.offsets[-1] < LAST * terms.horizon:
        yield f"futures are compared at most {terms.offsets[-1]} of {terms.horizon} steps ahead, less than {LAST:.0%} of them"


def contact(evidence: Evidence) -> Iterator[str]:
    """Whether what becomes of things depends on the action in enough of the contexts."""
    found = depends(evidence, "object")
    touched, most = int(found.sum()), len(found)
    if touched < max(TOUCHES, TOUCHED * most):
        yield (f"what becomes of an object depends on the action in {touched} of {most} contexts, fewer than {TOUCHED:.0%} "
               f"or than {TOUCHES}")
    effects = evidence.effects
    assert effects is not None
    for entity in evidence.spec.of_group("bystander", "goal"):
        if entity.name in effects.real:
            other = int(moved(entity, centred(effects.real[entity.name])).any((1, 2)).sum())
            if other > touched:
                yield (f"{entity.name}, which is called a {entity.group}, depends on the action in {other} contexts, what is "
                       f"called an object in {touched}")
