"""`wam card`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..errors import WamError
from .console import print_json, print_table, progress, say
from .options import Rows, Workers


@dataclass(frozen=True)
class Command:
    """The causal card of a model: does its future follow the action, its action the future, and what happens its plan?

    For a run: every model is asked from saved states what other actions would do, is offered other futures and executes what it
    answers; it is shown other futures in closed loop, and a planner chooses by its imagination; and its recorded episodes are
    scored. A verdict is given in words, as far as the intervals carry it, and a page is written (card.html). What was asked
    before is kept in the run's folder (card-*, trials) and read from there. For a model that
    lives elsewhere: give its records (docs/protocol-cc-1.0.md says how they look).

    examples:
      wam card runs/first
      wam card runs/first --json --starts 0
      wam card runs/first --mode twin
      wam card runs/first --export records
      wam card --from records.jsonl
      wam card --from docs/protocol-cc-1.0.md
    """

    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = None
    """folder of a finished run"""
    records: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """a file of intervention records, JSON lines, or a page (.md) with a block of them; what they say is their sender's word"""
    export: Path | None = None
    """folder to write the run's own records to, one file per model and task"""
    mode: Literal["interventional", "twin"] = "interventional"
    """twin: the model's error on the factual future is offered as evidence about the others; concordances, being centred over
    actions, take no notice of it (docs/protocol-cc-1.0.md)"""
    starts: Rows = 20
    """starts for interventions in closed loop (swapped and oracle futures, planning); 0 leaves them out"""
    plausibility: bool = False
    """decode imagined futures to actions by two decoders and execute them (about a minute per task)"""
    workers: Workers = 2
    """processes for simulation"""
    all: bool = False
    """print every score, not only the card's own"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        from ..evaluate.card.card import HEADLINES, SIBLINGS, Card

        if (self.run is None) == (self.records is None):
            raise WamError("it takes either a run or a file of records", where="wam card", expected="RUN or --from FILE",
                           got="both" if self.run else "neither")
        if self.records is not None:
            from ..evaluate.records import reading

            cards: tuple[Card, ...] = (reading.load(self.records).card(self.mode),)
        else:
            from ..evaluate.card.card import from_log
            from ..evaluate.log import EvalLog
            from ..job.cards import Asking, judged
            from ..report import html

            assert self.run is not None
            folder = judged(self.run, Asking(self.mode, self.starts, self.workers, progress, self.plausibility,
                                             self.export))
            cards = from_log(log := EvalLog.load(folder))
            page = html(log, folder, self.run / "card.html")
        if self.json:
            print_json([card.to_json() for card in cards])
            return
        if self.run is not None:
            say(f"page: {page}")
        for card in cards:
            say("", f"{card.model} on {card.task}: {card.verdict.words.upper()}")
            for line in (*card.verdict.degrees, *card.verdict.reasons):
                say(f"  {line}")
            for capability in card.capabilities:
                say(f"  {capability.name:<8}{'' if capability.available else 'unavailable: '}{capability.why}")
            names = [s.metric for s in card.scores] if self.all else [*HEADLINES, *SIBLINGS]
            print_table("", ["measure", "value", "95 % interval", "n", "note"], [
                [s.metric, "unavailable" if s.value is None else f"{s.value + 0.0:.3f}",
                 "" if s.low is None or s.high is None else f"{s.low + 0.0:.2f} to {s.high + 0.0:.2f}", s.n or "",
                 s.unavailable or s.note] for s in card.rows(names)])
