"""What numbers that somebody chooses may be: types that carry their range, and the one check that holds them to it.

A setting is declared as `seed: Seed = 0`; `check(settings)` looks at every such field. What a file says is read by `reading`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from numbers import Integral, Real
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from .errors import WamError


@dataclass(frozen=True)
class Within:
    """The numbers from `low` to `high`, finite ones only."""

    low: float
    high: float
    whole: bool = True
    """whole numbers only"""
    above: bool = False
    """`low` itself is not among them"""

    def __str__(self) -> str:
        start = f"above {self.low}" if self.above else f"{self.low} or more"
        return f"{'a whole number, ' if self.whole else ''}{start}, at most {self.high}"

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | Integral if self.whole else int | float | Real) or isinstance(value, bool):
            return False
        return bool((value > self.low if self.above else value >= self.low) and value <= self.high)  # False for NaN

    def check(self, value: object, where: str, problem: str = "the number is out of its range") -> None:
        """Raises WamError naming `where` unless the value is one of these numbers."""
        if value not in self:
            raise WamError(problem, where=where, expected=self, got=repr(value)[:60], fix="give a number from that range")


SEED = Within(0, 2**32 - 1)
"""so small that the seeds that are computed from one stay within 64 bits"""
COUNT = Within(1, 1_000_000)
ROWS = Within(0, 1_000_000)
WORKERS = Within(1, 256)
SIDE = Within(1, 8192)
PORT = Within(0, 65535)
SECONDS = Within(0, 1_000_000_000, whole=False, above=True)
RATE = Within(0, 100_000, whole=False, above=True)
POSITIVE = Within(0, 1_000_000_000, whole=False, above=True)
SHARE = Within(0, 1, whole=False)
SPEED = Within(0, 1, whole=False, above=True)
VIEW = Within(0, SIDE.high)

Seed = Annotated[int, SEED]
"""what random numbers begin from"""
Count = Annotated[int, COUNT]
"""how many: one or more"""
Rows = Annotated[int, ROWS]
"""how many, none among them; or which, counted from 0"""
Workers = Annotated[int, WORKERS]
"""processes"""
Side = Annotated[int, SIDE]
"""pixels of a picture's height or width"""
Port = Annotated[int, PORT]
Seconds = Annotated[float, SECONDS]
"""a length of time in any unit"""
Rate = Annotated[float, RATE]
"""Hz"""
Positive = Annotated[float, POSITIVE]
Share = Annotated[float, SHARE]
"""a share or probability"""
Speed = Annotated[float, SPEED]
"""a share that is not nothing"""
View = Annotated[int, VIEW]
"""pixels of a picture's width, or 0"""


def check(settings: Any, mark: str = "") -> None:
    """Hold every field of a dataclass, and of dataclasses in it, to the range that its type carries.

    Args:
        mark: stands before a field's name in the error: "--" for options, which are then spelled with hyphens.

    Raises:
        WamError: naming the first field that is out of its range.
    """
    hints = get_type_hints(type(settings), include_extras=True)
    for field in fields(settings):
        value, name = getattr(settings, field.name), field.name.replace("_", "-") if mark else field.name
        for inside, within in ranges(hints[field.name], value):
            within.check(inside, f"{mark}{name}")
        if is_dataclass(value) and not isinstance(value, type):
            check(value, mark)


def ranges(hint: Any, value: Any) -> Iterator[tuple[Any, Within]]:
    """(value, range) for each number within a value that the type gives a range."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        found = next((one for one in hint.__metadata__ if isinstance(one, Within)), None)
        if found is None:
            yield from ranges(inner[0], value)
        else:
            yield value, found
    elif origin is tuple and isinstance(value, tuple):
        kinds = [inner[0]] * len(value) if inner[-1:] == (Ellipsis,) else inner
        for kind, one in zip(kinds, value, strict=False):
            yield from ranges(kind, one)
    elif value is not None and type(None) in inner:
        for kind in inner:
            yield from ranges(kind, value)
