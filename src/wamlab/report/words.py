"""Measures in words for a reader who has never seen them. What a measure means, each metric says itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..evaluate.metrics import discover

TITLES = {"cc": "CC-A2F", "psnr": "PSNR", "ssim": "SSIM", "fcs": "FCS", "pea": "plan-execution agreement", "branch": "given actions"}
"""names that are no words; all others are shown as they are"""


@dataclass(frozen=True)
class Word:
    """Title, explanation, and the range that the measure can take (None: open)."""

    title: str
    meaning: str
    limits: tuple[float, float] | None = None


def word(metric: str) -> Word:
    """The entry of a dotted score name; an unknown one explains nothing but keeps its name."""
    bare = metric.removeprefix("branch.")
    title = ", ".join(TITLES.get(part, part.replace("_", " ")) for part in bare.split("."))
    if bare != metric:
        title += f" ({TITLES['branch']})"
    found = next((known for name, known in discover().items() if bare == name or bare.startswith(name + ".")), None)
    if found is None:
        return Word(title, "")
    child = bare.removeprefix(found.name).removeprefix(".")
    meaning = found.children.get(child, found.meaning)
    low, high = found.range
    bounded = math.isfinite(low) and math.isfinite(high) and meaning == found.meaning
    return Word(title, meaning, (float(low), float(high)) if bounded else None)
