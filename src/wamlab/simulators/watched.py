"""Any task with more to see: `make("metaworld/push", cameras=("wrist",), senses=("contacts",))`.

Further cameras stand in `frames` beside the main one, and further senses in `modalities`, of every observation. Truth, state,
physics and the main camera are those of the task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..errors import UnknownName
from .base import Modality, Observation, Simulator
from .robot import Robot


class Watched(Simulator):
    """A simulator whose observations hold more.

    Args:
        cameras: names among `inner.cameras()`; those that its observations hold already are there once.
        senses: names among `inner.modalities()`.

    Raises:
        UnknownName: for a camera or sense that the task does not have.
    """

    metadata = {"render_modes": ["rgb_array"]}
    render_mode = "rgb_array"

    def __init__(self, inner: Simulator, cameras: Sequence[str], senses: Sequence[str]):
        spec = inner.task_spec
        for kind, names, known in (("camera", cameras, inner.cameras()), ("sense", senses, tuple(inner.modalities()))):
            for name in names:
                if name not in known:
                    raise UnknownName(f"{kind} of {spec.task}", name, known)
        self.inner, self.senses = inner, tuple(dict.fromkeys(senses))
        self.added = tuple(name for name in dict.fromkeys(cameras) if name not in spec.cameras)
        self.task_spec = replace(spec, cameras=(*spec.cameras, *self.added))
        self.action_space, self.renders = inner.action_space, inner.renders
        frame = gymnasium.spaces.Box(0, 255, (*spec.image_size, 3), np.uint8)
        space = inner.observation_space
        assert isinstance(space, gymnasium.spaces.Dict)
        spaces = {**space.spaces, "frames": gymnasium.spaces.Dict(dict.fromkeys(self.task_spec.cameras, frame))}
        if self.senses:
            measure = inner.modalities()
            spaces["modalities"] = gymnasium.spaces.Dict({name: _space(measure[name]()) for name in self.senses})
        self.observation_space = gymnasium.spaces.Dict(spaces)

    def _more(self, seen: Observation) -> Observation:
        blank = np.zeros((*self.task_spec.image_size, 3), np.uint8)
        frames = {name: self.inner.render_camera(name) if self.renders else blank for name in self.added}
        measure = self.inner.modalities() if self.senses else {}
        more = {"modalities": {name: measure[name]() for name in self.senses}} if self.senses else {}
        return {**seen, "frames": {**seen["frames"], **frames}, **more}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self.inner.renders = self.renders
        seen, info = self.inner.reset(seed=seed, options=options)
        return self._more(seen), info

    def step(self, action: ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.inner.renders = self.renders
        seen, reward, terminated, truncated, info = self.inner.step(action)
        return self._more(seen), float(reward), terminated, truncated, info

    def observe(self) -> Observation:
        self.inner.renders = self.renders
        return self._more(self.inner.observe())

    def load_state(self, state: Any) -> Observation:
        self.inner.renders = self.renders
        return self._more(self.inner.load_state(state))

    def save_state(self) -> Any:
        return self.inner.save_state()

    def cameras(self) -> tuple[str, ...]:
        return self.inner.cameras()

    def render_camera(self, camera: str | None = None, size: tuple[int, int] | None = None,
                      modality: Modality = "rgb") -> ndarray:
        return self.inner.render_camera(camera, size, modality)

    def truth(self) -> dict[str, Float64[ndarray, "D"]]:
        return self.inner.truth()

    def expert(self) -> Callable[[], ndarray] | None:
        return self.inner.expert()

    def modalities(self) -> Mapping[str, Callable[[], ndarray]]:
        return self.inner.modalities()

    def describe(self, modality: str) -> dict[str, Any]:
        return self.inner.describe(modality)

    def steer(self, move: Float64[ndarray, "3"], grip: bool) -> ndarray:
        return self.inner.steer(move, grip)

    def robot(self) -> Robot | None:
        return self.inner.robot()

    def conditions(self) -> dict[str, Any]:
        return self.inner.conditions()

    def render(self) -> ndarray:
        return self.inner.render_camera()

    @property
    def renderer(self) -> str:
        return self.inner.renderer

    def close(self) -> None:
        self.inner.close()


def _space(value: ndarray) -> gymnasium.spaces.Box:
    """Whatever numbers of that shape and type may be."""
    least, most = (-np.inf, np.inf) if value.dtype.kind == "f" else (np.iinfo(value.dtype).min, np.iinfo(value.dtype).max)
    return gymnasium.spaces.Box(least, most, value.shape, value.dtype.type)
