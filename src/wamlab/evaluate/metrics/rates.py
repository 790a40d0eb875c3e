"""Does the imagination move what stays still, or leave what moves? Shares of (context, action, entity)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..log import Score
from ..metric import GROUPS, Evidence, Metric, entities, moved, positions
from ..statistics import cluster_bootstrap


def false_effect(evidence: Evidence) -> Sequence[Score]:
    return [*_rates(evidence, "false_effect", happened=False), *_far(evidence)]


def miss(evidence: Evidence) -> Sequence[Score]:
    return _rates(evidence, "miss", happened=True)


def _rates(evidence: Evidence, name: str, happened: bool) -> Sequence[Score]:
    """Share of (context, action, entity) in which the imagination moves the entity although nothing does, or the reverse.

    Still: within tolerance of the start at all offsets. Moving: beyond tau, the tolerance or what the readout may see where
    nothing moves. A miss is asked only of what moves by more than 2 tau, so that truth itself has rates of 0.
    """
    effects, scores = evidence.effects, []
    assert effects is not None
    totals: dict[str, list[ndarray]] = {"": [], ".ceiling": []}
    for group in GROUPS:
        sources = {"": effects.imagined} | ({} if effects.ceiling is None else {".ceiling": effects.ceiling})
        for suffix, imagined in sources.items():
            counts = np.zeros((len(effects.strata), 2))
            for entity in entities(evidence.spec, group, imagined):
                start = effects.start[entity.name][:, None, None]
                tau = max(entity.tolerance, effects.noise.get(entity.name, 0.0))
                real, made = effects.real[entity.name] - start, moved(entity, imagined[entity.name] - start, tau).any(-1)
                asked = moved(entity, real, 2 * tau).any(-1) if happened else ~moved(entity, real).any(-1)
                counts += np.stack([(asked & (made != happened)).sum(1), asked.sum(1)], -1)
            totals[suffix].append(counts)
            scores.append(share(evidence, f"{name}.{group}{suffix}", counts))
    return [share(evidence, name + suffix, np.sum(parts, 0)) for suffix, parts in totals.items() if parts] + scores


def _far(evidence: Evidence) -> Iterator[Score]:
    """Share of still (context, action, entity) that the imagination moves further than objects truly move where they do: than
    the median of their largest displacements in the same unit (without one, the robot's)."""
    effects, spec = evidence.effects, evidence.spec
    assert effects is not None
    away = {e.name: effects.real[e.name] - effects.start[e.name][:, None, None]
            for group in GROUPS for e in entities(spec, group, effects.imagined)}

    def usual(unit: str) -> float:
        for group in ("object", "robot"):
            found = [np.linalg.norm(away[e.name][..., :positions(e)], axis=-1).max(-1)[moved(e, away[e.name]).any(-1)]
                     for e in entities(spec, group, effects.imagined) if e.units[0] == unit]
            if sum(map(len, found)):
                return float(np.median(np.concatenate(found)))
        return float("inf")

    for group in GROUPS:
        counts = np.zeros((len(effects.strata), 2))
        for entity in entities(spec, group, effects.imagined):
            least = max(entity.tolerance, effects.noise.get(entity.name, 0.0), usual(entity.units[0]))
            still = ~moved(entity, away[entity.name]).any(-1)
            made = moved(entity, effects.imagined[entity.name] - effects.start[entity.name][:, None, None], least).any(-1)
            counts += np.stack([(still & made).sum(1), still.sum(1)], -1)
        yield share(evidence, f"false_effect.{group}.far", counts)


def share(evidence: Evidence, name: str, counts: Float[ndarray, "C 2"]) -> Score:
    """A share with its interval, from (hits, cases) per context."""
    if not counts[:, 1].sum():
        return evidence.score(name, None, unavailable="no such case among these contexts and actions")
    estimate = cluster_bootstrap(counts, lambda s: s[..., 0] / s[..., 1])
    return evidence.score(name, estimate or float(counts[:, 0].sum() / counts[:, 1].sum()), n=len(counts), unit="share",
                          note=f"{int(counts[:, 1].sum())} cases")


_RATES = {"<group>": "for one kind of thing", "ceiling": "the readout's own rate on true frames",
          "<group>.ceiling": "the readout's own rate on true frames"}
METRICS = (
    Metric("false_effect", ("effects",), false_effect, "lower", (0, 1), "share of still things that the imagination moves",
           "displacement beyond the tolerance or the readout's noise", "share",
           children=_RATES | {"<group>.far": "moved further than objects truly move, where they do"}),
    Metric("miss", ("effects",), miss, "lower", (0, 1), "share of moving things that the imagination leaves where they are",
           "displacement beyond the tolerance or the readout's noise", "share", children=_RATES),
)
