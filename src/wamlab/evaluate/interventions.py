"""Everything that is asked of a model from saved states: the interventional half of the card.

Each question is put on its own: what a model cannot answer, or fails at, is unavailable with the reason, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import WamError
from ..models.base import WorldActionModel
from .actions import LATE
from .branch_data import Branches
from .branches import make_branches
from .f2a import answer_branches
from .imagining import Futures, imagine_branches
from .log import Score
from .metrics import Answers, Effects, Evidence, Metric, discover, get
from .metrics.base import positions
from .readout import Readout
from .score import frame_pairs, read_effects

Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Asked:
    """What came of it."""

    scores: tuple[Score, ...]
    effects: Effects | None = None
    answers: Answers | None = None
    futures: Futures | None = None


def intervene(name: str, model: WorldActionModel, branches: Branches, readout: Readout, cache: Path, *, seed: int = 0,
              samples: int = 4, workers: int = 1, progress: Progress | None = None) -> Asked:
    """Actions to futures, futures to actions, late actions, and repeated imagination as uncertainty.

    Args:
        cache: folder for the extra branches, those of late actions.
        samples: futures per question whose spread is the uncertainty; 1 leaves it out.
        progress: called with (questions done, questions).
    """
    tick = progress or (lambda done, total: None)
    futures, why = attempt(lambda: imagine_branches(model, branches, seed=seed))
    effects = None if futures is None else read_effects(branches, futures, readout)
    tick(1, 4)
    if effects is not None and samples > 1:
        seen = effects
        unsure, _ = attempt(lambda: spread(model, branches, readout, seen, seed=seed, samples=samples))
        effects = replace(effects, uncertainty=unsure)
    tick(2, 4)
    pictures = None if futures is None else frame_pairs(branches, futures)
    evidence = Evidence(name, branches.spec, effects=effects, frames=pictures, scales=branches.scales(),
                        missing={"effects": why, "frames": why})
    scores = [score for metric in _of("effects") if metric.name != "onset" for score in metric(evidence)]
    if pictures is not None:
        scores += [score for metric in _of("frames") for score in metric(evidence)]
    scores += late_actions(name, model, branches, readout, cache, seed=seed, workers=workers)
    tick(3, 4)
    answers, why = attempt(lambda: answer_branches(model, branches, seed=seed, workers=workers))
    asked = Evidence(name, branches.spec, answers=answers, scales=branches.scales(), missing={"answers": why})
    scores += get("f2a")(asked)
    tick(4, 4)
    return Asked(tuple(scores), effects, answers, futures)


def attempt(question: Callable[[], T]) -> tuple[T | None, str]:
    """An answer, or None and the reason."""
    try:
        return question(), ""
    except WamError as error:
        return None, error.problem
    except Exception as error:  # whatever a model does: the rest of the card goes on
        return None, f"the model failed: {type(error).__name__}: {error}"


def spread(model: WorldActionModel, branches: Branches, readout: Readout, first: Effects, *, seed: int,
           samples: int) -> Float[ndarray, "C K"]:
    """Root mean variance over repeated imaginations, in sigma, of what they show: known before anything is tried."""
    again = [read_effects(branches, imagine_branches(model, branches, seed=seed + 7919 * s), readout)
             for s in range(1, samples)]
    scales, total = branches.scales(), np.zeros(branches.actions.shape[:2])
    for entity in branches.spec.entities:
        if entity.name in first.imagined:
            values = np.stack([one.imagined[entity.name][..., :positions(entity)] for one in (first, *again)])
            total += (values.var(0) / scales[entity.name] ** 2).sum((2, 3))
    return np.sqrt(total)


def late_actions(name: str, model: WorldActionModel, branches: Branches, readout: Readout, cache: Path, *, seed: int,
                 workers: int) -> Sequence[Score]:
    """Onset leakage, from branches of actions that part half way."""
    def ask() -> Effects:
        protocol = replace(branches.protocol, actions=("factual", *LATE))
        truth = make_branches(protocol, cache, workers=workers)
        return read_effects(truth, imagine_branches(model, truth, seed=seed), readout)

    effects, why = attempt(ask)
    return get("onset")(Evidence(name, branches.spec, effects=effects, scales=branches.scales(), missing={"effects": why}))


def _of(need: str) -> list[Metric]:
    return [metric for metric in discover().values() if metric.needs == (need,)]
