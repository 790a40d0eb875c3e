"""Any task before a moving background: `make("backdrop/pushworld")`.

What the segmentation calls scenery is painted over with two textures that drift, each on its own way. Their motion is as
large as a robot's and has nothing to do with the actions: a function of the scene and the step alone (a distractor in the
sense of arXiv 2502.00379). Truth, state and physics are those of the task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray

from .base import Modality, Observation, Simulator

CELLS = (5, 9)
"""how many random colours lie along a side of each texture"""
PACE = 0.045
"""share of the picture's side by which a texture drifts in one control step"""
COLOURS = (120.0, 225.0)
"""smallest and largest value of each channel of those colours: as bright as a table, and paler than what is to be handled"""
PERIOD = 256
"""control steps after which the way of a texture starts over"""


@dataclass(frozen=True)
class BackdropState:
    """What `save_state` returns."""

    inner: Any
    scene: int
    steps: int
    generator: dict[str, Any]


class Backdrop(Simulator):
    """A simulator whose scenery moves."""

    metadata = {"render_modes": ["rgb_array"]}
    render_mode = "rgb_array"

    def __init__(self, inner: Simulator):
        self.inner = inner
        self.task_spec = replace(inner.task_spec, task=f"backdrop/{inner.task_spec.task}")
        self.action_space, self.observation_space = inner.action_space, inner.observation_space
        self.renders = inner.renders
        self._scene, self._steps = 0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self._scene, self._steps = int(self.np_random.integers(2**31)) if seed is None else seed, 0
        _, info = self.inner.reset(seed=self._scene, options=options)
        return self.observe(), info

    def step(self, action: ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.inner.renders = False
        _, reward, terminated, truncated, info = self.inner.step(action)
        self._steps += 1
        return self.observe(), float(reward), terminated, truncated, info

    def observe(self) -> Observation:
        self.inner.renders = False
        seen = self.inner.observe()
        if self.renders:
            seen = {**seen, "frames": {camera: self.render_camera(camera) for camera in seen["frames"]}}
        return seen

    def render_camera(self, camera: str | None = None, size: tuple[int, int] | None = None,
                      modality: Modality = "rgb") -> ndarray:
        seen = self.inner.render_camera(camera, size, modality)
        if modality != "rgb":
            return seen
        scenery = self.inner.render_camera(camera, size, "segmentation") < 0
        return np.where(scenery[..., None], drifting(self._scene, self._steps, seen.shape[:2]), seen)

    def cameras(self) -> tuple[str, ...]:
        return self.inner.cameras()

    def save_state(self) -> BackdropState:
        return BackdropState(self.inner.save_state(), self._scene, self._steps, dict(self.np_random.bit_generator.state))

    def load_state(self, state: BackdropState) -> Observation:
        self.inner.renders = False
        self.inner.load_state(state.inner)
        self._scene, self._steps = state.scene, state.steps
        self.np_random.bit_generator.state = state.generator
        return self.observe()

    def truth(self) -> dict[str, Float64[ndarray, "D"]]:
        return self.inner.truth()

    def expert(self) -> Callable[[], ndarray] | None:
        return self.inner.expert()

    def modalities(self) -> Mapping[str, Callable[[], ndarray]]:
        return self.inner.modalities()

    def describe(self, modality: str) -> dict[str, Any]:
        return self.inner.describe(modality)

    def conditions(self) -> dict[str, Any]:
        return self.inner.conditions()

    def steer(self, move: Float64[ndarray, "3"], grip: bool) -> ndarray:
        return self.inner.steer(move, grip)

    def render(self) -> ndarray:
        return self.render_camera()

    @property
    def renderer(self) -> str:
        return f"{self.inner.renderer}+backdrop1"

    def close(self) -> None:
        self.inner.close()


def drifting(scene: int, step: int, size: tuple[int, int]) -> UInt8[ndarray, "h w 3"]:
    """The background of a scene at a control step: the mean of two textures at their places then."""
    layers = []
    for number, cells in enumerate(CELLS):
        colours, way = _layer(scene, number, cells)
        layers.append(_look(colours, way[step % PERIOD], size))
    return (np.mean(layers, 0) + 0.5).astype(np.uint8)


@lru_cache(maxsize=8)
def _layer(scene: int, number: int, cells: int) -> tuple[Float32[ndarray, "n n 3"], Float64[ndarray, "t 2"]]:
    """Random colours on a grid, and the way: a new direction every 2 to 5 steps."""
    generator = np.random.default_rng([scene, 5, number])
    colours = generator.uniform(*COLOURS, (cells, cells, 3)).astype(np.float32)
    angles = np.repeat(generator.uniform(0, 2 * np.pi, PERIOD), generator.integers(2, 6, PERIOD))[:PERIOD]
    steps = PACE * np.stack([np.sin(angles), np.cos(angles)], 1)
    return colours, np.cumsum(steps, 0)


def _look(colours: Float32[ndarray, "n n 3"], place: Float64[ndarray, "2"], size: tuple[int, int]) -> ndarray:
    """The grid of colours, repeated endlessly and interpolated, as a window of one period that begins at `place` sees it."""
    cells = len(colours)
    rows, columns = (((np.arange(n) + 0.5) / n + start) * cells for n, start in zip(size, place, strict=True))
    low, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = (rows - low)[:, None, None], (columns - left)[None, :, None]
    corner = [[colours[(low + i)[:, None] % cells, (left + j)[None] % cells] for j in (0, 1)] for i in (0, 1)]
    above, below = (row[0] * (1 - right) + row[1] * right for row in corner)
    return above * (1 - down) + below * down
