"""PushWorld: a disc is pushed to a marker on a square table. Pure NumPy, exact by construction, its own pictures.
The law is in `pushworld_law.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..errors import SpecError, UnknownName
from ..spec import ActionSpec, EntitySpec, TaskSpec
from .base import Modality, Observation, Simulator
from .checks import checked_action
from .pushworld_expert import BEHIND, expert_action
from .pushworld_law import DISC, GOAL, HAND, STEP, TIP, WALL, advance, outside
from .pushworld_picture import draw, fingerprint, near

_POINT = (("x", "y"), ("table widths", "table widths"))
ENTITIES = (EntitySpec("robot", "robot", *_POINT, tolerance=0.01), EntitySpec("object", "object", *_POINT, tolerance=0.01),
            EntitySpec("bystander", "bystander", *_POINT, tolerance=0.01), EntitySpec("goal", "goal", *_POINT, tolerance=0.01))


@dataclass(frozen=True)
class PushState:
    """What `save_state` returns."""

    places: Float64[ndarray, "4 2"]
    steps: int
    generator: dict[str, Any]


class PushWorld(Simulator):
    """Push the disc onto the marker.

    Args:
        max_steps: control steps until `truncated`.
        size: pixels of the square picture, 32 to 64 are enough.
        wall: put a wall between the two halves of the lower table.
        bystander: a second disc that is not to be moved stands on the table; else it lies in a corner, out of the way.
        other_body: a larger, brown, square hand on an arm does the pushing, in place of the blue tip.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    render_mode = "rgb_array"

    def __init__(self, *, max_steps: int = 80, size: int = 64, wall: bool = False, bystander: bool = True,
                 other_body: bool = False, renders: bool = True):
        self.wall = WALL if wall else None
        self.other_body, self.radius = other_body, HAND if other_body else TIP
        self.with_bystander, self.renders, self.size = bystander, renders, size
        self.task_spec = TaskSpec(
            task="pushworld", instruction="push the red disc onto the green ring", cameras=("main",), image_size=(size, size),
            state=("tip x (table widths)", "tip y (table widths)"),
            action=ActionSpec(("tip x", "tip y"), (-1.0, -1.0), (1.0, 1.0), (f"{STEP} table widths/step",) * 2, "delta"),
            entities=ENTITIES, control_hz=10.0, max_steps=max_steps, goal_visible="in the frames")
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self.observation_space = gymnasium.spaces.Dict({
            "frames": gymnasium.spaces.Dict({"main": gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)}),
            "state": gymnasium.spaces.Box(0, 1, (2,), np.float32)})
        self._places = np.zeros((4, 2))  # tip, disc, bystander, goal
        self._steps = 0
        self.reset(seed=0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        scene = int(self.np_random.integers(2**31)) if seed is None else seed
        self._places, self._steps = self._scene(np.random.default_rng([scene, 2])), 0
        return self.observe(), {"success": False}

    def _scene(self, generator: np.random.Generator) -> Float64[ndarray, "4 2"]:
        """Places drawn until they are apart: tip and disc at least 0.2, disc and marker at least 0.3, and the
        bystander off the tip and off the straight way of tip and disc to the marker."""
        while True:
            tip = generator.uniform(self.radius, 1 - self.radius, 2)
            disc, bystander, goal = generator.uniform(0.2, 0.8, (3, 2))
            if not self.with_bystander:
                bystander = np.array([DISC, 1 - DISC])
            begin = disc - (goal - disc) / (np.linalg.norm(goal - disc) + 1e-9) * (self.radius + DISC + BEHIND)
            along = np.clip((bystander - begin) @ (goal - begin) / ((goal - begin) @ (goal - begin) + 1e-12), 0, 1)
            apart = [np.linalg.norm(tip - disc) > 0.2, np.linalg.norm(goal - disc) > 0.3,
                     np.linalg.norm(tip - bystander) > 0.15,
                     np.linalg.norm(begin + along * (goal - begin) - bystander) > 2.3 * DISC]
            places = np.stack([tip, disc, bystander, goal])
            if self.wall is not None:  # everything is off the wall, with room to get behind the disc
                apart += [(outside(place, DISC + 0.05, self.wall) == place).all() for place in places]
            if all(apart):
                return places

    def step(self, action: ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        moved = checked_action(action, self.task_spec.action) * STEP
        self._places = advance(self._places, moved, self.wall, self.radius)
        self._steps += 1
        left = float(np.linalg.norm(self._places[1] - self._places[3]))
        return self.observe(), -left, False, self._steps >= self.task_spec.max_steps, {"success": left <= GOAL}

    def observe(self) -> Observation:
        frame = self.render_camera() if self.renders else np.zeros((self.size, self.size, 3), np.uint8)
        return {"frames": {"main": frame}, "state": self._places[0].astype(np.float32)}

    def truth(self) -> dict[str, Float64[ndarray, "D"]]:
        return {entity.name: place.copy() for entity, place in zip(self.task_spec.entities, self._places, strict=True)}

    def render_camera(self, camera: str | None = None, size: tuple[int, int] | None = None,
                      modality: Modality = "rgb") -> ndarray:
        if camera not in (None, *self.cameras()):
            raise UnknownName("camera", str(camera), self.cameras())
        if modality not in ("rgb", "depth", "segmentation"):
            raise SpecError("unknown modality", where="render_camera", expected="rgb, depth or segmentation", got=modality)
        radii, size = (self.radius, DISC, DISC, GOAL), size or (self.size, self.size)
        if camera == "wrist":
            places, radii, wall = near(self._places, radii, self.wall)
            return draw(places, radii, wall, size, modality, hand=self.other_body)
        return draw(self._places, radii, self.wall, size, modality, hand=self.other_body)

    def cameras(self) -> tuple[str, ...]:
        """"main", and "wrist": a part of the table around the tip, larger."""
        return "main", "wrist"

    def modalities(self) -> Mapping[str, Callable[[], ndarray]]:
        return {**super().modalities(), "proximity": self._proximity}

    def _proximity(self) -> Float32[ndarray, "2"]:
        gaps = np.linalg.norm(self._places[1:3] - self._places[0], axis=1) - self.radius - DISC
        return np.maximum(gaps, 0).astype(np.float32)

    def describe(self, modality: str) -> dict[str, Any]:
        if modality == "proximity":
            return {"unit": "table widths", "channels": ["tip to disc", "tip to bystander"]}
        return super().describe(modality)

    def render(self) -> ndarray:
        return self.render_camera()

    def save_state(self) -> PushState:
        return PushState(self._places.copy(), self._steps, dict(self.np_random.bit_generator.state))

    def load_state(self, state: PushState) -> Observation:
        self._places, self._steps = state.places.copy(), state.steps
        self.np_random.bit_generator.state = state.generator
        return self.observe()

    def expert(self) -> Callable[[], ndarray]:
        return lambda: expert_action(self._places, self.wall, self.radius)

    @property
    def renderer(self) -> str:
        return fingerprint()
