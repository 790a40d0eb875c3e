"""The contract of every simulator: a Gymnasium environment whose world can be saved, restored and asked for the truth."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import gymnasium
import numpy as np
from jaxtyping import Float64, Shaped
from numpy import ndarray

from ..spec import TaskSpec
from .robot import Robot

Modality = Literal["rgb", "depth", "segmentation"]
Observation = dict[str, Any]
"""{"frames": {camera: uint8 [h, w, 3]}, "state": float32 [P]}, and {"modalities": {name: array}} where senses were asked for"""


class Simulator(gymnasium.Env[Observation, ndarray]):
    """A world with exact state.

    `reset(seed=s)` puts up scene s: the same s always gives the same scene, in any instance and process.
    `step(action)` takes an action in the units of `task_spec.action` and returns Gymnasium's five values;
    `info["success"]` is a bool, `terminated` is always False (success is an event, not an end),
    `truncated` is True from `task_spec.max_steps` on. An action that is not finite, of the wrong width or
    outside the limits raises ValueError: guarding the world is the gate's work, not the simulator's.
    """

    task_spec: TaskSpec
    randomisable: ClassVar[tuple[str, ...]] = ()
    """what the option `randomise` may name (`randomise.KINDS`); () where the simulator has no such option"""
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

    def cameras(self) -> tuple[str, ...]:
        """Names that `render_camera` knows; the main camera's first."""
        return self.task_spec.cameras

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

    def modalities(self) -> Mapping[str, Callable[[], ndarray]]:
        """What can be measured beside `truth`, by name: functions that measure now and change nothing. Each gives an array
        whose shape is the same at every step of an episode."""
        return {"depth": lambda: self.render_camera(modality="depth"),
                "segmentation": lambda: self.render_camera(modality="segmentation").astype(np.int8)}

    def describe(self, modality: str) -> dict[str, Any]:
        """What the numbers of a modality mean in the scene that is up, as JSON values."""
        if modality == "segmentation":
            return {"entities": [entity.name for entity in self.task_spec.entities], "elsewhere": -1}
        return {"unit": "m along the optical axis"} if modality == "depth" else {}

    def steer(self, move: Float64[ndarray, "3"], grip: bool) -> ndarray:
        """The action by which a person moves the hand to the right, away and up as they see it (each in [-1, 1]); `grip`:
        the gripper in the other state than at the start. As it stands here, the first channels move along these axes and
        the fourth closes."""
        spec = self.task_spec.action
        low, high = np.array(spec.low, np.float32), np.array(spec.high, np.float32)
        wanted = np.zeros(spec.width, np.float32)
        count = min(3, spec.width)
        wanted[:count] = move[:count]
        if spec.width > 3:
            wanted[3] = 1.0 if grip else -1.0
        return np.where(wanted > 0, wanted * high, -wanted * low).astype(np.float32)

    def robot(self) -> Robot | None:
        """What a path of the hand needs to be followed in the scene that is up; None: paths cannot be retargeted to this."""
        return None

    def conditions(self) -> dict[str, Any]:
        """What was randomised in the scene that is up, as JSON values; {} where nothing was."""
        return {}

    @property
    @abstractmethod
    def renderer(self) -> str:
        """Fingerprint of the renderer: backend name and a hash of a canonical frame, such as "egl-1f3a9c2b"."""
