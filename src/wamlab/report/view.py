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
class Strip:
    """A film strip: one wide picture per row, cut into equal columns."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, str]]
    """label and data URI of a picture that is len(columns) frames wide"""
    alt: str


@dataclass(frozen=True)
class Film:
    """A film of one episode with the strip of its decisions."""

    title: str
    good: bool
    """whether the task was solved"""
    uri: str
    poster: str
    alt: str
    strip: Strip
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One chapter of the page; `missing` says why there is nothing to show."""

    anchor: str
    title: str
    lead: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    films: Sequence[Film] = ()
    strips: Sequence[Strip] = ()
    listing: str = ""
    """text set as code"""
    missing: str = ""
    folded: bool = False
    """closed until the reader opens it"""
