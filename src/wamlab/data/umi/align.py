"""Clocks and frames that do not agree: latency by cross-correlation, frames by least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from ...errors import DataError
from .track import Frame, Track

GRID = 0.005
"""seconds between the lags that are tried; a parabola through the best one and its neighbours goes below it"""
ALIKE = 0.5
"""correlation below which two signals are not of the same motion"""
TWO_AXES = 0.1
"""radians: how much a calibration motion turns about its second axis, root mean square, to tell where the tool sits"""


@dataclass(frozen=True, eq=False)
class Signal:
    """A number over time."""

    time: Float64[ndarray, "N"]
    """seconds, ascending"""
    value: Float64[ndarray, "N"]


def latency(reference: Signal, signal: Signal, limit: float = 0.5, what: str = "signal") -> float:
    """By how many seconds the signal's time stamps are late: what it says at time t happened at t - latency.

    The lag within ± `limit` seconds at which the two correlate best over their common time (Pearson). Nothing is assumed
    about scale and offset of either.

    Raises:
        DataError: if they overlap for less than 1 s, are not alike at any lag, are alike at two lags, or best at the limit.
    """
    begin = max(reference.time[0], signal.time[0] - limit) + limit
    end = min(reference.time[-1], signal.time[-1] + limit) - limit
    grid = np.arange(begin, end, GRID)
    if len(grid) * GRID < 1:
        raise DataError(f"the {what} and its reference hardly overlap in time", where=what, expected="1 s or more in common",
                        got=f"{max(len(grid), 0) * GRID:.2f} s", fix="use clocks that agree to half a second; record longer")
    wanted = np.interp(grid, reference.time, reference.value)
    lags = np.arange(-limit, limit + GRID / 2, GRID)
    scores = np.array([_pearson(wanted, np.interp(grid + lag, signal.time, signal.value)) for lag in lags])
    best = int(scores.argmax())
    if scores[best] < ALIKE:
        raise DataError(f"the {what} and its reference are not of the same motion", where=what,
                        expected=f"a correlation of {ALIKE} or more", got=f"{scores[best]:.2f}",
                        fix="record both during one and the same motion, with stops and turns")
    peaks = np.flatnonzero((scores[1:-1] >= scores[:-2]) & (scores[1:-1] >= scores[2:])) + 1
    others = [scores[peak] for peak in peaks if abs(peak - best) * GRID > 0.1]
    if best in (0, len(lags) - 1) or max(others, default=-1.0) > 0.97 * scores[best]:
        raise DataError(f"the latency of the {what} cannot be told", where=what,
                        expected=f"one best lag within {limit} s", got=f"{lags[best]:.3f} s or another",
                        fix="move irregularly: a motion that repeats itself fits at several lags")
    left, top, right = scores[best - 1:best + 2]
    curve = left - 2 * top + right
    return float(lags[best] + GRID * (0.5 * (left - right) / curve if curve < 0 else 0.0))


def _pearson(one: ndarray, other: ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / max(np.sqrt((one @ one) * (other @ other)), 1e-12))


def align_points(points: Float64[ndarray, "N 3"], targets: Float64[ndarray, "N 3"]) -> tuple[Frame, float]:
    """The frame that brings points onto targets with least squared error, and the scale that would be best (Kabsch 1976;
    Umeyama 1991). The scale is not applied: tracking that is not metric is an error to be seen.

    Raises:
        DataError: for fewer than three points, or points on one line.
    """
    centred, wanted = points - points.mean(0), targets - targets.mean(0)
    spread = np.linalg.svd(centred, compute_uv=False) if len(points) >= 3 else np.zeros(2)
    if spread[1] < 1e-3 * max(spread[0], 1e-9):
        raise DataError("the points do not fix a frame", where="align_points", expected="three or more, not on one line",
                        got=f"{len(points)} points", fix="record a motion that leaves its line")
    turn, _ = Rotation.align_vectors(wanted, centred)
    scale = float((wanted * turn.apply(centred)).sum() / (centred * centred).sum())
    return Frame(turn, targets.mean(0) - turn.apply(points.mean(0))), scale


def align_poses(device: Track, robot: Track) -> tuple[Frame, Frame]:
    """(world, tool) with robot = world . device . tool, sample by sample (robot-world and hand-eye calibration).

    Rotations from the axes of relative turns (Park and Martin 1994), then the translations, which are linear. `polished`
    fits all twelve numbers together.

    Raises:
        DataError: if the motion turns about fewer than two axes, from which the tool's place cannot be told.
    """
    step = max(1, len(device) // 20)
    a = (device.rotation[:-step].inv() * device.rotation[step:]).as_rotvec()
    b = (robot.rotation[:-step].inv() * robot.rotation[step:]).as_rotvec()
    second = np.linalg.svd(a, compute_uv=False)[1] / np.sqrt(len(a)) if len(a) >= 3 else 0.0
    if second < TWO_AXES:
        raise DataError("the calibration motion turns about fewer than two axes", where="calibration/camera_trajectory.csv",
                        expected=f"{TWO_AXES} rad about a second axis", got=f"{second:.3f} rad",
                        fix="turn the gripper about two axes, or give the tool's frame in calibration/tool.json")
    tool_turn = Rotation.align_vectors(b, a)[0].inv()
    world_turn = (robot.rotation * (device.rotation * tool_turn).inv()).mean()
    # p_robot = R_world (R_device t_tool + p_device) + t_world
    lever = (world_turn * device.rotation).as_matrix()
    system = np.concatenate([lever, np.broadcast_to(np.eye(3), lever.shape)], 2).reshape(-1, 6)
    wanted = (robot.position - world_turn.apply(device.position)).reshape(-1)
    solved = np.linalg.lstsq(system, wanted, rcond=None)[0]
    return Frame(world_turn, solved[3:]), Frame(tool_turn, solved[:3])


def polished(device: Track, robot: Track, world: Frame, tool: Frame, arm: float = 0.1) -> tuple[Frame, Frame]:
    """The frames near (world, tool) with the least squared error; a radian counts as `arm` metres."""
    def frames(x: ndarray) -> tuple[Frame, Frame]:
        return (Frame(Rotation.from_rotvec(x[0:3]) * world.rotation, world.translation + x[3:6]),
                Frame(Rotation.from_rotvec(x[6:9]) * tool.rotation, tool.translation + x[9:12]))

    def residual(x: ndarray) -> ndarray:
        moved = device.moved(*frames(x))
        turned = (moved.rotation.inv() * robot.rotation).as_rotvec()
        return np.concatenate([moved.position - robot.position, arm * turned]).reshape(-1)

    return frames(least_squares(residual, np.zeros(12), method="lm").x)
