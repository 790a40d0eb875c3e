"""What the numbers and names of a spec may be, asked where it is made. Everything here raises SpecError naming the field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from .errors import SpecError

LARGEST = 1e30
"""a limit, rate or tolerance that no quantity has; also far within single precision, in which actions are executed"""
MANY = 10_000
"""channels, cameras or entities that no robot has"""


def listed(where: str, value: object) -> Sequence[Any]:
    """A tuple or list of at most `MANY`; text is none."""
    if not isinstance(value, list | tuple) or len(value) > MANY:
        raise SpecError("a list is expected here", where=where, expected=f"a tuple of at most {MANY}", got=repr(value)[:60])
    return value


def names_of(where: str, value: object, least: int = 0) -> None:
    """Texts that are not empty, each once, at least so many."""
    names, seen = listed(where, value), set[str]()
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise SpecError("a name is missing", where=where, expected="text", got=repr(name)[:60])
        if name in seen:
            raise SpecError("a name stands twice", where=where, expected="every name once", got=name, fix="rename one of them")
        seen.add(name)
    if len(names) < least:
        raise SpecError("a name is missing", where=where, expected=f"at least {least}", got="none")


def units_of(where: str, value: object, count: int) -> None:
    """One text per channel; an empty one says that the unit is not known."""
    units = listed(where, value)
    if len(units) != count or not all(isinstance(unit, str) for unit in units):
        raise SpecError("channels and units differ in number", where=where, expected=f"{count} texts", got=repr(units)[:60])


def number(where: str, value: object, low: float, high: float, fix: str = "", *, above: bool = False) -> float:
    """A finite number from `low` (with `above`: beyond it) to `high`."""
    found: Any = value if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not low <= found <= high or (above and found == low):  # also for NaN
        raise SpecError("the number means nothing here", where=where, got=repr(value)[:60], fix=fix,
                        expected=f"a finite number {'above' if above else 'from'} {low:g}" + f" to {high:g}" * (not above))
    return float(found)


def whole(where: str, value: object, high: int) -> int:
    """A whole number from 1 to `high`; also as a file says it (8.0)."""
    found = number(where, value, 1, high)
    if found != int(found):
        raise SpecError("the number means nothing here", where=where, expected="a whole number", got=value)
    return int(found)


def count(where: str, value: object, high: int) -> int:
    """A whole number from 1 to `high` that counts: 8.0 does not."""
    if not isinstance(value, Integral):
        raise SpecError("the number means nothing here", where=where, expected="a whole number", got=repr(value)[:60])
    return whole(where, value, high)


def choice(where: str, value: Any, options: tuple[Any, ...]) -> Any:
    """One of the options."""
    if value not in options:
        raise SpecError("this is none of the options", where=where, expected=", ".join(options), got=repr(value)[:60])
    return value
