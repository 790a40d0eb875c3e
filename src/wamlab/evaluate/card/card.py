"""The card: two headlines and their siblings for one model on one task, its capabilities, and a verdict in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import DataError
from ...reading import table
from ..ask.manifest import NO_FUTURE, Capability
from ..ask.protocol import VERSION, Terms
from ..log import EvalLog, Score
from .verdict import NOT_LOOKED_AT, Verdict, decide

LACKING = "lacking"
"""where a log's provenance says, per "model/task", what the evidence lacks"""
HEADLINES = ("cc", "cc.robot", "cc.object", "f2a", "f2a.robot", "f2a.object", "success", "fcs")
"""both directions, and success as foreseen beside success; never one number for all"""
SIBLINGS = ("identification", "identification.chance", "false_effect", "miss", "cc.robot.gain", "cc.object.gain", "cc.ceiling",
            "dose", "dose.robot.slope", "dose.object.slope", "dose.robot.violations", "null_action", "onset", "regret",
            "regret.tau", "invariants", "calibration", "calibration.gain", "f2a.swapped", "f2a.frozen", "f2a.blocked",
            "f2a.specificity", "pea", "pea.coverage", "specific", "fcs.lucky", "fcs.lift", "fcs.optimism", "fcs.pessimism",
            "necessity", "necessity.headroom", "necessity.sham", "planning", "planning.chance")


@dataclass(frozen=True)
class Card:
    """What is known about one model on one task."""

    model: str
    task: str
    verdict: Verdict
    scores: tuple[Score, ...]
    capabilities: tuple[Capability, ...] = ()
    terms: Terms | None = None
    """None: the terms of the interventions are not known, and the numbers must not be compared with others"""

    def find(self, metric: str) -> Score | None:
        return next((score for score in self.scores if score.metric == metric), None)

    def rows(self, names: Sequence[str]) -> list[Score]:
        """The scores of these names that there are, available or not."""
        return [score for name in names if (score := self.find(name)) is not None]

    def to_json(self) -> dict[str, Any]:
        return {"model": self.model, "task": self.task, "version": VERSION, "verdict": asdict(self.verdict),
                "capabilities": [asdict(c) for c in self.capabilities],
                "protocol": None if self.terms is None else self.terms.to_json(),
                "headlines": {s.metric: s.value for s in self.rows(HEADLINES)},
                "scores": [asdict(s) for s in self.scores]}


def card_of(model: str, task: str, scores: Iterable[Score], capabilities: Sequence[Capability] = (),
            terms: Terms | None = None, lacking: Sequence[str] = ()) -> Card:
    """The card from scores, of whatever model and task they are; only this one's count.

    Args:
        lacking: what the evidence behind them lacks for a verdict in the model's favour (see `sufficiency`).
    """
    mine = tuple(s for s in scores if s.model == model and s.task == task)
    return Card(model, task, decide(mine, imagines(mine, capabilities), lacking), mine, tuple(capabilities), terms)


def from_log(log: EvalLog) -> tuple[Card, ...]:
    """The cards in a log: one per model that has capabilities in its provenance, and task. Without a word about what its
    evidence lacks, none speaks for a model.

    Raises:
        DataError: if what the log says of capabilities, terms or evidence is not of their kind.
    """
    abilities, terms, lacking = (table(log.provenance.get(name, {}), f"the log's provenance, {name}")
                                 for name in ("capabilities", "protocol", LACKING))
    names = list(abilities) or list(dict.fromkeys(s.model for s in log.scores if s.metric == "success" and "/" not in s.model))
    tasks = list(dict.fromkeys(s.task for s in log.scores if s.model in names))
    return tuple(card_of(name, task, log.scores, capabilities_of(abilities.get(name, [])),
                         Terms.from_json(table(terms[task], "protocol")) if task in terms else None,
                         missing_of(lacking.get(f"{name}/{task}", [NOT_LOOKED_AT]))) for name in names for task in tasks)


def capabilities_of(said: Any) -> list[Capability]:
    """A model's capabilities from JSON values."""
    try:
        return [Capability(str(one["name"]), one["available"] is True, str(one["why"])) for one in said]
    except (KeyError, TypeError) as error:
        raise DataError("a model's capabilities cannot be read", where="capabilities",
                        expected="name, available and why of each", got=f"{type(error).__name__}: {error}") from error


def missing_of(said: Any) -> tuple[str, ...]:
    """What the evidence lacks, from JSON values."""
    if not isinstance(said, list | tuple):
        raise DataError("what the evidence lacks cannot be read", where=LACKING, expected="a list", got=type(said).__name__)
    return tuple(map(str, said))


def imagines(scores: Sequence[Score], capabilities: Sequence[Capability] = ()) -> bool:
    """Whether the model imagines when it acts: by its capabilities, or as its scores say."""
    known = {c.name: c.available for c in capabilities}
    if "plan" in known:
        return known["plan"]
    return not any(s.metric == "pea" and s.unavailable == NO_FUTURE for s in scores)
