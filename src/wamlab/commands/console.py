"""What every command prints with: tables and JSON on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..reading import shown

Tick = Callable[[int, int], None]
"""called with (done, total)"""
_shown: list[Progress] = []
"""the display that is open, if one is: a terminal has room for one, and bars that are open together share it"""


@contextmanager
def progress(description: str, every: float = 10.0) -> Iterator[Tick]:
    """A progress bar with the time that remains; plain lines at most every `every` seconds where there is no terminal.

    Both go to stderr, so that stdout carries results alone.
    """
    console, description = Console(stderr=True), line(description)
    if console.is_terminal and _shown:
        bar = _shown[0].add_task(description, total=None)
        yield lambda done, total: _shown[0].update(bar, completed=done, total=total)
    elif console.is_terminal:
        columns = [TextColumn("{task.description:<34}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                   TextColumn("left"), TimeRemainingColumn()]
        with Progress(*columns, console=console) as bars:
            bar = bars.add_task(description, total=None)
            _shown.append(bars)
            try:
                yield lambda done, total: bars.update(bar, completed=done, total=total)
            finally:
                _shown.clear()
    else:
        yield PlainLines(description, every)


class PlainLines:
    """The same for a log file: the first, the last and now and then a line in between."""

    def __init__(self, description: str, every: float):
        self.description, self.every = description, every
        self.start = time.monotonic()
        self.last = float("-inf")
        self.console = Console(stderr=True, soft_wrap=True)

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self.last < self.every:
            return
        self.last = now
        spent = now - self.start
        left = f", about {spent / done * (total - done):.0f} s left" if 0 < done < total else ""
        self.console.print(f"{self.description}: {done}/{total} after {spent:.0f} s{left}", highlight=False, markup=False,
                           emoji=False)


def line(text: object) -> str:
    """`shown` within one line: ends of lines are written out too, so that no name can pass for a line of its own."""
    return shown(text).replace("\n", "\\n")


def say(*lines: object, stderr: bool = False) -> None:
    """Lines of text on stdout, or on stderr. What a dataset, a log or a disk says is shown, not obeyed."""
    print("\n".join(map(line, lines)), file=sys.stderr if stderr else sys.stdout)


def print_json(value: Any) -> None:
    """One JSON document on stdout; NaN is null."""
    print(json.dumps(plain(value), indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """JSON values only: tuples to lists, not-a-number to null, everything unknown to its text."""
    match value:
        case float() if value != value or value in (float("inf"), float("-inf")):
            return None
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case Sequence() | set() | frozenset():
            return [plain(item) for item in value]
        case _:
            return str(value)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout. Cells are text: no markup in them means anything."""
    heading = Text(line(title), "table.title") if title else None
    table = Table(title=heading, title_justify="left", show_edge=False, pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(Text(line(name)), no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(line(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = 160  # a pipe or a file has no width to keep to
    console.print(table, highlight=False)
