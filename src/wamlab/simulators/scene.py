"""A MuJoCo world as a camera sees it, before any picture is made: common to OpenGL and ray casting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, UInt8
from numpy import ndarray

from .backend import mujoco

SITE, GEOM = int(mujoco.mjtObj.mjOBJ_SITE), int(mujoco.mjtObj.mjOBJ_GEOM)


class Renderer(ABC):
    """Pictures of one model. Not shared between threads; `close()` it or use it in a `with` block."""

    def __init__(self, model: mujoco.MjModel):
        self.model = model
        self.scene = mujoco.MjvScene(model, maxgeom=model.ngeom + model.nsite + 100)
        self.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._option, self._perturb = mujoco.MjvOption(), mujoco.MjvPerturb()

    def update(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> None:
        """Take over the state of `data` as `camera` sees it; the pictures below are of this moment."""
        mujoco.mjv_updateScene(self.model, data, self._option, self._perturb, camera, mujoco.mjtCatBit.mjCAT_ALL, self.scene)

    def pinhole(self, size: tuple[int, int]) -> dict[str, Any]:
        """The camera of the last `update` as JSON values, in the convention of `data.geometry.Pinhole`."""
        left, right = self.scene.camera[0], self.scene.camera[1]
        forward, up = np.array(left.forward, np.float64), np.array(left.up, np.float64)
        axes = np.stack([np.cross(forward, up), -up, forward], axis=1)
        place = (np.array(left.pos, np.float64) + np.array(right.pos, np.float64)) / 2
        return {"focal": float(size[0] / 2 * left.frustum_near / left.frustum_top),
                "centre": [(size[1] - 1) / 2, (size[0] - 1) / 2], "position": place.tolist(), "rotation": axes.tolist(),
                "far": float(0.999 * self.model.vis.map.zfar * self.model.stat.extent)}

    @abstractmethod
    def repaint(self, tint: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
        """Take notice of colours that were changed in the model; `tint` is the light's colour where the model's own
        lights are not drawn."""

    @abstractmethod
    def rgb(self, size: tuple[int, int]) -> UInt8[ndarray, "h w 3"]: ...

    @abstractmethod
    def depth(self, size: tuple[int, int]) -> Float32[ndarray, "h w"]:
        """Metres along the optical axis; the far plane where there is nothing."""

    @abstractmethod
    def segmentation(self, size: tuple[int, int]) -> Int32[ndarray, "h w 2"]:
        """(object type, object id) per pixel in MuJoCo's numbers (GEOM or SITE), (-1, -1) where there is nothing."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def free_camera(lookat: tuple[float, float, float], distance: float, azimuth: float, elevation: float) -> mujoco.MjvCamera:
    """A camera that is not part of the model. Metres and degrees, MuJoCo's convention."""
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = lookat
    camera.distance, camera.azimuth, camera.elevation = distance, azimuth, elevation
    return camera


def fixed_camera(number: int) -> mujoco.MjvCamera:
    """A camera of the model."""
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
    camera.fixedcamid = number
    return camera
