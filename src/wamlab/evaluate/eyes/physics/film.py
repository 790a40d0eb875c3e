"""Where everything is over time, in one of the physics scenes. Letters: C contexts, K actions, T offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from ....simulators.physics_scenes import SCENES, SHELF, Scene
from ....spec import TaskSpec
from ...metric import Effects

PREFIX = "physics/"


def scene_of(spec: TaskSpec) -> Scene | None:
    """The physics scene of a task, None for every other task."""
    return SCENES.get(spec.task.removeprefix(PREFIX)) if spec.task.startswith(PREFIX) else None


@dataclass(frozen=True, eq=False)
class Film:
    """Positions from the saved state on."""

    scene: Scene
    times: Float[ndarray, "T1"]
    """seconds after the saved state; the first is 0"""
    places: Mapping[str, Float[ndarray, "C K T1 2"]]
    """x and z in metres of the hand ("robot") and every thing"""
    held: Bool[ndarray, "C K T1"]
    """whether the hand holds what it can hold, in truth"""

    def floor(self, name: str) -> Float[ndarray, "C K 1"]:
        """Height of what a thing stands on: the upper lane for what starts there."""
        return np.where(self.places[name][:, :, :1, 1] > SHELF, SHELF, 0.0) if self.scene.lanes else np.zeros((1, 1, 1))

    def speeds(self, name: str) -> Float[ndarray, "C K T 2"]:
        """Mean velocity between two moments, m/s."""
        return np.diff(self.places[name], axis=2) / np.diff(self.times)[:, None]


def film_of(effects: Effects, spec: TaskSpec, scene: Scene, states: Mapping[str, Float[ndarray, "C K T D"]]) -> Film:
    """One of the effects' futures ("real", "imagined" or the ceiling) as a film; the hand's grip is the true one."""
    names = [name for name in ("robot", *(thing.name for thing in scene.things)) if name in states]

    def joined(name: str, channels: slice, values: ndarray) -> ndarray:
        start = effects.start[name][:, None, None, channels]
        later = values[..., channels]
        return np.concatenate([np.broadcast_to(start, (*later.shape[:2], 1, later.shape[3])), later], axis=2)

    grip = joined("robot", slice(2, 3), effects.real["robot"])[..., 0] if "robot" in effects.real else None
    places = {name: joined(name, slice(0, 2), states[name]) for name in names}
    shape = next(iter(places.values())).shape[:3]
    held = np.zeros(shape, bool) if grip is None or not scene.held else grip > 0.5
    return Film(scene, np.array([0, *effects.offsets]) / spec.control_hz, places, held)
