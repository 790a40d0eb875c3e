"""The contract of every simulator: a Gymnasium environment whose world can be saved, restored and asked for the truth."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import gymnasium
import numpy as np
from jaxtyping import Float64, Shaped
from numpy import ndarray

from ..spec import TaskSpec

Modality = Literal["rgb", "depth", "segmentation"]
Observation = dict[str, Any]
"""{"frames": {camera: uint8 [h, w, 3]}, "state": float32 [P]}"""


class Simulator(gymnasium.Env[Observation, ndarray]):
    """A world with exact state.

    `reset(seed=s)` puts up scene s: the same s always gives the same scene, in any instance and process.
    `step(action)` takes an action in the units of `task_spec.action` and returns Gymnasium's five values;
    `info["success"]` is a bool, `terminated` is always False (success is an event, not an end),
    `truncated` is True from `task_spec.max_steps` on. An action that is not finite, of the wrong width or
    outside the limits raises ValueError: guarding the world is the gate's work, not the simulator's.
    """

    task_spec: TaskSpec
    renders: bool = True
    """set to False to leave `frames` black and save the time (truth and state do not change)"""

    @abstractmethod
    def render_camera(self, camera: str | None = None, size: tuple[int, int] | None = None,
                      modality: Modality = "rgb") -> Shaped[ndarray, "h w ..."]:
        """One picture of now. rgb: uint8 [h, w, 3]; depth: float32 metres [h, w]; segmentation: int32 entity id
        [h, w], the position in `task_spec.entities`, -1 elsewhere. None: the main camera, the spec's size.

        Raises:
            UnknownName: for a camera that does not exist.
        """

    @abstractmethod
    def save_state(self) -> Any:
        """The whole state (physics, Python attributes, step count, random generators) as an opaque value that
        can be pickled to another process and loaded into another instance of the same task."""

    @abstractmethod
    def load_state(self, state: Any) -> Observation:
        """Restore exactly; what follows is identical to the bit for the same actions. Returns the observation."""

    @abstractmethod
    def truth(self) -> dict[str, Float64[ndarray, "D"]]:
        """Privileged state per entity, in the order and units of `task_spec.entities`."""

    @abstractmethod
    def observe(self) -> Observation:
        """The observation of now."""

    def expert(self) -> Callable[[], np.ndarray] | None:
        """A scripted expert for the scene that is up: called once per control step, gives the next action
        (already within limits). None: there is none."""
        return None

    @property
    @abstractmethod
    def renderer(self) -> str:
        """Fingerprint of the renderer: backend name and a hash of a canonical frame, such as "egl-1f3a9c2b"."""
