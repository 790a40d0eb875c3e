"""Cameras that are frozen, black, late or missing, noticed while recording: at most three frames after it begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

FROZEN, BLACK, LATE, MISSING = 1, 2, 4, 8
NAMES = {FROZEN: "frozen", BLACK: "black", LATE: "late", MISSING: "missing"}
REPEATS = 2
"""a picture that comes again so many times is frozen"""
DARK = 6.0
"""mean grey value below which a picture shows nothing"""
LATE_PERIODS = 1.5


def names(flags: int) -> str:
    """The marks in words."""
    return ", ".join(name for bit, name in NAMES.items() if flags & bit)


@dataclass
class CameraWatch:
    """Follows one camera through an episode."""

    period_ns: float
    """nanoseconds between frames"""
    still_scenes: bool = False
    """pictures may repeat while the robot stands still (simulators, screens); real sensors always have some noise"""
    last: ndarray | None = None
    last_captured: int | None = None
    repeats: int = 0

    def see(self, picture: ndarray | None, captured_ns: int, now_ns: int, moving: bool) -> int:
        """Marks of this frame.

        Args:
            picture: None if the camera gave none.
            captured_ns, now_ns: when it was taken and when it is recorded, on one clock.
            moving: whether the robot moved since the last frame.
        """
        if picture is None:
            return MISSING
        flags = 0
        again = self.last is not None and picture.shape == self.last.shape and np.array_equal(picture, self.last)
        stale = self.last_captured is not None and captured_ns <= self.last_captured
        if stale or (again and (moving or not self.still_scenes)):
            self.repeats += 1
        elif not again:
            self.repeats = 0
        if self.repeats >= REPEATS:
            flags |= FROZEN
        if picture.dtype == np.uint8 and float(picture.mean()) < DARK:
            flags |= BLACK
        gap = 0 if self.last_captured is None else captured_ns - self.last_captured
        if max(gap, now_ns - captured_ns) > LATE_PERIODS * self.period_ns:
            flags |= LATE
        self.last, self.last_captured = picture.copy(), captured_ns
        return flags
