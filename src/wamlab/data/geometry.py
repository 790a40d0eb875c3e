"""Point clouds and surface normals from depth pictures: pure functions of depth, intrinsics and the camera's place.

Convention of the camera frame: x to the right, y down, z along the optical axis; depth is z. A pixel's ray goes through its
centre, so the pixel in row v and column u of an h x w picture looks along ((u - cx) / f, (v - cy) / f, 1), with
cx = (w - 1) / 2 and cy = (h - 1) / 2 for a camera that looks straight ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from ..errors import DataError
from ..types import Episode


@dataclass(frozen=True)
class Pinhole:
    """An ideal camera."""

    focal: float
    """pixels, the same along both axes"""
    centre: tuple[float, float]
    """column and row that the optical axis meets, pixels; (0, 0) is the centre of the first pixel"""
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """metres, in the world"""
    rotation: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    """rows of the matrix that turns camera coordinates into the world's"""
    far: float = np.inf
    """metres; depth from here on means that there is nothing"""

    @classmethod
    def from_json(cls, said: Any) -> Pinhole:
        """Raises DataError naming the field that is missing or no number."""
        try:
            return cls(float(said["focal"]), (float(said["centre"][0]), float(said["centre"][1])),
                       _three(said["position"]), tuple(_three(row) for row in said["rotation"]), float(said["far"]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError("the camera's description is damaged", where="meta.modalities.depth.camera",
                            expected="focal, centre, position, rotation, far", got=f"{type(error).__name__}: {error}",
                            fix="collect the episode again with depth") from error


def _three(values: Any) -> tuple[float, float, float]:
    x, y, z = values
    return float(x), float(y), float(z)


def points(depth: Float[ndarray, "*any h w"], camera: Pinhole) -> Float64[ndarray, "*any h w 3"]:
    """Where each pixel's surface lies, in metres in the world; not a number where there is nothing."""
    height, width = depth.shape[-2:]
    column, row = np.meshgrid(np.arange(width) - camera.centre[0], np.arange(height) - camera.centre[1])
    ray = np.stack([column / camera.focal, row / camera.focal, np.ones_like(column)], -1)
    metres = np.where((depth > 0) & (depth < camera.far), depth, np.nan).astype(np.float64)
    return metres[..., None] * ray @ np.array(camera.rotation).T + np.array(camera.position)


def normals(depth: Float[ndarray, "*any h w"], camera: Pinhole) -> Float64[ndarray, "*any h w 3"]:
    """Unit normals of the surfaces, in the world, towards the camera; not a number where there is nothing or a pixel stands
    alone.

    Along each axis the difference to the nearer of the two neighbours in depth is taken, so that a normal at an edge
    belongs to the pixel's own surface and not to the jump.
    """
    place = points(depth, camera)
    down, right = (_slope(place, depth, axis) for axis in (-2, -1))
    across = np.cross(down, right)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = across / np.linalg.norm(across, axis=-1, keepdims=True)
    away = ((place - np.array(camera.position)) * unit).sum(-1, keepdims=True) > 0
    return np.where(away, -unit, unit)


def _slope(place: ndarray, depth: ndarray, axis: int) -> ndarray:
    """The change of `place` from one pixel to the next along an axis of the picture."""
    step, jump = np.diff(place, axis=axis - 1), np.abs(np.diff(depth.astype(np.float64), axis=axis))
    jump = np.where(np.isfinite(step).all(-1), jump, np.inf)
    edge = [(0, 0)] * depth.ndim
    before, after = list(edge), list(edge)
    before[axis], after[axis] = (1, 0), (0, 1)
    back, ahead = (np.pad(jump, side, constant_values=np.inf) for side in (before, after))
    step_back, step_ahead = (np.pad(step, [*side, (0, 0)], constant_values=np.nan) for side in (before, after))
    return np.where((ahead <= back)[..., None], step_ahead, step_back)


def camera_of(episode: Episode) -> Pinhole:
    """The camera that measured the episode's depth. Raises DataError if it has none."""
    said = episode.meta.get("modalities")
    if "depth" not in episode.modalities or not isinstance(said, Mapping) or not isinstance(said.get("depth"), Mapping):
        raise DataError("the episode has no depth", where=f"{episode.task}, field modalities/depth",
                        expected="depth and its camera", got=", ".join(episode.modalities) or "no modality",
                        fix="collect it with depth: wam collect TASK --with depth --out DIR")
    return Pinhole.from_json(said["depth"].get("camera"))


def episode_points(episode: Episode) -> Float64[ndarray, "T1 h w 3"]:
    """`points` of every observation of an episode. Raises DataError if it has no depth."""
    camera = camera_of(episode)
    return points(episode.modalities["depth"], camera)


def episode_normals(episode: Episode) -> Float64[ndarray, "T1 h w 3"]:
    """`normals` of every observation of an episode. Raises DataError if it has no depth."""
    camera = camera_of(episode)
    return normals(episode.modalities["depth"], camera)
