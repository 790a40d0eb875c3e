"""Policies in closed loop whose imagined frames are read by the readout: they follow their imagination, ignore it, or fool
themselves."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from ....control.executor import Executor, run_episode
from ....control.gate import Gate
from ....simulators import make
from ....types import Episode
from ...metric import Evidence
from ...metrics import get
from ...scoring.score import evidence_of
from ..policies import POLICIES, NullPolicy
from ..promise import Promise, Table, seen_by
from . import Family, World

STARTS, STEPS, FIRST = 6, 60, 1_000_000
"""episodes of each policy, their length at most, and the seed of the first start"""


def episodes(kind: str, world: World) -> tuple[Episode, ...]:
    """A few episodes of a policy, from starts that no readout was trained on."""
    assert world.branches is not None
    protocol = world.branches.protocol
    simulator, other = (make(protocol.task, **protocol.options) for _ in range(2))
    executor = Executor(NullPolicy(kind, simulator, other), Gate(simulator.task_spec.action), 4)
    try:
        return tuple(run_episode(simulator, executor, FIRST + number, stop=after(STEPS))
                     for number in range(STARTS))
    finally:
        simulator.close()
        other.close()


def after(steps: int) -> Callable[[], bool]:
    """True from the call with that number on."""
    numbers = count()
    return lambda: next(numbers) >= steps


def table(world: World) -> Table:
    """Every policy through success, agreement and foresight."""
    assert world.readout is not None and world.branches is not None
    rows = {}
    for kind in POLICIES:
        played = episodes(kind, world)
        frames, foresight, missing = evidence_of(world.spec, played, world.readout)
        evidence = Evidence(kind, world.spec, played, frames, foresight, scales=world.branches.scales(), missing=missing)
        rows[kind] = {s.metric: s.value for metric in ("success", "pea", "specific", "fcs") for s in get(metric)(evidence)}
    return rows


UNREADABLE = frozenset({"wrong_goal", "optimist"})
"""they may go where no demonstration went, and what the readout cannot read there is not judged"""
FAMILY = Family("acting", table, (
    Promise("success", "success", "higher", dict.fromkeys(("idle",), 0.0), chains=(("oracle", "optimist"),),
            blind=seen_by("fcs", "decoupled", "decoupled_frozen") | seen_by("pea.pooled", "noisy")),
    Promise("pea", "pea.pooled", "higher", {"oracle": "pea.ceiling", "decoupled_frozen": 0.0, "wrong_goal": "pea.ceiling"},
            chains=(("oracle", "noisy"), ("oracle", "decoupled"), ("oracle", "optimist")), blind=seen_by("success", "idle"),
            may_refuse=UNREADABLE),
    Promise("specific", "specific", "higher", {"decoupled_frozen": 0.0},
            chains=(("oracle", "decoupled"), ("oracle", "optimist")),
            blind=seen_by("success", "idle", "wrong_goal") | seen_by("pea.pooled", "noisy"), may_refuse=UNREADABLE),
    Promise("fcs", "fcs", "higher", {"oracle": "fcs.ceiling", "decoupled_frozen": 0.0, "idle": 0.0},
            chains=(("oracle", "decoupled"), ("oracle", "wrong_goal"), ("oracle", "optimist")),
            blind=seen_by("pea.pooled", "noisy"), may_refuse=UNREADABLE),
), pictures=True, reads=True)
