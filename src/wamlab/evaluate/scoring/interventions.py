"""Everything that is asked of a model from saved states: the interventional half of the card.

Each question is put on its own: what a model cannot answer, or fails at, is unavailable with the reason, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...errors import WamError
from ...models.base import WorldActionModel
from ..ask.actions import LATE
from ..ask.branch_data import Branches
from ..ask.branches import make_branches
from ..ask.f2a import answer_branches
from ..ask.imagining import Futures, imagine_branches
from ..ask.twin import Mode, averaged, twin
from ..eyes.readout import Readout
from ..log import Score
from ..metric import positions
from ..metrics import Answers, Effects, Evidence, Metric, discover, get
from .score import frame_pairs, read_effects

Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Asked:
    """What came of it."""

    scores: tuple[Score, ...]
    effects: Effects | None = None
    """the mean over all futures per question, in mode interventional"""
    late: Effects | None = None
    """of actions that part half way"""
    answers: Answers | None = None
    futures: Futures | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    """why there are no effects or no answers"""


def intervene(name: str, model: WorldActionModel, branches: Branches, readout: Readout, cache: Path, *, seed: int = 0,
              samples: int = 4, mode: Mode = "interventional", workers: int = 1, progress: Progress | None = None) -> Asked:
    """Actions to futures, futures to actions, late actions, and repeated imagination as uncertainty.

    Args:
        cache: folder for the extra branches, those of late actions.
        samples: futures per question; their mean is scored, their spread is the uncertainty (1 leaves that out).
        mode: see `twin`. It changes what effects are scored; offered futures and late actions are asked in one way only.
        progress: called with (questions done, questions).
    """
    tick = progress or (lambda done, total: None)
    draws, why = attempt(lambda: [imagine_branches(model, branches, seed=seed + 7919 * s) for s in range(samples)])
    effects = None if draws is None else mean_of(branches, draws, readout)
    tick(2, 4)
    asked_about = effects if effects is None or mode == "interventional" else twin(effects)
    pictures = None if draws is None else frame_pairs(branches, draws[0])
    evidence = Evidence(name, branches.spec, effects=asked_about, frames=pictures, scales=branches.scales(),
                        missing={"effects": why, "frames": why})
    scores = [stated(score, samples) for metric in _of("effects") if metric.name != "onset" for score in metric(evidence)]
    if pictures is not None:
        scores += [score for metric in _of("frames") for score in metric(evidence)]
    late, late_why = (None, why) if draws is None else attempt(
        lambda: late_actions(model, branches, readout, cache, seed=seed, workers=workers))
    scores += get("onset")(Evidence(name, branches.spec, effects=late, scales=branches.scales(), missing={"effects": late_why}))
    tick(3, 4)
    answers, deaf = attempt(lambda: answer_branches(model, branches, seed=seed, workers=workers))
    asked = Evidence(name, branches.spec, answers=answers, scales=branches.scales(), missing={"answers": deaf})
    scores += get("f2a")(asked)
    tick(4, 4)
    missing = {need: reason for need, reason in (("effects", why), ("answers", deaf)) if reason}
    return Asked(tuple(scores), effects, late, answers, None if draws is None else draws[0], missing)


def attempt(question: Callable[[], T]) -> tuple[T | None, str]:
    """An answer, or None and the reason."""
    try:
        return question(), ""
    except WamError as error:
        return None, error.problem
    except Exception as error:  # whatever a model does: the rest of the card goes on
        return None, f"the model failed: {type(error).__name__}: {error}"


def mean_of(branches: Branches, draws: Sequence[Futures], readout: Readout) -> Effects:
    """The mean effect over several futures per question; their spread, in sigma, is the uncertainty."""
    units = {}
    for entity in branches.spec.entities:
        counts = np.arange(len(entity.channels)) < positions(entity)
        units[entity.name] = counts / branches.scales()[entity.name] ** 2
    return averaged([read_effects(branches, futures, readout) for futures in draws], units)


def stated(score: Score, samples: int) -> Score:
    """The headline of effects with the number of futures that it is the mean of."""
    if score.value is None or samples < 2 or score.metric not in ("cc", "cc.robot", "cc.object"):
        return score
    return replace(score, note="; ".join(part for part in (score.note, f"mean of {samples} futures per question") if part))


def late_actions(model: WorldActionModel, branches: Branches, readout: Readout, cache: Path, *, seed: int,
                 workers: int) -> Effects:
    """Effects of actions that part half way, for onset leakage."""
    truth = make_branches(replace(branches.protocol, actions=("factual", *LATE)), cache, workers=workers)
    return read_effects(truth, imagine_branches(model, truth, seed=seed), readout)


def _of(need: str) -> list[Metric]:
    return [metric for metric in discover().values() if metric.needs == (need,)]
