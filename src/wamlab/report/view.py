"""What a page is made of, before it is HTML. Sections are data; the template alone knows tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A drawing with a sentence under it."""

    svg: str
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """Head and rows of text; `quiet` rows (controls, null models) are set back."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    quiet: Sequence[bool] = ()
    caption: str = ""


@dataclass(frozen=True)
class Ahead:
    """What was imagined for so many steps ahead, and what came: sheets with a frame per decision."""

    when: str
    imagined: str
    happened: str
    over: int
    """the first decision at which the episode ends before that moment"""
    note: str = ""


@dataclass(frozen=True)
class Decisions:
    """The decisions of one episode as sheets: data URIs of pictures that are one frame per decision wide."""

    steps: Sequence[int]
    now: str
    ahead: Sequence[Ahead]
    ratio: float
    """width of a frame over its height"""
    alt: str


@dataclass(frozen=True)
class Film:
    """One episode: its decisions one at a time, and as a film."""

    group: str
    """model and task"""
    outcome: str
    """solved, not solved, or not known whether solved"""
    uri: str
    poster: str
    alt: str
    decisions: Decisions
    steps: int
    """until it was solved, else until it ended"""
    said: str = ""
    """the instruction"""

    @property
    def note(self) -> str:
        return f"{self.outcome} after {self.steps} steps; “{self.said}”"


@dataclass(frozen=True)
class Films:
    """What was imagined beside what happened; `missing` says why there is nothing to show."""

    films: Sequence[Film] = ()
    missing: str = ""


@dataclass(frozen=True)
class Branch:
    """One action from a saved state: sheets of its imagined and its true frames, one frame per step ahead."""

    label: str
    name: str
    imagined: str
    true: str


@dataclass(frozen=True)
class Fan:
    """One saved state and what several actions lead to."""

    title: str
    now: str
    branches: Sequence[Branch]
    ahead: Sequence[str]
    ratio: float
    """width of a frame over its height"""


@dataclass(frozen=True)
class Fans:
    """Fans of one model; `missing` says why there are none."""

    fans: Sequence[Fan] = ()
    model: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Section:
    """One chapter of the page, closed until the reader opens it; `missing` says why there is nothing to show."""

    anchor: str
    title: str
    lead: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    films: Sequence[Film] = ()
    listing: str = ""
    """text set as code"""
    missing: str = ""
