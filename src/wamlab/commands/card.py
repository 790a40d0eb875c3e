"""`wam card`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import WamError
from .console import print_json, print_table, progress


@dataclass(frozen=True)
class Command:
    """The causal card of a model: does its future follow the action, its action the future, and what happens its plan?

    For a run: every model is asked from saved states what other actions would do, is offered other futures and executes what it
    answers, and its recorded episodes are scored. A verdict is given in words, as far as the intervals carry it. For a model
    that lives elsewhere: give its records (docs/protocol-cc-1.0.md says how they look).

    examples:
      wam card runs/first
      wam card runs/first --json
      wam card runs/first --export records
      wam card --from records.jsonl
    """

    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = None
    """folder of a finished run"""
    records: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """a file of intervention records, JSON lines"""
    export: Path | None = None
    """folder to write the run's own records to, one file per model and task"""
    workers: int = 2
    """processes for simulation"""
    all: bool = False
    """print every score, not only the card's own"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        from ..evaluate.card import HEADLINES, SIBLINGS, Card, card_of

        if (self.run is None) == (self.records is None):
            raise WamError("it takes either a run or a file of records", where="wam card", expected="RUN or --from FILE",
                           got="both" if self.run else "neither")
        if self.records is not None:
            from ..evaluate import records

            found = records.load(self.records)
            evidence = found.evidence
            cards: tuple[Card, ...] = (card_of(evidence.model, evidence.spec.task, found.scores(), found.capabilities(),
                                               found.terms),)
        else:
            from ..evaluate.run_cards import cards as judged

            assert self.run is not None
            cards = judged(self.run, progress=progress, workers=self.workers, export=self.export)
        if self.json:
            print_json([card.to_json() for card in cards])
            return
        for card in cards:
            print(f"\n{card.model} on {card.task}: {card.verdict.words.upper()}")
            for reason in card.verdict.reasons:
                print(f"  {reason}")
            for capability in card.capabilities:
                print(f"  {capability.name:<8}{'' if capability.available else 'unavailable: '}{capability.why}")
            names = [s.metric for s in card.scores] if self.all else [*HEADLINES, *SIBLINGS]
            print_table("", ["measure", "value", "95 % interval", "n", "note"], [
                [s.metric, "unavailable" if s.value is None else f"{s.value + 0.0:.3f}",
                 "" if s.low is None or s.high is None else f"{s.low + 0.0:.2f} to {s.high + 0.0:.2f}", s.n or "",
                 s.unavailable or s.note] for s in card.rows(names)])
