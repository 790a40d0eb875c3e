"""All 50 Meta-World v3 tasks (Yu et al. 2019, "Meta-World"; package metaworld 3.1.1) as `Simulator`s.

Control is at 20 Hz: an action is held for 4 native steps of 12.5 ms. Success is an event: `info["success"]` is True
if the task's condition held at the end of any native step within the control step, because several tasks hold it for
a moment only (coffee-button, handle-press). The state is proprioception: hand position and gripper opening, never
an object or the goal. The goal is marked in the frames, except in `MARKERLESS` tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..errors import SpecError, UnknownName
from ..spec import ActionSpec, TaskSpec
from . import randomise as randomising
from .base import Modality, Observation, Simulator
from .checks import checked_action
from .measure import CONTACT, POSE, Gauge
from .metaworld_entities import Entities
from .metaworld_instructions import INSTRUCTIONS
from .metaworld_world import TASKS, World, WorldState
from .randomise import Domain
from .rendering import fingerprint, open_renderer
from .robot import Chain, Robot
from .scene import Renderer, fixed_camera, free_camera

NATIVE_HZ = 80.0
ACTION = ActionSpec(("hand x", "hand y", "hand z", "gripper close"), (-1.0,) * 4, (1.0,) * 4,
                    ("cm/native step", "cm/native step", "cm/native step", "effort"), "delta")
CAMERA = ((0.0, 0.68, 0.11), 0.72, -145.0, -42.0)
"""the main camera: point looked at (metres), distance (metres), azimuth, elevation (degrees)"""
_FRONT = ((0.0, 0.68, 0.11), 0.85, 142.0, -42.0)
_STICK = ((0.1, 0.62, 0.11), 0.95, 142.0, -42.0)
OTHER_CAMERAS = dict.fromkeys(
    ("coffee-button", "door-close", "door-lock", "door-unlock", "shelf-place", "window-open"), _FRONT
) | dict.fromkeys(("stick-pull", "stick-push"), _STICK)
"""the main camera of tasks whose object or goal `CAMERA` would not see"""
WRIST = "gripperPOV"
"""Meta-World's camera on the hand, which looks along its fingers"""
MARKERLESS = ("assembly", "bin-picking", "coffee-button", "disassemble", "door-lock", "door-unlock", "sweep")
"""tasks without a goal marker: the goal has a fixed place relative to something in the frames (a peg, a lock, a bin)"""
OTHER_COLOUR = (0.15, 0.55, 0.35)
"""of the other body's arm: green where Meta-World's is red and grey"""
SAWYER_SPEED = (1.74, 1.328, 1.957, 1.957, 3.485, 3.485, 4.545)
"""radians per second: the arm's largest joint speeds, from its maker's description of it"""
STATE = ("hand x (m)", "hand y (m)", "hand z (m)", "gripper opening (0..1)")


@dataclass(frozen=True)
class MetaWorldState:
    """What `save_state` returns."""

    world: WorldState
    steps: int
    generator: dict[str, Any]
    domain: Domain | None = None
    """what was randomised"""


