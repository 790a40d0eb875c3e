"""Who is who in a Meta-World task: the truth per entity, and which geometry belongs to which."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int32, Int64
from numpy import ndarray

from ..spec import EntitySpec
from .backend import mujoco
from .metaworld_world import World
from .scene import GEOM, SITE

_XYZ, _METRES = ("x", "y", "z"), ("m", "m", "m")
_SECOND = {"hammer": "nail", "stick-push": "thermos", "stick-pull": "thermos"}
"""tasks whose tool is the object and that have another thing to move"""
_SPECTATOR = ("reach", "reach-wall")
"""tasks in which nothing but the hand is to move: the puck stands by"""


class Entities:
    """Entities of one task, in this order: robot, object, further thing (if any), joint (if any), goal."""

    def __init__(self, world: World):
        self._world = world
        model = world.model
        self._joints = [number for number in range(model.njnt) if self._is_articulation(number)]
        second = _SECOND.get(world.task)
        specs = [
            EntitySpec("robot", "robot", ("x", "y", "z", "gripper opening"), (*_METRES, "0..1"), 0.01),
            EntitySpec("object", "bystander" if world.task in _SPECTATOR else "object", _XYZ, _METRES, 0.01),
        ]
        if second:
            specs.append(EntitySpec(second, "object", _XYZ, _METRES, 0.01))
        if self._joints:
            units = tuple("m" if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE else "rad" for j in self._joints)
            names = tuple(f"joint {number}" for number in range(len(self._joints)))
            specs.append(EntitySpec("joint", "articulation", names, units, 0.01 if units[0] == "m" else 0.05))
        specs.append(EntitySpec("goal", "goal", _XYZ, _METRES, 0.01))
        self.specs = tuple(specs)
        self._second = second
        self._geom_entity = self._entity_of_geoms()

    def _is_articulation(self, joint: int) -> bool:
        model = self._world.model
        hinge_or_slide = model.jnt_type[joint] in (mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE)
        return bool(hinge_or_slide) and not self._world.of_robot(int(model.jnt_bodyid[joint]))

    def _entity_of_geoms(self) -> ndarray:
        """Position in `specs` per geom, -1 for the furniture; the last element is -1 for "no geom"."""
        model, names = self._world.model, [spec.name for spec in self.specs]
        moving = sorted({int(body) for body in model.jnt_bodyid if not self._world.of_robot(int(body))})
        free = [int(model.jnt_bodyid[j]) for j in range(model.njnt) if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE]
        main = free[0] if free and self._world.task != "coffee-button" else max(set(moving) - set(free))
        found = np.full(model.ngeom + 1, -1, np.int32)
        for geom in range(model.ngeom):
            body = int(model.geom_bodyid[geom])
            if self._world.of_robot(body):
                found[geom] = names.index("robot")
            while body > 0 and body not in moving:
                body = int(model.body_parentid[body])
            if body == main:
                found[geom] = names.index("object")
            elif body > 0 and body not in free:
                found[geom] = names.index(self._second or "joint")
        return found

    def robot_geoms(self) -> Int64[ndarray, "N"]:
        """Numbers of the geometry that the robot is made of."""
        return np.flatnonzero(self._geom_entity == [spec.name for spec in self.specs].index("robot"))

    @property
    def owners(self) -> ndarray:
        """Position in `specs` per geom, -1 for the furniture; one element more."""
        return self._geom_entity

    def robot(self) -> Float64[ndarray, "4"]:
        """Hand position in metres and gripper opening: Meta-World's own proprioception."""
        return self._world.env._get_curr_obs_combined_no_goal()[:4]

    def truth(self) -> dict[str, Float64[ndarray, "D"]]:
        env = self._world.env
        things = np.array(env._get_pos_objects(), np.float64)
        robot = np.array([*env.tcp_center, self.robot()[3]], np.float64)
        found = {"robot": robot, "object": things[:3], "goal": np.array(env._target_pos, np.float64)}
        if self._second:
            found[self._second] = things[3:6]
        if self._joints:
            model, data = self._world.model, self._world.data
            found["joint"] = data.qpos[model.jnt_qposadr[self._joints]].copy()
        return {spec.name: found[spec.name] for spec in self.specs}

    def label(self, seen: Int32[ndarray, "h w 2"]) -> Int32[ndarray, "h w"]:
        """MuJoCo's (type, id) per pixel to the position of the entity in `specs`, -1 elsewhere."""
        kind, number = seen[..., 0], seen[..., 1]
        sites = np.linalg.norm(self._world.data.site_xpos - self._world.env._target_pos, axis=1) < 0.005
        goal = (kind == SITE) & sites[np.where(kind == SITE, number, 0)]
        entity = np.where(kind == GEOM, self._geom_entity[np.where(kind == GEOM, number, -1)], -1)
        return np.where(goal, len(self.specs) - 1, entity).astype(np.int32)
