"""The worlds in which conformance is tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...control.collect import collect
from ...data.windows import Windows
from ..ask.actions import ACTIONS
from ..ask.branches import Protocol, make_branches
from ..eyes.readout import Readout
from ..eyes.readout_training import readout_for
from ..scoring.score import true_effects
from .families import World

SMALL: Mapping[str, Mapping[str, Any]] = {"pushworld": {"size": 48}}
"""options that make a world's pictures cheap"""
OFFSETS = (2, 4, 6, 8)
EPISODES, STEPS = 120, 600
"""that a readout is trained on, and for how long"""


def world_of(task: str, cache: Path, *, contexts: int = 24, seed: int = 0, workers: int = 1,
             progress: Callable[[int, int], None] | None = None) -> World:
    """True futures of all known actions, also of those that part late, from saved states of a task. Nothing is read off frames.

    Raises:
        UnknownName: for a task that does not exist.
        DataError: if the scenes have too few contexts.
    """
    protocol = Protocol(task, OFFSETS, contexts=contexts, seed=seed, actions=tuple(ACTIONS), options=SMALL.get(task, {}))
    branches = make_branches(protocol, cache, workers=workers, progress=progress)
    return World(task, branches.spec, true_effects(branches), branches, seed=seed)


def eye_for(world: World, cache: Path, *, workers: int = 1, progress: Callable[[int, int], None] | None = None) -> Readout:
    """A readout for a world, trained on demonstrations and play collected in it; read from the cache if it is there."""
    assert world.branches is not None
    protocol = world.branches.protocol
    folder = cache / f"eye-{world.branches.digest}"
    path = folder / "readout.safetensors"
    if not path.is_file():
        store = collect(protocol.task, EPISODES, folder / "data", seed=world.seed, kind="mixed", workers=workers,
                        options=dict(protocol.options))
        windows = Windows([store], history=1, chunk=1, offsets=())
        readout_for(windows, seed=world.seed, steps=STEPS, progress=progress).save(path)
    return Readout.load(path)
