"""Small MuJoCo worlds for laws of physics: "physics/drop", "physics/ramp", "physics/collision", "physics/friction",
"physics/mass", "physics/occlusion". Ordinary tasks with frames: a hand, a marker, something to do. The scenes
themselves are in `physics_scenes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..errors import SpecError, UnknownName
from ..spec import ActionSpec, EntitySpec, TaskSpec
from .backend import mujoco
from .base import Modality, Observation, Simulator
from .checks import checked_action
from .measure import CONTACT, POSE, Gauge
from .physics_mjcf import build
from .physics_scenes import SCENES, STEP, Scene
from .rendering import fingerprint, open_renderer
from .scene import GEOM, Renderer, free_camera

HZ = 40.0
SUBSTEPS = 10
ACTION = ActionSpec(("hand x", "hand z", "grip close"), (-1.0,) * 3, (1.0,) * 3,
                    (f"{100 * STEP} cm/step", f"{100 * STEP} cm/step", "below 0 opens for good"), "delta")
CAMERA = ((0.0, 0.0, 0.21), 0.80, 90.0, -2.0)
NEAR = 0.03
"""metres from the marker, along x, within which it is reached"""
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


@dataclass(frozen=True)
class PhysicsState:
    """What `save_state` returns."""

    task: str
    physics: Float64[ndarray, "_"]
    start: dict[str, tuple[float, float]]
    steps: int
    generator: dict[str, Any]


class PhysicsWorld(Simulator):
    """One scene.

    Args:
        task: "physics/drop" and so on, with or without the "physics/" in front.
        max_steps: control steps until `truncated`.
        size: height, width of the frames.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": int(HZ)}
    render_mode = "rgb_array"

    def __init__(self, task: str, *, max_steps: int = 80, size: tuple[int, int] = (64, 64), renders: bool = True):
        task = task.removeprefix("physics/")
        if task not in SCENES:
            raise UnknownName("task", f"physics/{task}", [f"physics/{name}" for name in SCENES])
        self.scene: Scene = SCENES[task]
        self.model = mujoco.MjModel.from_xml_string(build(self.scene))
        self.data = mujoco.MjData(self.model)
        self.renders = renders
        point = (("x", "z"), ("m", "m"), 0.01)
        twins = self.scene.twins or (self.scene.things[0].name,)
        names = [thing.name for thing in self.scene.things]
        self.task_spec = TaskSpec(
            task=f"physics/{task}", instruction=self.scene.instruction, cameras=("main",), image_size=size,
            state=("hand x (m)", "hand z (m)", "grip (0..1)"), action=ACTION,
            entities=(EntitySpec("robot", "robot", ("x", "z", "grip"), ("m", "m", "0..1"), 0.01),
                      *(EntitySpec(name, "object" if name in (*twins, "cue") else "bystander", *point) for name in names),
                      EntitySpec("goal", "goal", *point)),
            control_hz=HZ, max_steps=max_steps, goal_visible="in the frames")
        self.action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
        frame = gymnasium.spaces.Box(0, 255, (*size, 3), np.uint8)
        self.observation_space = gymnasium.spaces.Dict({
            "frames": gymnasium.spaces.Dict({"main": frame}),
            "state": gymnasium.spaces.Box(np.array([-1, -1, 0], np.float32), np.array([1, 1, 1], np.float32))})
        self._renderer: Renderer | None = None
        self._labels = self._entity_of_geom()
        self._gauge = Gauge(self.model, self._labels, tuple(entity.name for entity in self.task_spec.entities))
        self._start: dict[str, tuple[float, float]] = {}
        self._steps = 0
        self.reset(seed=0)

    def _entity_of_geom(self) -> ndarray:
        """Position in the spec's entities per geom, -1 for scenery; one more -1 for "no geom"."""
        bodies = {"hand" if e.name == "robot" else e.name: number for number, e in enumerate(self.task_spec.entities)}
        owner = [self.model.body(self.model.geom_bodyid[geom]).name for geom in range(self.model.ngeom)]
        return np.array([bodies.get(name, -1) for name in owner] + [-1], np.int32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        scene = int(self.np_random.integers(2**31)) if seed is None else seed
        mujoco.mj_resetData(self.model, self.data)
        self._start = self.scene.place(np.random.default_rng([scene, 3]))
        for name, (x, z) in self._start.items():
            if name == "ramp":
                self.data.mocap_pos[self._mocap(name)] = (x, 0, 0)
                self.data.mocap_quat[self._mocap(name)] = self._rolled(z)
            elif name in ("goal", "screen"):
                self.data.mocap_pos[self._mocap(name), [0, 2]] = x, z
            else:
                self.data.joint(f"{name} x").qpos[0], self.data.joint(f"{name} z").qpos[0] = x, z
        self.data.ctrl[:] = self._start["hand"]
        self._steps = 0
        self._look_again()
        return self.observe(), {"success": False}

    def _mocap(self, body: str) -> int:
        return int(self.model.body(body).mocapid[0])

    @staticmethod
    def _rolled(tilt: float) -> ndarray:
        """The quaternion of a ramp that rises from its foot, to the right for tilt > 0, to the left for tilt < 0."""
        half = abs(tilt) / 2
        return np.array([np.cos(half), 0, -np.sin(half), 0] if tilt > 0 else [0, np.sin(half), 0, np.cos(half)])

    def _look_again(self) -> None:
        """Places of bodies for pictures, from the state; touches nothing that the next step depends on."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def step(self, action: ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        moved = checked_action(action, ACTION)
        before = self.data.ctrl.copy()
        target = np.clip(before + STEP * moved[:2], *np.transpose(self.scene.reach))
        if moved[2] < 0 and self.scene.held:
            self.data.eq_active[0] = 0
        for part in range(1, SUBSTEPS + 1):
            self.data.ctrl[:] = before + (target - before) * (part / SUBSTEPS)
            mujoco.mj_step(self.model, self.data)
        self._look_again()
        self._steps += 1
        truth = self.truth()
        thing, goal = truth[self.scene.things[0].name], truth["goal"]
        left = float(np.hypot(*(thing - goal)))
        success = abs(thing[0] - goal[0]) < NEAR and thing[1] - goal[1] < 2 * NEAR
        return self.observe(), -left, False, self._steps >= self.task_spec.max_steps, {"success": bool(success)}

    def _robot(self) -> Float64[ndarray, "3"]:
        grip = float(self.data.eq_active[0]) if self.scene.held else 1.0
        return np.array([self.data.joint("hand x").qpos[0], self.data.joint("hand z").qpos[0], grip])

    def observe(self) -> Observation:
        size = self.task_spec.image_size
        frame = self.render_camera() if self.renders else np.zeros((*size, 3), np.uint8)
        return {"frames": {"main": frame}, "state": self._robot().astype(np.float32)}

    def truth(self) -> dict[str, Float64[ndarray, "D"]]:
        places = {thing.name: np.array([self.data.joint(f"{thing.name} {axis}").qpos[0] for axis in "xz"])
                  for thing in self.scene.things}
        return {"robot": self._robot(), **places, "goal": np.array(self._start["goal"])}

    def expert(self) -> Callable[[], ndarray]:
        def act() -> ndarray:
            x, z, grip = self.scene.expert(self.truth(), self._start)
            return np.array([np.clip(x / STEP, -1, 1), np.clip(z / STEP, -1, 1), grip], np.float32)

        return act

    def render_camera(self, camera: str | None = None, size: tuple[int, int] | None = None,
                      modality: Modality = "rgb") -> ndarray:
        if camera not in (None, "main"):
            raise UnknownName("camera", str(camera), ("main",))
        size = size or self.task_spec.image_size
        if self._renderer is None:
            self._renderer = open_renderer(self.model, self.task_spec.image_size)
        self._renderer.update(self.data, free_camera(*CAMERA))
        if modality == "rgb":
            return self._renderer.rgb(size)
        if modality == "depth":
            return self._renderer.depth(size)
        if modality == "segmentation":
            seen = self._renderer.segmentation(size)
            return self._labels[np.where(seen[..., 0] == GEOM, seen[..., 1], -1)]
        raise SpecError("unknown modality", where="render_camera", expected="rgb, depth or segmentation", got=modality)

    def steer(self, move: Float64[ndarray, "3"], grip: bool) -> ndarray:
        return np.clip([move[0], move[1] + move[2], -1.0 if grip else 1.0], -1, 1).astype(np.float32)

    def modalities(self) -> Mapping[str, Callable[[], ndarray]]:
        return {**super().modalities(), "contacts": lambda: self._gauge.contacts(self.data),
                "poses": lambda: self._gauge.poses(self.data)}

    def describe(self, modality: str) -> dict[str, Any]:
        if modality == "depth":
            self.render_camera()  # the renderer tells the camera that it drew last
            assert self._renderer is not None
            return {**super().describe(modality), "camera": self._renderer.pinhole(self.task_spec.image_size)}
        if modality == "contacts":
            return {"pairs": self._gauge.pairs, "channels": CONTACT}
        return {"bodies": self._gauge.bodies, "channels": POSE} if modality == "poses" else super().describe(modality)

    def render(self) -> ndarray:
        return self.render_camera()

    def save_state(self) -> PhysicsState:
        physics = np.empty(mujoco.mj_stateSize(self.model, _STATE))
        mujoco.mj_getState(self.model, self.data, physics, _STATE)
        return PhysicsState(self.task_spec.task, physics, dict(self._start), self._steps,
                            dict(self.np_random.bit_generator.state))

    def load_state(self, state: PhysicsState) -> Observation:
        if state.task != self.task_spec.task:
            raise SpecError("the state belongs to another task", where="load_state", expected=self.task_spec.task,
                            got=state.task)
        mujoco.mj_setState(self.model, self.data, state.physics, _STATE)
        self._start, self._steps = dict(state.start), state.steps
        self.np_random.bit_generator.state = state.generator
        self._look_again()
        return self.observe()

    @property
    def renderer(self) -> str:
        return fingerprint()

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
