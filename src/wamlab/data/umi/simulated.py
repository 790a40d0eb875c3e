"""Hand-held recordings of a known motion, as a device with known faults would have made them: to check the way back."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.spatial.transform import Rotation

from ..atomic import make_folder
from .align import Signal
from .calibrate import Calibration
from .files import POSE
from .track import Frame, Track


@dataclass(frozen=True)
class Faults:
    """What a device gets wrong at random."""

    position: float = 3e-4
    """metres, standard deviation"""
    turn: float = 2e-3
    """radians, standard deviation"""
    width: float = 3e-4
    """metres, standard deviation"""
    pose_hz: float = 60.0
    width_hz: float = 30.0
    lost: tuple[float, float] | None = None
    """seconds from the start between which tracking is lost"""


def motion(generator: np.random.Generator, centre: Float64[ndarray, "3"], orientation: Rotation, seconds: float = 12.0,
           reach: float = 0.12, turn: float = 0.5) -> tuple[Track, Signal]:
    """An irregular motion to calibrate with, and the gripper's opening during it, at 100 Hz from time 0."""
    time = np.arange(0, seconds, 0.01)

    def wander(channels: int, slowest: float = 0.15, fastest: float = 0.9) -> ndarray:
        rates, phases = generator.uniform(slowest, fastest, (4, channels)), generator.uniform(0, 2 * np.pi, (4, channels))
        return np.sin(2 * np.pi * rates * time[:, None, None] + phases).sum(1) / 2

    place, angle, opening = centre + reach * wander(3) / 2, turn * wander(3), 0.5 + 0.25 * wander(1)[:, 0]
    return Track(time, place, Rotation.from_rotvec(angle) * orientation), Signal(time, np.clip(opening, 0, 1))


def record(hand: Track, opening: Signal, truth: Calibration, generator: np.random.Generator,
           faults: Faults = Faults()) -> tuple[Track, Signal]:
    """What the device notes of a motion of the hand in the robot's frame; `calibrate` and `path_of` undo it."""
    assert truth.opening is not None
    times = np.arange(hand.time[0], hand.time[-1], 1 / faults.pose_hz)
    seen = hand.at(times).moved(truth.world.inverse(), truth.tool.inverse())
    shaken = Rotation.from_rotvec(generator.normal(0, faults.turn, (len(times), 3)))
    device = Track(times + truth.pose_latency, seen.position + generator.normal(0, faults.position, seen.position.shape),
                   seen.rotation * shaken)
    ticks, (a, b) = np.arange(hand.time[0], hand.time[-1], 1 / faults.width_hz), truth.opening
    width = (np.interp(ticks, opening.time, opening.value) - b) / a
    return device, Signal(ticks + truth.width_latency, width + generator.normal(0, faults.width, len(ticks)))


def write(folder: Path, device: Track, width: Signal, *, instruction: str = "", scene: int | None = None,
          lost: tuple[float, float] | None = None) -> None:
    """One recording in the layout of `files`."""
    make_folder(folder)
    start = device.time[0]
    gone = [lost is not None and lost[0] <= t - start <= lost[1] for t in device.time]
    rows = np.column_stack([device.time, device.position, device.rotation.as_quat()])
    _table(folder / "camera_trajectory.csv", [*POSE, "is_lost"],
           [[*map(repr, map(float, row)), str(bad).lower()] for row, bad in zip(rows, gone, strict=True)])
    _table(folder / "gripper.csv", ["timestamp", "width"],
           [[repr(float(t)), repr(float(w))] for t, w in zip(width.time, width.value, strict=True)])
    said = {"instruction": instruction} | ({"scene": scene} if scene is not None else {})
    (folder / "demonstration.json").write_text(json.dumps(said))


def write_calibration(folder: Path, device: Track, width: Signal, robot: Track, opening: Signal,
                      tool: Frame | None = None) -> None:
    """A calibration motion in the layout of `files`; `opening` has the robot's times."""
    write(folder, device, width)
    (folder / "demonstration.json").unlink()
    rows = np.column_stack([robot.time, robot.position, robot.rotation.as_quat(),
                            np.interp(robot.time, opening.time, opening.value)])
    _table(folder / "reference.csv", [*POSE, "opening"], [[*map(repr, map(float, row))] for row in rows])
    if tool is not None:
        (folder / "tool.json").write_text(json.dumps(tool.to_json()))


def _table(file: Path, head: list[str], rows: list[list[str]]) -> None:
    with open(file, "w", newline="") as target:
        csv.writer(target).writerows([head, *rows])
