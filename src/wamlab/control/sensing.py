"""Further signals as a policy meets them: taken out of observations, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from numpy import ndarray

from ..data.tracks import as_signal
from ..errors import SpecError
from ..signals import FRAMES, MODALITIES, STATE, Need, Signal, kind_of
from ..spec import TaskSpec
from ..types import Episode

Observation = Mapping[str, Any]
"""{"frames": {camera: uint8 [h, w, 3]}, "state": float32 [P]}, and {"modalities": {name: array}} where senses are read"""


def options_for(needs: Mapping[str, Need]) -> dict[str, list[str]]:
    """Options of `simulators.make` with which a task's observations hold what a model needs."""
    kinds = {"cameras": FRAMES, "senses": MODALITIES}
    found = {option: [name.removeprefix(kind) for name in needs if name.startswith(kind)] for option, kind in kinds.items()}
    return {option: names for option, names in found.items() if names}


def pick(observation: Observation, name: str) -> Shaped[ndarray, "..."] | None:
    """A signal in an observation; None if it is not there."""
    if name == STATE:
        return np.asarray(observation["state"])
    found = observation["frames"] if name.startswith(FRAMES) else observation.get("modalities", {})
    return found.get(name.removeprefix(FRAMES).removeprefix(MODALITIES))


def check_senses(needs: Mapping[str, Need], observation: Observation, spec: TaskSpec) -> None:
    """Raises SpecError naming stream, signal and fix if an observation lacks what a model needs, or has it otherwise."""
    for name, need in needs.items():
        if name == STATE:
            continue
        kind, option = (FRAMES, "cameras") if name.startswith(FRAMES) else (MODALITIES, "senses")
        short, size = name.removeprefix(kind), (*spec.image_size, 3) if kind == FRAMES else need.shape
        found = pick(observation, name)
        if found is None or np.shape(found) != size:
            there = observation["frames"] if kind == FRAMES else observation.get("modalities", {})
            problem = f"there is no {kind_of(name)} to see" if found is None else f"{kind_of(name)} is of another shape"
            raise SpecError(problem, where=need.where, expected=f"{kind_of(name)}, {size}",
                            got=np.shape(found) if found is not None else ", ".join(there) or "none",
                            fix=f"make the simulator with it: make(TASK, {option}=({short!r},)); or choose a task that has it")


def signals_of(needs: Mapping[str, Need], at: Callable[[int], Observation], device: torch.device) -> dict[str, Signal]:
    """What a model needs of what was seen until now, of one situation.

    Args:
        at: the observation at a step from now (0, -1, ...).
    """
    found = {}
    for name, need in needs.items():
        if steps := [step for step in need.steps if step <= 0]:
            found[name] = as_signal(name, np.stack([pick(at(step), name) for step in steps])[None],
                                    np.ones((1, len(steps)), bool), tuple(steps)).to(device)
    return found


def as_given(name: str, values: Sequence[ndarray]) -> torch.Tensor:
    """What was seen of a signal, step after step, as `Given.others` takes it: [1, F, ...]."""
    stacked = as_signal(name, np.stack(values)[None], np.ones((1, len(values)), bool), tuple(range(len(values)))).values
    return stacked.float() / 255 if name.startswith(FRAMES) else stacked


def observation_at(episode: Episode, step: int) -> Observation:
    """What was observed at a step of a recorded episode."""
    return {"frames": {name: film[step] for name, film in episode.frames.items()}, "state": episode.state[step],
            "modalities": {name: rows[step] for name, rows in episode.modalities.items()}}
