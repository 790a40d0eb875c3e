"""What separates a hand-held recording from the robot: latencies, frames and the gripper's scale, from one calibration motion.

The device is moved together with something that knows its place in the robot's frame (the robot's own hand, or a motion
capture system): irregularly, about two axes, with some openings and closings of the gripper.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import minimize_scalar

from ...errors import DataError
from .align import Signal, align_points, align_poses, latency, polished
from .track import Frame, Track, smooth

SCALE = 0.03
"""share by which the tracking's scale may differ from metres"""
MISFIT = 0.01
"""metres of root mean square residual from which on a calibration is refused"""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Brings recordings into the robot's frame and clock: robot = world . device(t + pose_latency) . tool."""

    world: Frame
    """from the tracking's frame to the robot's base"""
    tool: Frame
    """from the point that the robot moves (between the finger tips) to the tracked camera"""
    pose_latency: float = 0.0
    """seconds by which the time stamps of poses are late"""
    width_latency: float = 0.0
    """the same for the gripper's width"""
    video_latency: float = 0.0
    """the same for frames; that of poses where these come from the same video"""
    opening: tuple[float, float] = (1.0, 0.0)
    """(a, b) with the robot's opening = a * width in metres + b"""
    residual: float = 0.0
    """metres, root mean square over the calibration motion"""
    scale: float = 1.0
    """by how much the tracking would have to be stretched to fit best"""

    def to_json(self) -> str:
        return json.dumps({**vars(self), "world": self.world.to_json(), "tool": self.tool.to_json()}, indent=1)

    @classmethod
    def from_json(cls, text: str, where: str) -> Calibration:
        """Raises DataError naming the field that is no number or frame."""
        try:
            said = json.loads(text)
            numbers = {name: float(said.get(name, default)) for name, default in NUMBERS.items()}
            a, b = (float(value) for value in said.get("opening", (1.0, 0.0)))
            frames = {name: said[name] for name in ("world", "tool")}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError("the calibration is damaged", where=where, expected="world, tool, latencies in seconds, opening",
                            got=f"{type(error).__name__}: {error}", fix="calibrate again") from error
        if not np.isfinite([a, b, *numbers.values()]).all():
            raise DataError("the calibration is damaged", where=where, expected="finite numbers", got=text[:200])
        return cls(Frame.from_json(frames["world"], f"{where}, field world"),
                   Frame.from_json(frames["tool"], f"{where}, field tool"), opening=(a, b), **numbers)


NUMBERS: dict[str, Any] = {"pose_latency": 0.0, "width_latency": 0.0, "video_latency": 0.0, "residual": 0.0, "scale": 1.0}


def calibrate(device: Track, robot: Track, width: Signal | None = None, opening: Signal | None = None,
              tool: Frame | None = None) -> Calibration:
    """Recover latencies and frames from one motion that both recorded.

    Args:
        device: poses of the hand-held camera in the tracking's frame.
        robot: poses of the hand in the robot's base frame, on the robot's clock.
        width, opening: the gripper's width in metres as the device saw it, and the robot's opening.
        tool: where the tool sits on the device, if it is known; without it the motion must turn about two axes.

    Raises:
        DataError: where the two are not of the same motion, the tracking is not metric, or what is left is too large.
    """
    device, robot = smooth(device), smooth(robot)
    pick = 1 if np.std(device.speeds()[1]) > 0.05 else 0  # turning rates are the same at every point of a rigid thing
    late = latency(Signal(robot.time, robot.speeds()[pick]), Signal(device.time, device.speeds()[pick]), what="device's poses")

    def fit(seconds: float) -> tuple[Frame, Frame, Float64[ndarray, "N 3"], Track, Track]:
        shifted = device.later(-seconds)
        times = robot.time[shifted.within(robot.time)]
        here, there = shifted.at(times), robot.at(times)
        if tool is None:
            world, place = align_poses(here, there)
        else:
            place, world = tool, align_points(here.moved(Frame.none(), tool).position, there.position)[0]
        return world, place, here.moved(world, place).position - there.position, here, there

    found = minimize_scalar(lambda seconds: float(np.square(fit(seconds)[2]).mean()), bounds=(late - 0.05, late + 0.05),
                            method="bounded", options={"xatol": 5e-4})
    world, place, gap, here, there = fit(float(found.x))
    if tool is None:
        world, place = polished(here, there, world, place)
        gap = here.moved(world, place).position - there.position
    residual = float(np.sqrt(np.square(gap).sum(1).mean()))
    scale = align_points(here.moved(Frame.none(), place).position, there.position)[1]
    if abs(scale - 1) > SCALE:
        raise DataError("the tracking is not in metres", where="calibration/camera_trajectory.csv", expected="a scale of 1",
                        got=f"{scale:.3f}", fix="use visual-inertial tracking, or scale the positions")
    if residual > MISFIT:
        raise DataError("the device and its reference do not fit", where="calibration",
                        expected=f"{1e3 * MISFIT:.0f} mm or less", got=f"{1e3 * residual:.1f} mm",
                        fix="see that the device cannot slip, and that tracking is not lost during the motion")
    width_late, line = 0.0, (1.0, 0.0)
    if width is not None and opening is not None:
        width_late = latency(opening, width, what="gripper's width")
        slope, start = np.polyfit(np.interp(opening.time + width_late, width.time, width.value), opening.value, 1)
        line = (float(slope), float(start))
    return Calibration(world, place, float(found.x), width_late, float(found.x), line, residual, scale)
