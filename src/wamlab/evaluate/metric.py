"""What a metric sees (`Evidence`) and what a metric is (`Metric`). Arrays only: no model, no simulator, no torch.

Letters in shapes: as in `evaluate.evidence`.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import SpecError, WamError
from ..spec import EntitySpec, Group, TaskSpec
from ..types import Episode
from .evidence import Answers, Decoded, Effects, Foresight, FramePairs, Trials
from .log import Score
from .statistics import Estimate, Interval

Need = Literal["episodes", "frames", "foresight", "effects", "answers", "decoded", "trials"]
NEEDS: tuple[Need, ...] = get_args(Need)
GROUPS: dict[str, tuple[Group, ...]] = {"robot": ("robot",), "object": ("object", "articulation"), "bystander": ("bystander",)}
"""entity groups that measures are told for; "object" is everything that is there to be manipulated"""


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that is known about one model on one task. None: not there, and `missing` says why."""

    model: str
    spec: TaskSpec
    episodes: tuple[Episode, ...] | None = None
    frames: FramePairs | None = None
    foresight: Foresight | None = None
    effects: Effects | None = None
    answers: Answers | None = None
    decoded: Decoded | None = None
    trials: Trials | None = None
    scales: Mapping[str, float] = field(default_factory=dict)
    """sigma per entity: the unit in which its effects are counted; empty: taken from the true effects at hand"""
    missing: Mapping[str, str] = field(default_factory=dict)

    def score(self, metric: str, value: float | Estimate | None, interval: Interval | None = None, **more: Any) -> Score:
        """A score of this model on this task.

        Args:
            value: the number, an estimate with its interval, or None: then `unavailable` says why.
            more: further fields of `Score`.
        """
        if isinstance(value, Estimate):
            interval, value = Interval(value.low, value.high), value.value
        if value is not None and not np.isfinite(value):
            value, interval, more["unavailable"] = None, None, "not a finite number"
        low, high = interval or (None, None)
        return Score(self.model, self.spec.task, metric, None if value is None else float(value), low, high, **more)


@dataclass(frozen=True)
class Metric:
    """A measure that anyone can add: one file with `METRICS = (Metric(...),)`.

    A metric that cannot be computed gives scores whose `unavailable` says why; it never gives 0 for that.
    """

    name: str
    """its scores are called this, or this with a dot and more"""
    needs: tuple[Need, ...]
    """which parts of the evidence must be there"""
    compute: Callable[[Evidence], Sequence[Score]]
    direction: Literal["higher", "lower", "neither"]
    range: tuple[float | int, float | int]
    meaning: str
    """one line for a reader who has never seen it"""
    source: str
    """the paper or the definition that it follows"""
    unit: str = ""
    main: tuple[str, ...] = ("",)
    """endings of the scores that are said to be unavailable when the metric cannot be computed at all"""
    children: Mapping[str, str] = field(default_factory=dict)
    """one line for each further score: what comes after the dot; "<any>" stands for one or more letters"""

    def explain(self, score: str) -> tuple[str, bool]:
        """What one of its scores means, and whether it is the metric itself (whose `range` holds) or a child of it."""
        child = score.removeprefix("branch.").removeprefix(self.name).removeprefix(".")
        lines = [line for pattern, line in self.children.items()
                 if re.fullmatch(re.sub(r"<\w+>", r"[^.]+", pattern.replace(".", r"\.")), child)]
        parts = [self.children[part] for part in child.split(".") if part in self.children]
        return ("; ".join(lines[:1] or parts) or self.meaning, not child)

    def __call__(self, evidence: Evidence) -> tuple[Score, ...]:
        """Its scores; unavailable ones if something that it needs is missing or damaged.

        Raises:
            SpecError: if the metric breaks its own declaration.
        """
        for need in self.needs:
            if vars(evidence)[need] is None:
                return self._unavailable(evidence, evidence.missing.get(need, f"there are no {need}"))
        try:
            scores = tuple(self.compute(evidence))
        except WamError as error:
            return self._unavailable(evidence, error.problem)
        except Exception as error:  # whatever a user's metric does
            raise SpecError(f"metric {self.name} failed", where=_place(error), expected="a list of scores",
                            got=f"{type(error).__name__}: {error}", fix="mend the metric; a WamError from it makes its "
                            "scores unavailable instead") from error
        for score in scores:
            bare = score.metric.removeprefix("branch.")
            if bare != self.name and not bare.startswith(self.name + "."):
                raise SpecError("a metric's scores carry its name", where=f"metric {self.name}", got=score.metric,
                                expected=f"{self.name} or {self.name}.something")
        return scores

    def _unavailable(self, evidence: Evidence, why: str) -> tuple[Score, ...]:
        prefix = evidence.frames.prefix if "frames" in self.needs and evidence.frames is not None else ""
        return tuple(evidence.score(prefix + self.name + ending, None, unavailable=why) for ending in self.main)


def _place(error: Exception) -> str:
    """File and line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}"


def positions(entity: EntitySpec) -> int:
    """How many leading channels share the unit of the first: the ones that a tolerance in that unit applies to."""
    return next((i for i, unit in enumerate(entity.units) if unit != entity.units[0]), len(entity.units))


def entities(spec: TaskSpec, group: str, known: Mapping[str, ndarray]) -> tuple[EntitySpec, ...]:
    """The entities of a group (see GROUPS) for which there are numbers."""
    return tuple(e for e in spec.of_group(*GROUPS[group]) if e.name in known)


def sigma(entity: EntitySpec, effect: Float[ndarray, "... D"]) -> float:
    """The unit of an entity's effects: their root mean square (displacements from the start), but at least what matters
    physically."""
    effect = effect[..., :positions(entity)]
    return max(float(np.sqrt(np.mean(effect**2))) if effect.size else 0.0, entity.tolerance)


def stacked(spec: TaskSpec, group: str, values: Mapping[str, Float[ndarray, "... _"]], scales: Mapping[str, float]) -> ndarray:
    """The positions of all entities of a group side by side, each in its own sigma: [..., sum of D]."""
    chosen = entities(spec, group, values)
    return np.concatenate([values[e.name][..., :positions(e)] / scales[e.name] for e in chosen], axis=-1)


def moved(entity: EntitySpec, effect: Float[ndarray, "... D"], least: float | None = None) -> ndarray:
    """Whether an effect is larger than `least` (None: than what matters physically): [...]."""
    return np.linalg.norm(effect[..., :positions(entity)], axis=-1) > (entity.tolerance if least is None else least)
