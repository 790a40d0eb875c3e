"""What stands first, on the page and in a terminal: per model one sentence and three numbers, each beside what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluate.card.card import Card, from_log
from ..evaluate.log import EvalLog, Score
from .scores import ALL, amount, is_quiet, place, plain_name
from .verdicts import MEANS, OPEN
from .words import listed

UNKNOWN = "not known"
HIGHEST_DB = 60.0
"""no PSNR is higher, so no gain is larger"""


@dataclass(frozen=True)
class Number:
    """A value with its interval, as shares of one; without a value, `why` there is none."""

    value: float | None
    low: float | None
    high: float | None
    why: str = ""
    beside: str = ""
    """what it has to be compared with"""
    percent: bool = True

    def told(self, value: float) -> str:
        value = round(value, 4) + 0.0  # no minus before a zero
        return f"{value:.0%}" if self.percent else f"{value:.2f}"

    @property
    def text(self) -> str:
        return UNKNOWN if self.value is None else self.told(self.value)

    @property
    def bar(self) -> tuple[float, float, float] | None:
        """Low, value and high as places on a line from 0 to 1; beyond its ends they stand at them. None without a value."""
        ends = [self.low, self.value, self.high]
        low, at, high = (min(1.0, max(0.0, end)) if end is not None else None for end in ends)
        return None if at is None else (at if low is None else low, at, at if high is None else high)

    @property
    def interval(self) -> str:
        """In words; empty without a value."""
        if self.value is None:
            return ""
        if self.low is None or self.high is None:
            return "interval not known"
        return f"{self.told(self.low)} to {self.told(self.high)}"


@dataclass(frozen=True)
class Row:
    """The three numbers on one task."""

    task: str
    """as the page names it; empty for all tasks together"""
    numbers: tuple[Number, Number, Number]


@dataclass(frozen=True)
class Glance:
    """One model, at a glance."""

    model: str
    sentence: str
    rows: Sequence[Row]


TITLES = ("solved", "less error than a still picture", "acts on the future it is shown")
"""of the three numbers"""
MEANINGS = ("share of the new starts that were solved, beside what a recorded demonstration solves that is played blindly",
            "how much smaller the squared error of its imagined pictures is than that of a copy of now, over the whole "
            "picture; 0% is no better, and below 0 the copy is closer",
            "whether its robot brings about a future that is put before it; 0 ignores it, 1 brings it about")


def lead(log: EvalLog) -> str:
    """What was run, in one sentence; empty where the log knows of nothing that acted."""
    acted = [s for s in log.scores if s.metric == "success" and not is_quiet(s.model)]
    names, tasks = (list(dict.fromkeys(part)) for part in ([s.model for s in acted], [place(log, s.task) for s in acted]))
    starts = " or ".join(map(str, sorted({s.n for s in acted})))
    return f"{listed(names)} learned {listed(tasks)} from demonstrations, then acted alone from {starts} new starts each." \
        if acted else ""


def glances(log: EvalLog) -> list[Glance]:
    """The models that acted, in the order of the log. Missing numbers say why they are missing.

    Raises:
        DataError: if what the log says of its cards is damaged.
    """
    cards: dict[str, list[Card]] = {}
    for card in from_log(log):
        cards.setdefault(card.model, []).append(card)
    return [Glance(name, sentence(log, mine), [Row(place(log, card.task), (solved(log, card), closer(card), acts(card)))
                                               for card in mine]) for name, mine in cards.items()]


def sentence(log: EvalLog, cards: Sequence[Card]) -> str:
    """The verdicts of one model in one sentence; tasks of which the same is said are named together."""
    tasks: dict[str, list[str]] = {}
    for card in cards:
        tasks.setdefault(card.verdict.words, []).append("all tasks" if card.task == ALL else place(log, card.task))
    if len(tasks) == 1:
        said = MEANS[cards[0].verdict.words]
    else:  # what is not settled comes last, and in short
        order = sorted(tasks, key=lambda words: words == "not enough evidence")
        said = "; ".join(f"on {listed(tasks[words])} {OPEN if words == order[-1] == 'not enough evidence' else MEANS[words]}"
                         for words in order)
    return f"{said[:1].upper()}{said[1:]}."


def solved(log: EvalLog, card: Card) -> Number:
    blind = [s for s in log.scores if s.metric == "success" and s.task == card.task and is_quiet(s.model)
             and "oracle" not in s.model and s.value is not None]
    beside = ", ".join(f"{'blind ' * ('replay' in s.model)}{plain_name(s.model)}: {amount(s, interval=False)}" for s in blind)
    return number(card, "success", beside)


def closer(card: Card) -> Number:
    """A gain of g dB is an error that is smaller by the factor 10^(-g / 10)."""
    def less(gain: float | None) -> float | None:
        return None if gain is None else 1 - 10 ** (-min(max(gain, -HIGHEST_DB), HIGHEST_DB) / 10)

    found = number(card, "psnr.gain", "a copy of now: 0%")
    return Number(less(found.value), less(found.low), less(found.high), found.why, found.beside)


def acts(card: Card) -> Number:
    return number(card, "f2a.robot", "0 ignores the future, 1 brings it about", percent=False)


def number(card: Card, metric: str, beside: str, percent: bool = True) -> Number:
    """A score of a card, or why it has none: as it says itself, or as the measure says of which it is a part."""
    parts = metric.split(".")
    found: list[Score] = [s for k in range(len(parts), 0, -1) if (s := card.find(".".join(parts[:k]))) is not None]
    if found and found[0].metric == metric and found[0].value is not None:
        return Number(found[0].value, found[0].low, found[0].high, "", beside, percent)
    why = next((s.unavailable for s in found if s.unavailable), "it was not measured")
    return Number(None, None, None, why, "", percent)
