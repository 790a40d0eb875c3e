"""Do extracted affordances do it again? From an episode to contact and path, from these to the simulator, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...control.affordance import WAYPOINTS, Affordance, affordances, affordances_seen, displacement
from ...control.performing import perform
from ...data.transforms import stands_still
from ...errors import DataError
from ...evaluate.log import Score
from ...simulators import Simulator
from ...types import Episode
from .measures import counted, over_episodes

CLOSE = 2.0
"""tolerances of the thing within which two contacts are the same"""
SHORTEST = 3
"""places of the path that are kept at least, so that not all motions are equally long"""


@dataclass(frozen=True, eq=False)
class Trip:
    """One affordance, performed."""

    wanted: Float[ndarray, "E"]
    """displacement of the thing in the episode"""
    made: Float[ndarray, "E"]
    off: float
    """distance of the contacts relative to the thing, in the unit of the state; infinite where nothing was touched"""


def round_trips(simulator: Simulator, episodes: Sequence[Episode], thing: str, *, seed: int = 0) -> tuple[Score, ...]:
    """Extract, perform, extract again; each path is cut at a random place.

    Returns:
        Per way ("truth": true places, same scene; "seen": segmentation, same scene; "elsewhere": true places, another scene,
        relative to the thing; "control/exchanged": another episode's affordance in this scene, absolute; "control/still":
        nothing is done): `affordance.found` (share of the episodes), `affordance.contact` (share whose contact relative to
        the thing is the same within two tolerances), `affordance.error` (root mean squared difference of displacements, in
        shares of the displacements wanted) and `affordance.correlation` (of the displacements along the axis on which those
        wanted vary most).

    Raises:
        DataError: with fewer than 4 episodes in which the thing is moved, or without segmentation.
    """
    spec = simulator.task_spec
    generator = np.random.default_rng([seed, 17])
    simulator.renders = False
    known = [(e, first) for e in episodes for first in affordances(e, spec, thing)[:1]]
    if len(known) < 4:
        raise DataError("too few motions to be performed", where=f"{spec.task}, {thing}", got=len(known),
                        expected="at least 4 episodes with one", fix="give more demonstrations")
    cuts = generator.integers(SHORTEST, WAYPOINTS + 1, len(known))
    short = [(e, one.cut(int(places))) for (e, one), places in zip(known, cuts, strict=True)]
    seen = [_seen(simulator, e, thing, one) for e, one in short]
    others = np.roll(np.arange(len(short)), 1)
    plans: dict[str, list[tuple[Episode, Affordance | None]]] = {
        "truth": [(e, one) for e, one in short],
        "seen": [(e, one) for (e, _), one in zip(short, seen, strict=True)],
        "elsewhere": [(short[o][0], one.shifted(_offset(e, short[o][0], thing, len(one.contact))))
                      for (e, one), o in zip(short, others, strict=True)],
        "control/exchanged": [(e, short[o][1]) for (e, _), o in zip(short, others, strict=True)],
        "control/still": [(e, None) for e, _ in short]}
    scores: list[Score] = []
    for name, plan in plans.items():
        trips = [_trip(simulator, where, one, thing, source, wanted)
                 for (where, one), (source, wanted) in zip(plan, short, strict=True)]
        scores += _judged(name, spec.task, trips, CLOSE * spec.entity(thing).tolerance,
                          None if name.startswith("control") else np.array([one is not None for _, one in plan]))
    return tuple(scores)


def _seen(simulator: Simulator, episode: Episode, thing: str, true: Affordance) -> Affordance | None:
    """The first motion that segmentation shows, its path cut where the true one is."""
    found = affordances_seen(episode, simulator.task_spec, thing)
    return found[0].cut(len(true.path)) if found else None


def _offset(source: Episode, where: Episode, thing: str, axes: int) -> Float[ndarray, "D"]:
    """How much further the thing stands in the other scene, at its start."""
    return where.truth[thing][0, :axes] - source.truth[thing][0, :axes]


def _trip(simulator: Simulator, where: Episode, one: Affordance | None, thing: str, source: Episode,
          wanted: Affordance) -> Trip:
    spec = simulator.task_spec
    way = displacement(source.truth, wanted, spec)
    if one is None:
        return Trip(way, np.zeros(len(way)), np.inf)
    simulator.reset(seed=int(where.meta["scene"]))
    done = perform(simulator, one)
    places = done.truth[thing][:, :len(way)]
    again = affordances(done, spec, thing)[:1]
    off = [float(np.linalg.norm(_relative(a, done) - _relative(wanted, source))) for a in again]
    return Trip(way, places[-1] - places[0], off[0] if off else np.inf)


def _relative(one: Affordance, episode: Episode) -> Float[ndarray, "D"]:
    """Where the thing is touched, seen from the thing."""
    return one.contact - episode.truth[one.thing][one.start, :len(one.contact)]


def _judged(name: str, task: str, trips: Sequence[Trip], close: float, found: ndarray | None) -> list[Score]:
    number = np.arange(len(trips))
    wanted, made = np.stack([trip.wanted for trip in trips]), np.stack([trip.made for trip in trips])
    axis = int(wanted.var(0).argmax())
    x, y = wanted[:, axis], made[:, axis]
    moments = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], 1)
    error = over_episodes(np.stack([((made - wanted) ** 2).sum(1), (wanted**2).sum(1)], 1), number,
                          lambda s: np.sqrt(s[:, 0] / s[:, 1]))
    estimates = {"contact": counted(np.array([trip.off <= close for trip in trips])), "error": error}
    if not stands_still(y[:, None])[0]:
        estimates["correlation"] = over_episodes(moments, number, _correlation)
    if found is not None:
        estimates["found"] = counted(found)
    return [Score(name, task, f"affordance.{metric}", e.value, e.low, e.high, len(trips), "share")
            for metric, e in estimates.items()]


def _correlation(sums: Float[ndarray, "R 6"]) -> Float[ndarray, "R"]:
    count, x, y, xx, yy, xy = sums.T
    return (xy * count - x * y) / np.sqrt((xx * count - x * x) * (yy * count - y * y))
