"""Hand-held recordings as plain files, named as UMI's own pipeline names them where it has a name.

    DIR/calibration.json                                  or the motion to calibrate from:
    DIR/calibration/{camera_trajectory,gripper,reference}.csv, tool.json (if the tool's frame is known)
    DIR/demos/NAME/camera_trajectory.csv    timestamp (s), x, y, z (m), q_x, q_y, q_z, q_w, is_lost (optional)
    DIR/demos/NAME/gripper.csv              timestamp (s), width (m)
    DIR/demos/NAME/raw_video.mp4            optional; frame n at n / rate on the clock of the poses
    DIR/demos/NAME/demonstration.json       instruction; scene (a simulator's seed) if it was one

`reference.csv` has the columns of a trajectory, in the robot's frame, and the robot's `opening`. Other columns are ignored.
Nothing is unpickled; text is read as numbers and refused where it is none.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy.spatial.transform import Rotation

from ...errors import DataError
from .align import Signal
from .calibrate import Calibration, calibrate
from .track import Frame, Track

POSE = ("timestamp", "x", "y", "z", "q_x", "q_y", "q_z", "q_w")
LARGEST = 1 << 28
"""bytes of the largest table that is read"""


@dataclass(frozen=True, eq=False)
class Demonstration:
    """One recording."""

    name: str
    instruction: str
    pose: Track
    """of the device, in the tracking's frame and clock; lost samples are left out"""
    lost: Bool[ndarray, "N"]
    """per sample of the file, whether tracking was lost there"""
    lost_time: ndarray
    """the samples' times"""
    width: Signal | None
    video: Path | None
    scene: int | None


def table(file: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> dict[str, ndarray]:
    """Columns of a CSV file with a header as float64 arrays; "true" and "false" are 1 and 0.

    Raises:
        DataError: naming the file, and the column and line where there is one.
    """
    words = {"true": 1.0, "false": 0.0}
    try:
        if file.stat().st_size > LARGEST:
            raise DataError("the table is too large", where=file, expected=f"{LARGEST} bytes", got=file.stat().st_size)
        with open(file, newline="", encoding="utf-8") as source:
            rows = list(csv.reader(source))
    except OSError as error:
        raise DataError("the table cannot be read", where=file, expected="a CSV file with a header",
                        got=error.strerror) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("the table is no CSV file", where=file, got=str(error)[:120]) from error
    head = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in columns if name not in head]
    if missing:
        raise DataError(f"the column {missing[0]} is missing", where=file, expected=", ".join(columns),
                        got=", ".join(head)[:200])
    found: dict[str, ndarray] = {}
    for name in [*columns, *(name for name in optional if name in head)]:
        place, values = head.index(name), np.empty(len(rows) - 1)
        for number, row in enumerate(rows[1:]):
            text = row[place].strip() if place < len(row) else ""
            try:
                values[number] = words[text.lower()] if text.lower() in words else float(text)
            except ValueError as error:
                raise DataError("a cell is no number", where=f"{file}, line {number + 2}, column {name}", expected="a number",
                                got=repr(text)[:60]) from error
        found[name] = values
    for name in columns:
        bad = np.flatnonzero(~np.isfinite(found[name]))
        if len(bad):
            raise DataError("a cell is not finite", where=f"{file}, line {bad[0] + 2}, column {name}", expected="a number",
                            got=found[name][bad[0]], fix="leave the row out, or mark it in is_lost with finite numbers")
    time = found.get("timestamp", np.zeros(0))
    if len(time) < 2 or (np.diff(time) <= 0).any():
        late = int(np.argmax(np.diff(time) <= 0)) + 3 if len(time) >= 2 else 2
        raise DataError("time does not go on", where=f"{file}, line {late}, column timestamp",
                        expected="two rows or more, each later than the one before",
                        got=f"{len(time)} rows" if len(time) < 2 else f"{time[late - 2]} after {time[late - 3]}")
    return found


