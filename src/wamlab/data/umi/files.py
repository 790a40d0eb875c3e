"""Hand-held recordings as plain files, named as UMI's own pipeline names them where it has a name.

    DIR/calibration.json                                  or the motion to calibrate from:
    DIR/calibration/{camera_trajectory,gripper,reference}.csv, tool.json (if the tool's frame is known)
    DIR/demos/NAME/camera_trajectory.csv    timestamp (s), x, y, z (m), q_x, q_y, q_z, q_w, is_lost (optional)
    DIR/demos/NAME/gripper.csv              timestamp (s), width (m); without it the width is unknown
    DIR/demos/NAME/raw_video.mp4            optional; frame n at n / rate on the clock of the poses
    DIR/demos/NAME/demonstration.json       instruction; scene (a simulator's seed) if it was one

The pipeline's own folders beside them (`demos/mapping`, `demos/gripper_calibration_*`) are no demonstrations, and one whose
tracking failed has no trajectory. What is left out is listed with the reason.

`reference.csv` has the columns of a trajectory, in the robot's frame, and the robot's `opening`. Other columns are ignored.
Nothing is unpickled; text is read as numbers and refused where it is none.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy.spatial.transform import Rotation

from ...errors import DataError
from ...reading import load_json, read_bytes, regular, whole, words
from ...reading import table as as_table
from .align import Signal
from .calibrate import Calibration, calibrate
from .track import Frame, Track

POSE = ("timestamp", "x", "y", "z", "q_x", "q_y", "q_z", "q_w")
LARGEST = 1 << 26
"""bytes of the largest table that is read: some hours of poses"""
OWN = {"mapping": "the motion that the map was made from, no demonstration",
       "gripper_cal": "the gripper's calibration, no demonstration"}
"""by how its name begins, a folder that the pipeline keeps beside the demonstrations"""
Held = Literal["open", "closed"]


class Untracked(DataError):
    """Tracking failed: the recording holds no path."""


@dataclass(frozen=True)
class LeftOut:
    """What lies beside the demonstrations, or could not be used."""

    recording: str
    reason: str


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
    held: Held | None = None
    """how the gripper was held throughout, where that is said in place of a width"""

    def meta(self) -> dict[str, str]:
        """What an episode made of it says of where it is from."""
        return {"recording": self.name} | ({"gripper": f"said to be {self.held} throughout"} if self.held else {})


def table(file: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> dict[str, ndarray]:
    """Columns of a CSV file with a header as float64 arrays; "true" and "false" are 1 and 0.

    Raises:
        DataError: naming the file, and the column and line where there is one.
    """
    truth = {"true": 1.0, "false": 0.0}
    try:
        with open(regular(file, LARGEST), newline="", encoding="utf-8") as source:
            rows = list(csv.reader(source))
    except OSError as error:
        raise DataError("the table cannot be read", where=file, expected="a CSV file with a header",
                        got=error.strerror) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("the table is no CSV file", where=file, got=str(error)[:120]) from error
    head = [name.strip() for name in rows[0]] if rows else []
    twice = [name for name in head if head.count(name) > 1]
    if twice:
        raise DataError(f"two columns are named {twice[0]!r}", where=f"{file}, line 1", expected="each name once",
                        got=", ".join(head)[:200], fix="rename one of them")
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
                values[number] = truth[text.lower()] if text.lower() in truth else float(text)
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
        raise Untracked("tracking was lost nearly throughout", where=file, expected="10 poses or more", got=int(kept.sum()))
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
    found = [folder for folder, why in _folders(root) if why is None]
    if not found:
        beside = "; ".join(f"{left.recording}: {left.reason}" for left in left_out(root))
        raise DataError("there are no hand-held recordings here", where=root, expected="demos/NAME/camera_trajectory.csv",
                        got=(beside[:300] or "none") if root.is_dir() else "no such folder",
                        fix="give the folder that holds demos/")
    return found


def left_out(root: Path) -> list[LeftOut]:
    """What lies in `demos/` and is no demonstration, by name."""
    return [LeftOut(folder.name, why) for folder, why in _folders(root) if why is not None]


def _folders(root: Path) -> list[tuple[Path, str | None]]:
    """Everything in `demos/` that is not hidden, and why it is no demonstration; None: it is one."""
    def why(folder: Path) -> str | None:
        own = next((reason for start, reason in OWN.items() if folder.name.startswith(start)), None)
        if not folder.is_dir():
            return "a file, no folder of a recording"
        return own or (None if (folder / "camera_trajectory.csv").exists() else "tracking failed: no camera_trajectory.csv")

    place = root / "demos"
    there = sorted(folder for folder in place.iterdir() if not folder.name.startswith(".")) if place.is_dir() else []
    return [(folder, why(folder)) for folder in there]


def read(folder: Path, held: Held | None = None, instruction: str = "") -> Demonstration:
    """One recording. Raises DataError, or Untracked if its tracking was lost throughout.

    Args:
        held: how the gripper was held, if there is no file with its width.
        instruction: what is done, if the recording does not say.
    """
    pose, lost, found = trajectory(folder / "camera_trajectory.csv")
    text, scene = described(folder)
    width, video = gripper(folder / "gripper.csv"), folder / "raw_video.mp4"
    return Demonstration(folder.name, text or instruction, pose, lost, found["timestamp"], width,
                         video if video.is_file() else None, scene, held if width is None else None)


def described(folder: Path) -> tuple[str, int | None]:
    """(instruction, scene) that a recording states; "" and None where it does not. Raises DataError."""
    file = folder / "demonstration.json"
    said = as_table(load_json(file), str(file)) if file.exists() else {}
    scene = said.get("scene")
    return (words(said.get("instruction", ""), f"{file}, field instruction"),
            None if scene is None else whole(scene, f"{file}, field scene", high=2**32 - 1))


def read_calibration(root: Path, file: Path | None = None) -> Calibration:
    """The calibration of a set of recordings: the file given, DIR/calibration.json, or from the motion in DIR/calibration.

    Raises:
        DataError: if there is none of these, or it cannot be used.
    """
    chosen = file or root / "calibration.json"
    if file is not None or chosen.exists():
        return Calibration.from_json(read_bytes(chosen), str(chosen))
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
        tool = Frame.from_json(load_json(folder / "tool.json"), str(folder / "tool.json"))
    return calibrate(device, robot, width, opening, tool)
