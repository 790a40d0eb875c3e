"""What came of an episode. `next.success` of row t is success at observation t + 1; the last row's is that of the action beyond
the last observation, and many tools write it there alone. Not known is not "no".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from ...errors import DataError
from .chosen import OUTCOMES


def success_of(columns: Mapping[str, ndarray], length: int, solved_at_start: bool, where: str) -> Bool[ndarray, "T1"] | None:
    """Per observation whether the task is solved; None where that is not known: without the column, or where it holds anything
    but 0 and 1 (NaN, -1, a score). The last observation has the outcome of its own row too: whatever ended the episode ended
    it solved.

    Args:
        columns: those of the episode that are read, `next.success` [N, 1] among them or not.
        solved_at_start: nothing in the format says so of the first observation.

    Raises:
        DataError: if the column holds more than a number per row.
    """
    if "next.success" not in columns:
        return None
    after = columns["next.success"].reshape(length, -1)
    if after.shape[1] != 1:
        raise DataError("the outcome is more than a number per row", where=f"{where}, field next.success", expected="1",
                        got=after.shape[1])
    after = after[:, 0]
    if after.dtype.kind not in "biuf":
        raise DataError("the outcome is no number", where=f"{where}, field next.success", expected="true or false, 0 or 1",
                        got=str(after[0])[:40], fix="store it as a boolean, or leave the column out: then it is unknown")
    if not np.isin(after, (0, 1)).all():
        return None
    success = np.append(solved_at_start, after[:-1] > 0)
    success[-1] |= after[-1] > 0
    return success


def only_at_the_end(columns: Mapping[str, ndarray]) -> bool:
    """Whether success stands in the last row alone."""
    after = columns["next.success"].reshape(-1) == 1 if "next.success" in columns else np.zeros(1, bool)
    return bool(after[-1] and not after[:-1].any())


def last_row(columns: Mapping[str, ndarray]) -> dict[str, Any]:
    """What the last row says came of its action, for an episode's `meta["last_row"]`: as JSON, finite numbers only."""
    said = {}
    for name in OUTCOMES:
        if name in columns and columns[name][-1].size == 1 and np.isfinite(value := columns[name][-1].reshape(-1)[0]):
            said[name.removeprefix("next.")] = value.item()
    return said
