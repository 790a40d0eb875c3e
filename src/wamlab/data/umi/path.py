"""From a recording to the path that a robot's hand should take: its clock, its frame, its rate; and where it could not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from scipy.spatial.transform import Rotation

from ...errors import DataError
from ...simulators.robot import Robot
from .calibrate import Calibration
from .files import Demonstration
from .track import Track, smooth

GAP = 0.25
"""seconds without a pose or a width that are bridged; longer ones are marked"""
REACH, TURN = 0.005, 15.0
"""metres and degrees by which the arm may miss the path and its own orientation"""
TILT = 30.0
"""degrees by which the hand may have been held otherwise than the robot holds it"""
REASONS = {"lost": "tracking, or the gripper's width, was lost", "outside": "outside the box of the robot's control",
           "unreachable": "out of the arm's reach",
           "fast": "faster than the control can command", "joints": "faster than a joint can turn",
           "tilted": "held otherwise than the robot can hold its hand"}


@dataclass(frozen=True, eq=False)
class Path:
    """What the hand did, in the robot's frame, at the robot's rate."""

    hz: float
    track: Track
    """T + 1 poses of the point that the robot moves; time 0 is the recording's clock"""
    opening: Float64[ndarray, "T1"]
    """of the robot's gripper"""
    lost: Bool[ndarray, "T1"]
    """where pose or opening is not a measurement"""

    def __len__(self) -> int:
        """Number of steps T."""
        return len(self.track) - 1


def path_of(demonstration: Demonstration, calibration: Calibration, hz: float) -> Path:
    """Align, smooth, move into the robot's frame and sample.

    Raises:
        DataError: if the recording is shorter than half a second, the gripper's width was not recorded and nobody says how it
            was held, or the calibration cannot tell an opening from a width.
    """
    pose = smooth(demonstration.pose.later(-calibration.pose_latency)).moved(calibration.world, calibration.tool)
    count = int((pose.time[-1] - pose.time[0]) * hz + 1e-6)
    if count < hz / 2:
        raise DataError("the recording is too short", where=demonstration.name, expected="0.5 s or more",
                        got=f"{pose.time[-1] - pose.time[0]:.2f} s")
    times = pose.time[0] + np.arange(count + 1) / hz
    opening, blind = _opening(demonstration, calibration, times)
    lost = unmeasured(demonstration.pose.time - calibration.pose_latency, times)
    return Path(hz, pose.at(np.minimum(times, pose.time[-1])), opening, lost | blind)


def _opening(demonstration: Demonstration, calibration: Calibration,
             times: Float64[ndarray, "T1"]) -> tuple[Float64[ndarray, "T1"], Bool[ndarray, "T1"]]:
    """(the robot's opening, where it is not a measurement). Raises DataError."""
    width, where = demonstration.width, f"{demonstration.name}/gripper.csv"
    if width is None:
        if demonstration.held is None:
            raise DataError("the gripper's width was not recorded", where=where, expected="timestamp (s), width (m)",
                            got="no such file", fix="add the file, or say how the gripper was held: --gripper open (or closed)")
        return np.full(len(times), float(demonstration.held == "open")), np.zeros(len(times), bool)
    if calibration.opening is None:
        raise DataError("the calibration does not say how far a width opens the robot's gripper", where=where,
                        expected="opening: [a, b]", got="null",
                        fix="calibrate with a gripper.csv and a reference.csv with opening")
    a, b = calibration.opening
    clock = width.time - calibration.width_latency
    blind = unmeasured(clock, times)
    if blind.all():
        raise DataError("the gripper's width was recorded at another time than the poses", where=where,
                        expected=f"{times[0]:.2f} to {times[-1]:.2f} s", got=f"{clock[0]:.2f} to {clock[-1]:.2f} s",
                        fix="give both the same clock")
    return np.clip(a * np.interp(times, clock, width.value) + b, 0, 1), blind


def unmeasured(clock: Float64[ndarray, "N"], times: Float64[ndarray, "T1"]) -> Bool[ndarray, "T1"]:
    """Whether a time lies between two samples that are more than `GAP` apart, or further than that beyond the first or last."""
    after = np.clip(np.searchsorted(clock, times), 1, len(clock) - 1)
    apart = (clock[after] - clock[after - 1] > GAP) & (times > clock[after - 1]) & (times < clock[after])
    return np.asarray(apart | (times < clock[0] - GAP) | (times > clock[-1] + GAP))


def filtered(path: Path, robot: Robot) -> dict[str, Bool[ndarray, "T"]]:
    """Which steps the robot could not do, by reason (`REASONS`); a step is wrong if either of its ends is."""
    place, seconds = path.track.position, 1 / path.hz
    followed = robot.follow(place)
    tilt = np.degrees((Rotation.from_quat(robot.orientation).inv() * path.track.rotation).magnitude())

    def step(wrong: Bool[ndarray, "T1"]) -> Bool[ndarray, "T"]:
        return wrong[:-1] | wrong[1:]

    outside = np.any((place < robot.low) | (place > robot.high), axis=1)
    missed = (followed.miss > REACH) | (np.degrees(followed.turned) > TURN)
    return {"lost": step(path.lost), "outside": step(outside), "unreachable": step(missed),
            "fast": np.any(np.abs(np.diff(place, axis=0)) > robot.step, axis=1),
            "joints": np.any(np.abs(np.diff(followed.joints, axis=0)) > robot.joint_speed * seconds, axis=1),
            "tilted": step(tilt > TILT)}
