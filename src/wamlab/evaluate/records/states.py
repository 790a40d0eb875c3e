"""States in records: told as lists per entity, kept as arrays with the entities side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from ...spec import EntitySpec

LARGEST = 1e12
"""no state is larger, in whatever unit: squares of it are still exact enough to be summed"""
SIDES: Mapping[str, tuple[str, ...]] = {"effect": ("imagined", "real", "ceiling"), "late": ("imagined", "real", "ceiling"),
                                        "answer": ("offered", "consequence"), "control": ("consequence",),
                                        "plan": ("imagined", "real", "ceiling")}
"""the fields of a record that hold futures"""
KINDS = frozenset((int, float))


def numbers(entities: Sequence[Any], widths: Sequence[int], steps: int) -> ndarray | None:
    """Rows of several entities side by side [steps, sum of widths]; None if they are not just finite numbers in that shape."""
    for rows, width in zip(entities, widths, strict=True):
        if type(rows) is not list or len(rows) != steps:
            return None
        for row in rows:
            if type(row) is not list or len(row) != width:
                return None
    cells = [cell for step in range(steps) for rows in entities for cell in rows[step]]
    if not KINDS.issuperset(map(type, cells)):
        return None
    try:
        found = np.array(cells, np.float64).reshape(steps, -1)
    except OverflowError:
        return None
    return found if np.abs(found).max() <= LARGEST else None


def split(values: ndarray, entities: Sequence[EntitySpec]) -> dict[str, ndarray]:
    """Per entity, of states that stand side by side [..., sum of channels]."""
    found, at = {}, 0
    for entity in entities:
        found[entity.name] = values[..., at:at + len(entity.channels)]
        at += len(entity.channels)
    return found
