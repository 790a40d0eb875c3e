"""One thing that is wrong with a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from ...errors import WamError

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""the worst first"""


@dataclass(frozen=True)
class Finding:
    """error: the data cannot be used as they are, or mislead; warning: probably not what was meant, look at it; note: good to
    know, but nothing here is affected."""

    check: str
    """name of the check, such as "timestamps" """
    severity: Severity
    file: str
    field: str
    episode: int | None
    """None: the whole dataset"""
    problem: str
    expected: str = ""
    got: str = ""
    fix: str = ""

    def lines(self) -> list[str]:
        """In words, for people."""
        place = ", ".join([self.file, *([f"field {self.field}"] if self.field else []),
                           *([f"episode {self.episode}"] if self.episode is not None else [])])
        tail = [f"  {name}: {value}" for name, value in (("expected", self.expected), ("got", self.got), ("fix", self.fix))
                if value]
        return [f"{self.severity} [{self.check}] {self.problem}", f"  where: {place}", *tail]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def from_error(check: str, error: WamError, episode: int | None = None) -> Finding:
    """A refusal of the reader as a finding. The error's place is "file, field name"."""
    file, _, field = str(error.where).partition(", field ")
    return Finding(check, "error", file, field, episode, error.problem, str(error.expected)[:200], str(error.got)[:200],
                   error.fix)


def listing(numbers: Iterable[object], limit: int = 6) -> str:
    """The first few of many, for a message."""
    shown = [str(number) for number in numbers]
    return ", ".join(shown[:limit]) + (f" and {len(shown) - limit} more" if len(shown) > limit else "")
