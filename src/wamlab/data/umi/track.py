"""Trajectories of poses: resampling, smoothing, speeds, frames. Metres, seconds, radians; rotations are scipy's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation, Slerp

from ...errors import DataError


@dataclass(frozen=True, eq=False)
class Frame:
    """A rigid motion: `apply(p) = rotation p + translation`."""

    rotation: Rotation
    translation: Float64[ndarray, "3"]

    def apply(self, points: Float64[ndarray, "*any 3"]) -> Float64[ndarray, "*any 3"]:
        return self.rotation.apply(points.reshape(-1, 3)).reshape(points.shape) + self.translation

    def inverse(self) -> Frame:
        back = self.rotation.inv()
        return Frame(back, -back.apply(self.translation))

    def to_json(self) -> list[float]:
        """x, y, z (m), qx, qy, qz, qw."""
        return [*map(float, self.translation), *map(float, self.rotation.as_quat())]

    @classmethod
    def from_json(cls, value: Any, where: str) -> Frame:
        """Raises DataError unless it is seven numbers whose last four are a quaternion."""
        numbers = np.array([float(v) for v in value] if _is_numbers(value) else [], np.float64)
        if numbers.shape != (7,) or not np.isfinite(numbers).all() or abs(np.linalg.norm(numbers[3:]) - 1) > 0.01:
            raise DataError("this is no frame", where=where, expected="x, y, z (m), qx, qy, qz, qw", got=value)
        return cls(Rotation.from_quat(numbers[3:]), numbers[:3])

    @classmethod
    def none(cls) -> Frame:
        """The frame that changes nothing."""
        return cls(Rotation.identity(), np.zeros(3))


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)


@dataclass(frozen=True, eq=False)
class Track:
    """Where something was, over time."""

    time: Float64[ndarray, "N"]
    """seconds, ascending"""
    position: Float64[ndarray, "N 3"]
    rotation: Rotation
    """N of them"""

    def __len__(self) -> int:
        return len(self.time)

    def later(self, seconds: float) -> Track:
        """The same with every time moved by so much."""
        return Track(self.time + seconds, self.position, self.rotation)

    def within(self, times: Float64[ndarray, "M"]) -> ndarray:
        """Which of the times the track covers, bool [M]."""
        return (times >= self.time[0]) & (times <= self.time[-1])

    def at(self, times: Float64[ndarray, "M"]) -> Track:
        """Positions between samples on straight lines, rotations on shortest arcs; `times` must be `within`."""
        position = np.stack([np.interp(times, self.time, column) for column in self.position.T], 1)
        return Track(times, position, Slerp(self.time, self.rotation)(times))

    def moved(self, world: Frame, tool: Frame) -> Track:
        """The trajectory `world . pose . tool`: seen from another frame, of another point of the same rigid thing."""
        turned = world.rotation * self.rotation
        return Track(self.time, world.apply(self.rotation.apply(tool.translation) + self.position), turned * tool.rotation)

    def speeds(self) -> tuple[Float64[ndarray, "N"], Float64[ndarray, "N"]]:
        """(metres per second, radians per second) at each sample, from the neighbours on both sides."""
        ahead, behind = np.minimum(np.arange(len(self)) + 1, len(self) - 1), np.maximum(np.arange(len(self)) - 1, 0)
        seconds = self.time[ahead] - self.time[behind]
        metres = np.linalg.norm(self.position[ahead] - self.position[behind], axis=1)
        return metres / seconds, (self.rotation[behind].inv() * self.rotation[ahead]).magnitude() / seconds


def uniform(track: Track) -> tuple[Track, float]:
    """The track on a uniform grid of its own median period, and that period in seconds."""
    period = float(np.median(np.diff(track.time)))
    count = int((track.time[-1] - track.time[0]) / period + 1e-6) + 1
    return track.at(track.time[0] + period * np.arange(count)), period


def smooth(track: Track, seconds: float = 0.2) -> Track:
    """Savitzky-Golay smoothing by cubics over windows of about `seconds`, without delay, on a uniform grid.

    Quaternions are smoothed by component with their signs made continuous and normalised again; over such windows a
    rotation is small and the difference to smoothing on the group is far below the noise.
    """
    even, period = uniform(track)
    window = min(2 * int(seconds / period / 2) + 1, len(even) - 1 + len(even) % 2)
    if window < 5:
        return even
    position = savgol_filter(even.position, window, 3, axis=0)
    quaternion = even.rotation.as_quat()
    flips = np.cumprod(np.where((quaternion[1:] * quaternion[:-1]).sum(1) < 0, -1.0, 1.0))
    quaternion[1:] *= flips[:, None]
    return Track(even.time, position, Rotation.from_quat(savgol_filter(quaternion, window, 3, axis=0)))


def relative(track: Track) -> Float64[ndarray, "N 6"]:
    """A chunk of poses as UMI's relative actions: each pose in the frame of the first, metres and rotation vector."""
    first = track.rotation[0].inv()
    return np.concatenate([first.apply(track.position - track.position[0]), (first * track.rotation).as_rotvec()], 1)


def absolute(chunk: Float64[ndarray, "N 6"], start: Frame) -> tuple[Float64[ndarray, "N 3"], Rotation]:
    """The inverse of `relative` from the pose `start`."""
    return start.apply(chunk[:, :3]), start.rotation * Rotation.from_rotvec(chunk[:, 3:])
