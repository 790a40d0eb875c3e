"""How a recorded episode ended, as an episode that metrics can read."""

from __future__ import annotations

import numpy as np

from ...types import Episode
from .lines import Line


def solved(line: Line) -> tuple[bool, bool]:
    """Whether an episode was solved at its start, and at its end."""
    end, before = line.flag("solved"), line.flag("solved_at_start")
    if end is None:
        raise line.fault("solved is missing", "solved", "true or false", None)
    return bool(before), end


def outcome(task: str, before: bool, end: bool) -> Episode:
    return Episode(task, "", {"main": np.zeros((2, 1, 1, 3), np.uint8)}, np.zeros((2, 0), np.float32),
                   np.zeros((1, 0), np.float32), np.array([before, end]))
