"""One Meta-World v3 task under full control: seeded scenes, exact state, the scripted expert. No pictures here.

Meta-World's own `reset(seed=)` ignores the seed, its scenes depend on the scenes before, and its
`get_env_state` / `set_env_state` restore positions and velocities only: continuations then differ. Here the whole
integration state of MuJoCo, the model fields that tasks move and every plain Python attribute are kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from . import randomise
from .backend import mujoco
from .randomise import Domain

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS
    from metaworld.policies import ENV_POLICY_MAP

TASKS = tuple(sorted(name.removesuffix("-v3") for name in ALL_V3_ENVIRONMENTS))
HAND_RANGE = ((-0.16, 0.16), (-0.10, 0.10), (-0.05, 0.10))
"""metres added to the task's own start of the hand, per axis"""

WIDER = {
    "drawer-open": ((-0.25, 0.8, 0.0), (0.25, 0.9, 0.0)),
    "plate-slide": ((0.0, 0.6, 0.0, -0.2, 0.85, 0.0), (0.0, 0.6, 0.0, 0.2, 0.9, 0.0)),
}
"""metres between which scenes are drawn where Meta-World's own range is so narrow that a policy whose eyes are shut solves
most of them, from the place of its hand alone: the drawer (x, y, z); the puck and its goal"""

_PHYSICS = mujoco.mjtState.mjSTATE_INTEGRATION
_MODEL_FIELDS = ("body_pos", "body_quat", "site_pos", "site_rgba", *randomise.FIELDS)
_PLAIN = (bool, int, float, str, np.ndarray, np.generic, type(None))


@dataclass(frozen=True)
class WorldState:
    """Everything that the next step depends on. Arrays are private copies."""

    task: str
    physics: ndarray
    attributes: dict[str, Any]
    model: dict[str, ndarray]
    generator: dict[str, Any]


class World:
    """A Meta-World environment at its native 80 Hz, fully observable for the expert.

    Args:
        task: a name in `TASKS`.
        vary_start: draw the hand's start from `HAND_RANGE`, and objects from `WIDER`, too. Without it, replaying one
            demonstration blindly solves many scenes.
    """

    def __init__(self, task: str, vary_start: bool = True):
        self.task, self.vary_start = task, vary_start
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.env = ALL_V3_ENVIRONMENTS[f"{task}-v3"]()
        env = self.env
        env._set_task_called = True
        env._freeze_rand_vec, env.seeded_rand_vec = False, True
        # the space of the hidden goal is cached with zero bounds, which would clip the goal to zero
        env._partially_observable = False
        env.__dict__.pop("sawyer_observation_space", None)
        if vary_start and task in WIDER:
            low, high = (np.array(edge) for edge in WIDER[task])
            env._random_reset_space = gymnasium.spaces.Box(low, high, dtype=np.float64)
        env.max_path_length = 10**9  # the episode's length is the simulator's business
        self.model, self.data = env.model, env.data
        policy: Any = ENV_POLICY_MAP[f"{task}-v3"]
        self._policy = policy()
        self._hand_start = np.array(env.hand_init_pos, np.float64)
        self._aliases = self._find_aliases()
        env.seed(0)
        self._birth = self.save()
        self.reset(0)

    def reset(self, scene: int, domain: Domain | None = None) -> None:
        """Put up scene `scene`, whatever was there before."""
        env = self.env
        self.load(self._birth)
        if domain is not None:
            randomise.set_physics(self.model, domain, self.movable())
        generator = np.random.default_rng([scene, 1])
        offset = generator.uniform(*np.transpose(HAND_RANGE)) if self.vary_start else np.zeros(3)
        # beyond the limits of the controller the hand would jump at the first step
        env.hand_init_pos = np.clip(self._hand_start + offset, env.mocap_low, env.mocap_high)
        env.seed(scene)
        env.reset()
        if domain is not None:
            randomise.set_looks(self.model, domain)
        mujoco.mj_forward(self.model, self.data)  # tasks move bodies after the last forward pass
        env._prev_obs = env._get_curr_obs_combined_no_goal()
        self._aliases = self._find_aliases()

    def paint(self, geoms: Int64[ndarray, "N"], colour: tuple[float, float, float]) -> None:
        """Give geometry one colour (red, green, blue; 0 to 1), in this and every later scene."""
        self.model.geom_matid[geoms] = -1
        for table in (self.model.geom_rgba, self._birth.model["geom_rgba"]):
            table[geoms, :3] = colour

    def of_robot(self, body: int) -> bool:
        """Whether a body is part of the arm, or hangs on it."""
        while body > 0:
            if self.model.body(body).name in ("base", "mocap"):
                return True
            body = int(self.model.body_parentid[body])
        return False

    def movable(self) -> list[int]:
        """Bodies that joints move and that are not the robot's, with all that hangs on them."""
        moving = {int(body) for body in self.model.jnt_bodyid if not self.of_robot(int(body))}
        return [body for body in range(1, self.model.nbody) if moving & set(self._ancestors(body))]

    def _ancestors(self, body: int) -> list[int]:
        """The body itself and what it hangs on."""
        chain = []
        while body > 0:
            chain.append(body)
            body = int(self.model.body_parentid[body])
        return chain

    def _find_aliases(self) -> frozenset[str]:
        """Attributes that are views into MuJoCo's data, such as the place of a finger pad."""
        data = self.data
        views = [data.xpos, data.xquat, data.xmat, data.xipos, data.geom_xpos, data.geom_xmat, data.site_xpos,
                 data.site_xmat, data.qpos, data.qvel, data.mocap_pos, data.mocap_quat]
        return frozenset(name for name, value in self.env.__dict__.items()
                         if isinstance(value, ndarray) and any(np.may_share_memory(value, view) for view in views))

    def step(self, action: ndarray) -> tuple[float, bool]:
        """One native step of 12.5 ms. Returns (Meta-World's reward, success)."""
        _, reward, _, _, info = self.env.step(action)
        return float(reward), bool(info["success"])

    def expert(self) -> Callable[[], ndarray]:
        """The package's scripted policy for this task; it has no memory."""
        env, policy = self.env, self._policy

        def act() -> ndarray:
            seen = np.hstack([env._get_curr_obs_combined_no_goal(), env._prev_obs, env._get_pos_goal()])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its gains exceed the limits on purpose
                return np.clip(policy.get_action(seen), -1, 1).astype(np.float32)

        return act

    def save(self) -> WorldState:
        physics = np.empty(mujoco.mj_stateSize(self.model, _PHYSICS))
        mujoco.mj_getState(self.model, self.data, physics, _PHYSICS)
        # attributes that are views into MuJoCo's data follow from the physics: a copy would cut them off from it
        attributes = {name: np.array(value) if isinstance(value, ndarray) else value
                      for name, value in self.env.__dict__.items()
                      if isinstance(value, _PLAIN) and name not in self._aliases}
        model = randomise.keep(self.model, _MODEL_FIELDS)
        return WorldState(self.task, physics, attributes, model, dict(self.env.np_random.bit_generator.state))

    def load(self, state: WorldState) -> None:
        for name, value in state.model.items():
            getattr(self.model, name)[:] = value
        mujoco.mj_setState(self.model, self.data, state.physics, _PHYSICS)
        mujoco.mj_forward(self.model, self.data)
        mujoco.mj_setState(self.model, self.data, state.physics, _PHYSICS)  # the forward pass moved the warm start
        for name, value in state.attributes.items():
            self.env.__dict__[name] = np.array(value) if isinstance(value, ndarray) else value
        self.env.np_random.bit_generator.state = state.generator

    def close(self) -> None:
        self.env.close()
