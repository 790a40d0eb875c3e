"""Hand-held recordings as an episode store of their own: what the hand did, and what its camera saw."""

from __future__ import annotations

from pathlib import Path as File

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from scipy.spatial.transform import Rotation

from ...errors import DataError
from ...spec import ActionSpec, TaskSpec
from ...types import Episode
from ..formats.films import Moving
from ..formats.pictures import fit, gathered
from ..formats.video import nearest, probe
from ..store import EpisodeStore, code_version
from . import files
from .bring import Progress, bring_in, open_store
from .calibrate import Calibration
from .path import Path, path_of

STATE = ("x (m)", "y (m)", "z (m)", *(f"rotation {row}{column}" for column in "12" for row in "123"), "opening (0..1)")
ACTION = ActionSpec(("x", "y", "z", "rx", "ry", "rz", "opening"), (-0.2,) * 3 + (-1.0,) * 3 + (0.0,),
                    (0.2,) * 3 + (1.0,) * 4, ("m/step",) * 3 + ("rad/step",) * 3 + ("0..1",), "delta")
"""changes along and about the axes of the robot's base; the opening is a target"""


def states(path: Path) -> Float32[ndarray, "T1 10"]:
    """Place, the first two columns of the rotation matrix (Zhou et al. 2019: continuous, unlike angles), opening."""
    matrix = path.track.rotation.as_matrix()
    return np.concatenate([path.track.position, matrix[:, :, 0], matrix[:, :, 1], path.opening[:, None]],
                          1).astype(np.float32)


def actions(path: Path) -> Float32[ndarray, "T 7"]:
    """From each observation to the next."""
    turn = (path.track.rotation[1:] * path.track.rotation[:-1].inv()).as_rotvec()
    return np.concatenate([np.diff(path.track.position, axis=0), turn, path.opening[1:, None]], 1).astype(np.float32)


def frames(video: File, times: ndarray, size: tuple[int, int]) -> UInt8[ndarray, "T1 h w 3"]:
    """The pictures nearest to the times (seconds from the first picture), at a size.

    Raises:
        DataError: if the video does not reach so far, or cannot be read.
    """
    film = Moving(probe(video))
    clock = film.seconds
    period = float(np.median(np.diff(clock))) if len(clock) > 1 else 0.0
    if not len(clock) or times[0] < -period or times[-1] > clock[-1] + period:
        raise DataError("the video does not cover the recording", where=video, expected=f"{times[0]:.2f} to {times[-1]:.2f} s",
                        got=f"0 to {clock[-1]:.2f} s {film.shorter}".rstrip() if len(clock) else "no frames",
                        fix="see that trajectory and video belong together")
    made = (picture for picture, count in film.shown(nearest(clock, times))
            for picture in [fit(np.ascontiguousarray(picture)[None], size)[0]] * count)
    return gathered(made, len(times), size, None, False, video)


def import_umi(root: File, target: File, calibration: Calibration, *, hz: float = 10.0, size: tuple[int, int] = (64, 64),
               held: files.Held | None = None, instruction: str = "", skip_bad: bool = False,
               progress: Progress | None = None) -> tuple[EpisodeStore, tuple[files.LeftOut, ...]]:
    """Copy recordings into an episode store; those that are there already, by name, are left as they are.

    Actions of steps without tracking are unknown. Whether the task was solved is unknown, and said so.

    Args:
        held: how the gripper was held in recordings without its width.
        instruction: what is done in recordings that do not say.
        skip_bad: leave recordings out that cannot be used, in place of an error. Those whose tracking failed are in any case.

    Returns:
        The store, and what is not in it and why.

    Raises:
        DataError: naming the recording and file that cannot be used, or if none can be.
    """
    first = files.described(files.demonstrations(root)[0])[0]
    spec = TaskSpec(f"umi/{root.resolve().name}", first or instruction, ("main",), size, STATE, ACTION, (), hz, 1000)
    kept = {"source": "umi", "hz": hz, "name": root.resolve().name}
    return bring_in(root, target, lambda folder: episode_of(files.read(folder, held, instruction), calibration, spec),
                    lambda: open_store(target, spec, f"umi@{size[0]}x{size[1]}", kept, calibration),
                    skip_bad=skip_bad, progress=progress)


def episode_of(demonstration: files.Demonstration, calibration: Calibration, spec: TaskSpec) -> Episode:
    """One recording as an Episode. Raises DataError naming the file that cannot be used."""
    if demonstration.video is None:
        raise DataError("the recording has no video", where=f"{demonstration.name}/raw_video.mp4", expected="a video",
                        got="none", fix="add it, or retarget to a simulator's robot, which sees for itself: --robot TASK")
    path = path_of(demonstration, calibration, spec.control_hz)
    pictures = frames(demonstration.video, path.track.time + calibration.video_latency, spec.image_size)
    moves = actions(path)
    over = np.clip(moves, spec.action.low, spec.action.high) != moves
    if over.any():
        step, channel = (int(number) for number in np.argwhere(over)[0])
        raise DataError("the hand moved faster than a hand moves", where=f"{demonstration.name}, step {step}",
                        expected=f"{spec.action.names[channel]}: {spec.action.high[channel]} {spec.action.units[channel]}",
                        got=float(moves[step, channel]), fix="see whether tracking jumped there, and mark it in is_lost")
    return Episode(spec.task, demonstration.instruction, {"main": pictures}, states(path), moves,
                   np.zeros(len(path) + 1, bool), has_action=~(path.lost[:-1] | path.lost[1:]),
                   meta={**demonstration.meta(), "source": "umi", "success": "unknown", "wamlab": code_version(),
                         "renderer": f"umi@{spec.image_size[0]}x{spec.image_size[1]}"})


def pose_of(state: Float32[ndarray, "*any 10"]) -> tuple[ndarray, Rotation]:
    """(places, rotations) of `states`; the inverse but for rounding."""
    flat = state.reshape(-1, 10).astype(np.float64)
    x, y = flat[:, 3:6], flat[:, 6:9]
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y - (x * y).sum(1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return flat[:, :3], Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], 2))
