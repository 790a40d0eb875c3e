"""Episodes in which every number says where it belongs, and a tiny simulator with the same property."""

from __future__ import annotations

import copy

import gymnasium
import numpy as np

from wamlab.simulators.base import Simulator
from wamlab.spec import ActionSpec, EntitySpec, TaskSpec
from wamlab.types import Episode, Imagined

SPEC = TaskSpec(
    task="counter", instruction="count up", cameras=("main",), image_size=(4, 6), state=("step", "episode"),
    action=ActionSpec(("step", "episode"), (-1000.0, -1000.0), (1000.0, 1000.0), ("1", "1"), "absolute"),
    entities=(EntitySpec("arm", "robot", ("x", "y", "z"), ("m", "m", "m"), 0.001),), control_hz=10.0, max_steps=50)


def episode(number: int, steps: int, imitate: np.ndarray | None = None, **meta: object) -> Episode:
    """Frame, state and truth at t carry t, the action at t carries t + 0.5; all carry the episode's number."""
    t = np.arange(steps + 1)
    frames = np.zeros((steps + 1, 4, 6, 3), np.uint8)
    frames[..., 0], frames[..., 1] = t[:, None, None], number
    frames[:, 1, 2, 2] = 7  # a pixel that gives away transposed axes
    def row(values: np.ndarray, kind: type) -> np.ndarray:
        return np.stack([values, np.full(len(values), number)], 1).astype(kind)

    return Episode(
        task="counter", instruction=f"count up {number}", frames={"main": frames}, state=row(t, np.float32),
        action=row(t[:-1] + 0.5, np.float32), success=t >= steps, imitate=imitate,
        truth={"arm": np.stack([t, t * 0 + number, t * 2], 1).astype(np.float64)}, meta={"seed": number, **meta})


def imagined_episode(number: int = 0, steps: int = 5) -> Episode:
    plain = episode(number, steps)
    records = (Imagined(0, np.ones((3, 2), np.float32), (1, 2), np.full((2, 4, 6, 3), 9, np.uint8), 0.25),
               Imagined(2, np.zeros((3, 2), np.float32)))
    return Episode(plain.task, plain.instruction, plain.frames, plain.state, plain.action, plain.success, plain.truth,
                   imagined=records, meta={"note": "ä", "nested": {"list": [1, 2.5, None]}})


class Walker(Simulator):
    """A point on a line that moves by the action; solved when it passes 1. The first pixel shows the step."""

    task_spec = TaskSpec(
        task="walker", instruction="walk to the right", cameras=("main",), image_size=(8, 8), state=("x",),
        action=ActionSpec(("dx", "dy"), (-0.1, -0.1), (0.1, 0.1), ("m/step", "m/step")),
        entities=(EntitySpec("point", "robot", ("x",), ("m",), 0.001),), control_hz=10.0, max_steps=30)
    action_space = gymnasium.spaces.Box(-0.1, 0.1, (2,), np.float32)
    renderer = "walker-1"

    def __init__(self) -> None:
        self.x, self.t = 0.0, 0

    def reset(self, *, seed=None, options=None):
        self.x, self.t = float(np.random.default_rng(seed).uniform(0, 0.5)), 0
        return self.observe(), {"success": False}

    def step(self, action):
        action = np.asarray(action, np.float64)
        if action.shape != (2,) or not np.isfinite(action).all() or np.abs(action).max() > 0.1:
            raise ValueError(f"bad action {action}")
        self.x, self.t = self.x + float(action[0]), self.t + 1
        return self.observe(), 0.0, False, self.t >= 30, {"success": self.x > 1}

    def observe(self):
        return {"frames": {"main": self.render_camera()}, "state": np.array([self.x], np.float32)}

    def render_camera(self, camera=None, size=None, modality="rgb"):
        frame = np.zeros((8, 8, 3), np.uint8)
        frame[0, 0, 0], frame[..., 1] = self.t, int(np.clip(self.x * 100, 0, 255))
        return frame

    def save_state(self):
        return copy.deepcopy((self.x, self.t))

    def load_state(self, state):
        self.x, self.t = state
        return self.observe()

    def truth(self):
        return {"point": np.array([self.x])}
