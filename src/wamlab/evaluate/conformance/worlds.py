"""The worlds in which conformance is tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..actions import ACTIONS
from ..branches import Protocol, make_branches
from ..score import true_effects
from .families import World

SMALL: Mapping[str, Mapping[str, Any]] = {"pushworld": {"size": 32}}
"""options that make a world's pictures cheap"""
OFFSETS = (2, 4, 6, 8)


def world_of(task: str, cache: Path, *, contexts: int = 24, seed: int = 0, workers: int = 1,
             progress: Callable[[int, int], None] | None = None) -> World:
    """True futures of all known actions, also of those that part late, from saved states of a task.

    Raises:
        UnknownName: for a task that does not exist.
        DataError: if the scenes have too few contexts.
    """
    protocol = Protocol(task, OFFSETS, contexts=contexts, seed=seed, actions=tuple(ACTIONS), options=SMALL.get(task, {}))
    branches = make_branches(protocol, cache, workers=workers, progress=progress)
    return World(task, branches.spec, true_effects(branches), branches, seed)
