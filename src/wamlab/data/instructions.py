"""Instructions that change within an episode: as rows, as an Episode holds them, and in words."""

from __future__ import annotations

from collections.abc import Iterable

Instructions = tuple[tuple[int, str], ...]
"""(the observation from which on it holds, the sentence), the first from 0 on"""


def changes(texts: Iterable[str]) -> Instructions:
    """From one instruction per observation to where each begins. Empty for no observations."""
    out: list[tuple[int, str]] = []
    for step, text in enumerate(texts):
        if not out or out[-1][1] != text:
            out.append((step, text))
    return tuple(out)


def spoken(instructions: Instructions) -> str:
    """All of them in one line."""
    return "; ".join(f"from step {start} on: {text}" if start else text for start, text in instructions)
