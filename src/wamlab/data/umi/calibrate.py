"""What separates a hand-held recording from the robot: latencies, frames and the gripper's scale, from one calibration motion.

The device is moved together with something that knows its place in the robot's frame (the robot's own hand, or a motion
capture system): irregularly, about two axes, with some openings and closings of the gripper.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import minimize_scalar

from ...errors import DataError
from ...reading import number, parse_json, table
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
    opening: tuple[float, float] | None = None
    """(a, b) with the robot's opening = a * width in metres + b; None: not known, as the motion was recorded without widths"""
    residual: float | None = None
    """metres, root mean square over the calibration motion; None: not known"""
    scale: float | None = None
    """by how much the tracking would have to be stretched to fit best; None: not known"""

    def to_json(self) -> str:
        return json.dumps({**vars(self), "world": self.world.to_json(), "tool": self.tool.to_json()}, indent=1)

    @classmethod
    def from_json(cls, text: bytes, where: str) -> Calibration:
        """Raises DataError naming the field that is missing, or no number or frame. What was measured must be there, as nothing
        is the same as zero; `opening` may be null, `residual` and `scale` may be missing."""
        said = table(parse_json(text, where), where)
        missing = [name for name in ("world", "tool", *LATENCIES, "opening") if name not in said]
        if missing:
            raise DataError(f"the calibration does not say {missing[0]}", where=f"{where}, field {missing[0]}",
                            expected=f"world, tool, {', '.join(LATENCIES)} (s), opening ([a, b] or null)",
                            got=", ".join(said)[:200], fix="calibrate again, or say it: 0.0 for a latency that there is not")
        late = {name: number(said[name], f"{where}, field {name}", -10, 10) for name in LATENCIES}
        known = {name: number(said[name], f"{where}, field {name}", 0) for name in ("residual", "scale")
                 if said.get(name) is not None}
        return cls(Frame.from_json(said["world"], f"{where}, field world"),
                   Frame.from_json(said["tool"], f"{where}, field tool"),
                   opening=_line(said["opening"], f"{where}, field opening"), **late, **known)

    def digest(self) -> str:
        """What tells it from another: a checksum of its numbers to a millionth."""
        numbers = [*self.world.to_json(), *self.tool.to_json(), self.pose_latency, self.width_latency, self.video_latency,
                   *(self.opening or ())]
        return f"{zlib.crc32(' '.join(f'{value + 0.0:.6f}' for value in numbers).encode()):08x}"


LATENCIES = ("pose_latency", "width_latency", "video_latency")


def _line(value: Any, where: str) -> tuple[float, float] | None:
    """Raises DataError unless it is two numbers or null."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise DataError("the calibration of the opening is damaged", where=where,
                        expected="[a, b], or null where it is not known",
                        got=repr(value)[:60], fix="opening = a * width in metres + b")
    return number(value[0], where), number(value[1], where)


def calibrate(device: Track, robot: Track, width: Signal | None = None, opening: Signal | None = None,
              tool: Frame | None = None) -> Calibration:
    """Recover latencies and frames from one motion that both recorded.

    Args:
        device: poses of the hand-held camera in the tracking's frame.
        robot: poses of the hand in the robot's base frame, on the robot's clock.
        width, opening: the gripper's width in metres as the device saw it, and the robot's opening; without them the
            calibration cannot tell an opening from a width.
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
    width_late, line = 0.0, None
    if width is not None and opening is not None:
        width_late = latency(opening, width, what="gripper's width")
        slope, start = np.polyfit(np.interp(opening.time + width_late, width.time, width.value), opening.value, 1)
        line = (float(slope), float(start))
    return Calibration(world, place, float(found.x), width_late, float(found.x), line, residual, scale)