class MetaWorld(Simulator):
    """One task.

    Args:
        task: "push", "drawer-open" ... (with or without the "metaworld/" in front).
        max_steps: control steps until `truncated`.
        action_repeat: native steps that an action is held.
        size: height, width of the frames.
        vary_start: the hand's start varies with the scene, and some objects more than in the package; False: as in the package.
        other_body: an arm of another colour (the same geometry).
        randomise: what else varies with the scene: any of `randomise.KINDS`.
    """

    randomisable: ClassVar[tuple[str, ...]] = randomising.KINDS
    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
    render_mode = "rgb_array"

    def __init__(self, task: str, *, max_steps: int = 125, action_repeat: int = 4, size: tuple[int, int] = (64, 64),
                 vary_start: bool = True, other_body: bool = False, renders: bool = True, randomise: Sequence[str] = ()):
        task = task.removeprefix("metaworld/")
        if task not in TASKS:
            raise UnknownName("task", f"metaworld/{task}", [f"metaworld/{name}" for name in TASKS])
        self.world = World(task, vary_start)
        self.entities = Entities(self.world)
        if other_body:
            self.world.paint(self.entities.robot_geoms(), OTHER_COLOUR)
        self.action_repeat, self.renders, self.randomise = action_repeat, renders, randomising.checked(randomise)
        self.task_spec = TaskSpec(
            task=f"metaworld/{task}", instruction=INSTRUCTIONS[task], cameras=("main",), image_size=size, state=STATE,
            action=ACTION, entities=self.entities.specs, control_hz=NATIVE_HZ / action_repeat, max_steps=max_steps,
            goal_visible="fixed" if task in MARKERLESS else "in the frames")
        self.action_space = gymnasium.spaces.Box(-1, 1, (4,), np.float32)
        frame = gymnasium.spaces.Box(0, 255, (*size, 3), np.uint8)
        self.observation_space = gymnasium.spaces.Dict({
            "frames": gymnasium.spaces.Dict({"main": frame}),
            "state": gymnasium.spaces.Box(np.array([-2, -2, -2, 0], np.float32), np.array([2, 2, 2, 1], np.float32))})
        self._renderer: Renderer | None = None
        self._gauge: Gauge | None = None
        self._headlight = np.array([self.world.model.vis.headlight.ambient, self.world.model.vis.headlight.diffuse])
        self._domain: Domain | None = None
        self._show(None)
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        scene = int(self.np_random.integers(2**31)) if seed is None else seed
        domain = randomising.draw(scene, self.randomise) if self.randomise else None
        self.world.reset(scene, domain)
        self._show(domain)
        self._steps = 0
        return self.observe(), {"success": False}

    def _show(self, domain: Domain | None) -> None:
        """Place the camera and the light that it carries as the domain says; all else is part of the world's state."""
        changed, self._domain = domain != self._domain, domain
        at, distance, azimuth, elevation = OTHER_CAMERAS.get(self.world.task, CAMERA)
        drawn = domain or Domain(0, ())
        x, y, z = np.add(at, drawn.looked_at).tolist()
        self._main = free_camera((x, y, z), distance * drawn.distance, azimuth + drawn.angles[0],
                                 elevation + drawn.angles[1])
        lamp = self.world.model.vis.headlight
        lamp.ambient[:], lamp.diffuse[:] = self._headlight * np.array(drawn.light)
        if changed and self._renderer is not None:
            self._renderer.repaint(drawn.light)

    def step(self, action: ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        held = checked_action(action, ACTION)
        reward, success = 0.0, False
        for _ in range(self.action_repeat):
            reward, reached = self.world.step(held)
            success |= reached
        self._steps += 1
        return self.observe(), reward, False, self._steps >= self.task_spec.max_steps, {"success": success}

    def observe(self) -> Observation:
        size = self.task_spec.image_size
        frame = self.render_camera() if self.renders else np.zeros((*size, 3), np.uint8)
        return {"frames": {"main": frame}, "state": self.entities.robot().astype(np.float32)}

    def truth(self) -> dict[str, ndarray]:
        return self.entities.truth()

    def modalities(self) -> Mapping[str, Callable[[], ndarray]]:
        return {**super().modalities(), "contacts": lambda: self._measure().contacts(self.world.data),
                "poses": lambda: self._measure().poses(self.world.data)}

    def describe(self, modality: str) -> dict[str, Any]:
        if modality == "depth":
            return {**super().describe(modality), "camera": self._look("main").pinhole(self.task_spec.image_size)}
        if modality == "contacts":
            return {"pairs": self._measure().pairs, "channels": CONTACT}
        return {"bodies": self._measure().bodies, "channels": POSE} if modality == "poses" else super().describe(modality)

    def conditions(self) -> dict[str, Any]:
        return self._domain.to_json() if self._domain is not None else {}

    def steer(self, move: Float64[ndarray, "3"], grip: bool) -> ndarray:
        facing = np.radians(self._main.azimuth)
        ahead, right = np.array([np.cos(facing), np.sin(facing)]), np.array([np.sin(facing), -np.cos(facing)])
        x, y = move[0] * right + move[1] * ahead
        return np.clip([x, y, move[2], 1.0 if grip else -1.0], -1, 1).astype(np.float32)

    def robot(self) -> Robot:
        world = self.world
        start, orientation = world.data.qpos.copy(), np.array([1.0, 0.0, 1.0, 0.0]) / np.sqrt(2)
        arm = Chain(world.model, "hand", tuple(range(7)))
        return Robot(np.array(world.env.mocap_low, np.float64), np.array(world.env.mocap_high, np.float64),
                     self.action_repeat * world.env.action_scale, np.roll(orientation, -1), np.array(SAWYER_SPEED),
                     lambda path: arm.follow(path, orientation, start))

    def _measure(self) -> Gauge:
        if self._gauge is None:
            names = tuple(entity.name for entity in self.task_spec.entities[:-1])  # the goal is a mark, not a thing
            self._gauge = Gauge(self.world.model, self.entities.owners, names)
        return self._gauge

    def expert(self) -> Callable[[], ndarray]:
        return self.world.expert()

    def cameras(self) -> tuple[str, ...]:
        """"main", "wrist" and the cameras that come with the task."""
        model = self.world.model
        return ("main", "wrist", *(model.camera(number).name for number in range(model.ncam)))

    def render_camera(self, camera: str | None = None, size: tuple[int, int] | None = None,
                      modality: Modality = "rgb") -> ndarray:
        size = size or self.task_spec.image_size
        renderer = self._look(camera or "main")
        if modality == "rgb":
            return renderer.rgb(size)
        if modality == "depth":
            return renderer.depth(size)
        if modality == "segmentation":
            return self.entities.label(renderer.segmentation(size))
        raise SpecError("unknown modality", where="render_camera", expected="rgb, depth or segmentation", got=modality)

    def _look(self, name: str) -> Renderer:
        view = self._main
        if name != "main":
            if name not in self.cameras():
                raise UnknownName("camera", name, self.cameras())
            view = fixed_camera(self.world.model.camera(WRIST if name == "wrist" else name).id)
        if self._renderer is None:
            self._renderer = open_renderer(self.world.model, self.task_spec.image_size)
            self._renderer.repaint((self._domain or Domain(0, ())).light)
        self._renderer.update(self.world.data, view)
        return self._renderer

    def render(self) -> ndarray:
        return self.render_camera()

    def save_state(self) -> MetaWorldState:
        return MetaWorldState(self.world.save(), self._steps, dict(self.np_random.bit_generator.state), self._domain)

    def load_state(self, state: MetaWorldState) -> Observation:
        if state.world.task != self.world.task:
            raise SpecError("the state belongs to another task", where="load_state", expected=self.world.task,
                            got=state.world.task)
        self.world.load(state.world)
        self._show(state.domain)
        self._steps = state.steps
        self.np_random.bit_generator.state = state.generator
        return self.observe()

    @property
    def renderer(self) -> str:
        return fingerprint() + randomising.suffix(self.randomise)

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self.world.close()
