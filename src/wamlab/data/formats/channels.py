"""The names of a vector's numbers, in the order of the numbers, from the forms in which tools write them.

    ["x", "y"]                                     a list
    [["x", "y"]]                                   a list in a list
    {"motors": ["x", "y"]}                         a table of lists, say one per arm
    {"y": 1, "x": 0}                               a table of positions
    {"left": {"x": 0}, "right": {"x": 1}}          such a table per arm
    {"arm": [0, 1, 2], "gripper": [3]}             a table of lists of positions
    {"arm": [0, 3], "gripper": [3, 4]}             a table of first and behind the last
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ...errors import DataError

WIDEST = 10_000
"""numbers of a vector whose names are read"""
Placed = list[tuple[str, str, int | None]]
"""group (an arm), name, position where one is said"""


def channel_names(names: Any, shape: tuple[int, ...], where: str) -> tuple[str, ...]:
    """One name per number of a vector or table of `shape`, its last axis fastest; empty where nothing is said of each.

    Raises:
        DataError: for names that contradict the shape or each other, and for forms that are not known.
    """
    size = int(np.prod(shape))

    def refuse(problem: str, expected: object, got: object) -> DataError:
        return DataError(problem, where=f"{where}.names", expected=expected, got=str(got)[:120],
                         fix="mend the names in meta/info.json, or set them to null")

    if names is None or names in ([], {}) or size > WIDEST:
        return ()
    flat = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if flat and len(names) != size and len(names) in (len(shape), *shape[:1]):
        return ()  # they name axes, or the vector as a whole: no number has one of its own
    found = _placed(names, "", size)
    if found is None:
        raise refuse("the names have a form that is not read", "a list, a table of lists, or a table of positions", names)
    places = [place for _, _, place in found]
    if any(place is not None for place in places):
        if sorted(place if place is not None else -1 for place in places) != list(range(size)):
            raise refuse("the names' positions do not fit the shape", f"each of 0 to {size - 1} once", places)
        found.sort(key=lambda one: -1 if one[2] is None else one[2])
    if len(found) != size:
        raise refuse("names and shape differ", f"{size} names", len(found))
    often = Counter(name for _, name, _ in found)
    made = tuple(f"{group}.{name}" if group and often[name] > 1 else name for group, name, _ in found)
    twice = [name for name, count in Counter(made).items() if count > 1]
    if twice:
        raise refuse("two numbers have one name", "a name of its own for each", twice[0])
    return made


def _placed(names: Any, group: str, size: int) -> Placed | None:
    """The names that a value holds; None for a form that is not known."""
    match names:
        case str() | int() | float():
            return [(group, str(names), None)]
        case list() | tuple():
            many = len(names) > 1
            parts = [_placed(part, _join(group, str(number)) if many and not isinstance(part, str) else group, size)
                     for number, part in enumerate(names)]
        case dict() if all(_position(value) for value in names.values()):
            return [(group, str(name), int(value)) for name, value in names.items()]
        case dict() if all(isinstance(value, list) and value and all(map(_position, value)) for value in names.values()):
            return _ranges(names, group, size)
        case dict() if not any(map(_position, names.values())):
            parts = [_placed(part, _join(group, str(name)), size) for name, part in names.items()]
        case _:
            return None
    if any(part is None for part in parts):
        return None
    return [one for part in parts if part is not None for one in part]


def _ranges(names: dict[str, list[int]], group: str, size: int) -> Placed:
    """Positions listed, or as (first, behind the last) where those cover the vector and the lists do not."""
    spans = {name: list(value) for name, value in names.items()}
    listed = sorted(place for span in spans.values() for place in span) == list(range(size))
    if not listed and all(len(span) == 2 and 0 <= span[0] < span[1] <= size for span in spans.values()):
        spans = {name: list(range(*span)) for name, span in spans.items()}
    return [(group, str(name) if len(span) == 1 else f"{name} {number}", place)
            for name, span in spans.items() for number, place in enumerate(span)]


def _join(group: str, name: str) -> str:
    return f"{group}.{name}" if group else name


def _position(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