def trajectory(file: Path, more: Sequence[str] = ()) -> tuple[Track, Bool[ndarray, "N"], dict[str, ndarray]]:
    """(the poses at which tracking was not lost, where it was lost, further columns). Raises DataError."""
    found = table(file, [*POSE, *more], ["is_lost"])
    lost = found.get("is_lost", np.zeros(len(found["timestamp"]))) != 0
    kept = ~lost
    if kept.sum() < 10:
        raise DataError("tracking was lost nearly throughout", where=file, expected="10 poses or more", got=int(kept.sum()))
    quaternion = np.stack([found[name] for name in POSE[4:]], 1)[kept]
    length = np.linalg.norm(quaternion, axis=1)
    if (np.abs(length - 1) > 0.05).any():
        line = int(np.flatnonzero(kept)[np.argmax(np.abs(length - 1) > 0.05)]) + 2
        raise DataError("this is no rotation", where=f"{file}, line {line}, columns q_x to q_w",
                        expected="a quaternion of length 1", got=f"length {length.max():.3g}")
    position = np.stack([found[name] for name in POSE[1:4]], 1)[kept]
    return Track(found["timestamp"][kept], position, Rotation.from_quat(quaternion)), lost, found


def gripper(file: Path) -> Signal | None:
    """The gripper's width over time; None where there is no such file. Raises DataError."""
    if not file.exists():
        return None
    found = table(file, ["timestamp", "width"])
    if not ((found["width"] >= -0.01) & (found["width"] < 1)).all():
        raise DataError("the width is not in metres", where=f"{file}, column width", expected="0 to 1",
                        got=found["width"].max())
    return Signal(found["timestamp"], found["width"])


def demonstrations(root: Path) -> list[Path]:
    """The folders of the recordings, by name. Raises DataError if there are none."""
    found = sorted(file.parent for file in (root / "demos").glob("*/camera_trajectory.csv"))
    if not found:
        raise DataError("there are no hand-held recordings here", where=root, expected="demos/NAME/camera_trajectory.csv",
                        got="none" if root.is_dir() else "no such folder", fix="give the folder that holds demos/")
    return found


def read(folder: Path) -> Demonstration:
    """One recording. Raises DataError."""
    pose, lost, found = trajectory(folder / "camera_trajectory.csv")
    file, said = folder / "demonstration.json", {}
    if file.exists():
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError("the description cannot be read", where=file, expected="JSON", got=str(error)[:120]) from error
    text, scene = (said.get("instruction", ""), said.get("scene")) if isinstance(said, dict) else (None, None)
    if not isinstance(text, str) or isinstance(scene, bool) or not (scene is None or (isinstance(scene, int) and scene >= 0)):
        raise DataError("the description is damaged", where=file, expected="instruction (text), scene (whole number)", got=said)
    video = folder / "raw_video.mp4"
    return Demonstration(folder.name, text, pose, lost, found["timestamp"], gripper(folder / "gripper.csv"),
                         video if video.is_file() else None, scene)


def read_calibration(root: Path, file: Path | None = None) -> Calibration:
    """The calibration of a set of recordings: the file given, DIR/calibration.json, or from the motion in DIR/calibration.

    Raises:
        DataError: if there is none of these, or it cannot be used.
    """
    chosen = file or root / "calibration.json"
    if file is not None or chosen.exists():
        try:
            return Calibration.from_json(chosen.read_text(encoding="utf-8"), str(chosen))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError("the calibration cannot be read", where=chosen, got=error) from error
    folder = root / "calibration"
    if not (folder / "reference.csv").exists():
        raise DataError("nothing says how these recordings lie to the robot", where=root,
                        expected="calibration.json, or calibration/ with camera_trajectory.csv and reference.csv",
                        got="neither",
                        fix="move the device together with the robot's hand once and keep both trajectories")
    device, _, _ = trajectory(folder / "camera_trajectory.csv")
    width = gripper(folder / "gripper.csv")
    robot, _, more = trajectory(folder / "reference.csv", ["opening"] if width is not None else [])
    opening = Signal(more["timestamp"], more["opening"]) if width is not None else None
    tool = None
    if (folder / "tool.json").exists():
        tool = Frame.from_json(_json(folder / "tool.json"), str(folder / "tool.json"))
    return calibrate(device, robot, width, opening, tool)


def _json(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("the file cannot be read", where=file, expected="JSON", got=str(error)[:120]) from error
