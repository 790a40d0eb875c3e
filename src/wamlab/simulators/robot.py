"""What a hand's path needs of a robot to be followed: where its control may go, how fast, and which joint angles get it there.

Inverse kinematics is bounded least squares over MuJoCo's own Jacobians (scipy), one pose after the other, each from the angles
before it, so that the arm does not change its posture on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import least_squares

from .backend import mujoco

ARM = 0.03
"""metres that a radian of wrong orientation counts as: the place comes first"""
REST = 1e-2
"""metres that a radian away from the angles before counts as: a redundant arm, or one at a limit, does not jump"""


@dataclass(frozen=True, eq=False)
class Followed:
    """How well an arm gets along a path."""

    joints: Float64[ndarray, "T J"]
    """radians"""
    miss: Float64[ndarray, "T"]
    """metres between the hand and the path"""
    turned: Float64[ndarray, "T"]
    """radians between the hand's orientation and the one wanted"""


@dataclass(frozen=True, eq=False)
class Robot:
    """A robot whose control moves its hand by steps and keeps the hand's orientation."""

    low: Float64[ndarray, "3"]
    """metres: corner of the box in which the control keeps the commanded place"""
    high: Float64[ndarray, "3"]
    step: float
    """metres per control step that an action of 1 commands along its axis"""
    orientation: Float64[ndarray, "4"]
    """quaternion x, y, z, w of the hand, in the world"""
    joint_speed: Float64[ndarray, "J"]
    """largest speed of each joint, radians per second"""
    follow: Callable[[Float64[ndarray, "T 3"]], Followed]
    """joint angles along a path of the hand's place, from the posture that the robot has now"""


class Chain:
    """The joints of a MuJoCo model that move one body.

    Args:
        joints: positions in the model's joints; hinges or slides.
    """

    def __init__(self, model: mujoco.MjModel, body: str, joints: tuple[int, ...]):
        self._model, self._data, self._body = model, mujoco.MjData(model), model.body(body).id
        self._places, self._dofs = model.jnt_qposadr[list(joints)], model.jnt_dofadr[list(joints)]
        self._low, self._high = model.jnt_range[list(joints)].T

    def follow(self, path: Float64[ndarray, "T 3"], orientation: Float64[ndarray, "4"],
               start: Float64[ndarray, "_"]) -> Followed:
        """Joint angles that bring the body to each place, in turn, with its orientation (quaternion w, x, y, z) held.

        Args:
            start: the whole model's `qpos` to begin from; what is not among the joints stays so.
        """
        self._data.qpos[:] = start
        angles = np.clip(start[self._places], self._low + 1e-6, self._high - 1e-6)
        joints, miss, turned = np.empty((len(path), len(angles))), np.empty(len(path)), np.empty(len(path))
        for number, place in enumerate(path):
            before = angles

            def gap(x: ndarray, place: ndarray = place, before: ndarray = before) -> ndarray:
                return np.concatenate([self._error(x, place, orientation), REST * (x - before)])

            def slope(x: ndarray) -> ndarray:
                return self._jacobian(x)

            solved = least_squares(gap, before, slope, bounds=(self._low, self._high), xtol=1e-9, ftol=1e-9, max_nfev=15)
            angles = np.clip(solved.x, self._low + 1e-6, self._high - 1e-6)
            error = self._error(angles, place, orientation)
            joints[number] = angles
            miss[number], turned[number] = np.linalg.norm(error[:3]), np.linalg.norm(error[3:]) / ARM
        return Followed(joints, miss, turned)

    def _put(self, angles: ndarray) -> None:
        self._data.qpos[self._places] = angles
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)

    def _error(self, angles: ndarray, place: ndarray, orientation: ndarray) -> ndarray:
        self._put(angles)
        turn, back, difference = np.empty(3), np.empty(4), np.empty(4)
        mujoco.mju_negQuat(back, orientation)
        mujoco.mju_mulQuat(difference, self._data.xquat[self._body], back)  # in the world's axes, as the Jacobian is
        mujoco.mju_quat2Vel(turn, difference, 1.0)
        return np.concatenate([self._data.xpos[self._body] - place, ARM * turn])

    def _jacobian(self, angles: ndarray) -> ndarray:
        self._put(angles)
        moves, turns = np.empty((3, self._model.nv)), np.empty((3, self._model.nv))
        mujoco.mj_jacBody(self._model, self._data, moves, turns, self._body)
        return np.concatenate([moves[:, self._dofs], ARM * turns[:, self._dofs], REST * np.eye(len(angles))])
