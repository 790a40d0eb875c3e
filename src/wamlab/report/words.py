"""Measures in words for a reader who has never seen them. What a measure means, each metric says itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..evaluate.metrics import discover

TITLES = {"cc": "CC-A2F", "psnr": "PSNR", "ssim": "SSIM", "fcs": "FCS", "f2a": "CC-F2A", "pea": "plan-execution agreement",
          "branch": "given actions"}
"""names that are no words; all others are shown as they are"""


@dataclass(frozen=True)
class Word:
    """Title, explanation, and the range that the measure can take (None: not known)."""

    title: str
    meaning: str
    limits: tuple[float, float] | None = None
    short: str = ""
    """what is special about this child of a measure; the whole explanation for a measure itself"""


def word(metric: str) -> Word:
    """The entry of a dotted score name; an unknown one explains nothing but keeps its name."""
    bare = metric.removeprefix("branch.")
    title = ", ".join(TITLES.get(part, part.replace("_", " ")) for part in bare.split("."))
    if bare != metric:
        title += f" ({TITLES['branch']})"
    found = next((known for name, known in discover().items() if bare == name or bare.startswith(name + ".")), None)
    if found is None:
        return Word(title, "")
    if bare == found.name:
        return Word(title, found.meaning, (float(found.range[0]), float(found.range[1])), found.meaning)
    special = of_child(found.children, bare.removeprefix(found.name + "."))
    apart = f"{found.meaning}, {special}" if special.startswith("for ") else special
    return Word(title, f"{found.meaning}; here {special}", None, apart)


def of_child(children: Mapping[str, str], name: str) -> str:
    """What a metric says of "robot.gain": as it stands, as "<group>.gain", or part by part."""
    for pattern, meaning in children.items():
        if re.fullmatch(re.sub(r"<\w+>", r"[^.]+", pattern), name):
            return meaning
    return ", ".join(children.get(part, part) for part in name.split("."))


def listed(names: Sequence[str]) -> str:
    """"a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
