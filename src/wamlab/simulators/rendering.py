"""Fast pictures of a MuJoCo world on a CPU: shadows, multisampling and reflections off, an off-screen buffer of the
picture's size, simplified meshes. Measured 46 times faster than MuJoCo's defaults at 64x64 pixels
(`docs/results/rendering.json`). Without OpenGL the same class of pictures comes from `raycast.py`.
"""

from __future__ import annotations

import copy
import functools
import hashlib

import numpy as np
from jaxtyping import Float32, Int32, UInt8
from numpy import ndarray

from . import backend
from .backend import mujoco
from .decimation import CELL, decimated
from .raycast import RaycastRenderer
from .scene import Renderer, free_camera


class OpenGLRenderer(Renderer):
    """Off-screen OpenGL. Several may live in one process: each makes its context current before it touches it,
    for a context that is used or freed while another is current corrupts the other's frames without an error."""

    def __init__(self, model: mujoco.MjModel, size: tuple[int, int] = (64, 64), *, cell: float | None = CELL):
        super().__init__(model)
        light = decimated(model, cell) if cell else copy.copy(model)
        light.vis.quality.shadowsize = light.vis.quality.offsamples = 0
        light.vis.global_.offheight, light.vis.global_.offwidth = size
        self._size = size
        self._context = backend.GLContext(size[1], size[0])
        self._context.make_current()
        self._mjr = mujoco.MjrContext(light, mujoco.mjtFontScale.mjFONTSCALE_100)
        self._mjr.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._closed = False

    def repaint(self, tint: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
        """Nothing to do: the scene takes colours and lights from the model at each `update`."""

    def _draw(self, size: tuple[int, int], colour: bool = True, depth: bool = False) -> tuple[ndarray | None, ndarray | None]:
        self._context.make_current()
        if size != self._size:
            mujoco.mjr_resizeOffscreen(size[1], size[0], self._mjr)
            self._size = size
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._mjr)
        area = mujoco.MjrRect(0, 0, size[1], size[0])
        mujoco.mjr_render(area, self.scene, self._mjr)
        picture = np.empty((*size, 3), np.uint8) if colour else None
        distance = np.empty(size, np.float32) if depth else None
        mujoco.mjr_readPixels(picture, distance, area, self._mjr)
        return picture, distance

    def rgb(self, size: tuple[int, int]) -> UInt8[ndarray, "h w 3"]:
        picture, _ = self._draw(size)
        assert picture is not None
        return np.ascontiguousarray(picture[::-1])  # OpenGL counts rows from below

    def depth(self, size: tuple[int, int]) -> Float32[ndarray, "h w"]:
        _, buffer = self._draw(size, colour=False, depth=True)
        assert buffer is not None
        near, far = (plane * self.model.stat.extent for plane in (self.model.vis.map.znear, self.model.vis.map.zfar))
        # the buffer is linear in 1/distance: 1 at the near plane, 0 at the far one
        return (1 / (buffer[::-1].astype(np.float64) * (1 / near - 1 / far) + 1 / far)).astype(np.float32)

    def segmentation(self, size: tuple[int, int]) -> Int32[ndarray, "h w 2"]:
        flags = self.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
        picture, _ = self._draw(size)
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 0
        assert picture is not None
        number = picture[::-1].astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)  # 0: nothing
        table = np.full((self.scene.ngeom + 1, 2), -1, np.int32)
        for geom in self.scene.geoms[:self.scene.ngeom]:
            table[geom.segid + 1] = geom.objtype, geom.objid
        return table[number]

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._context.make_current()
            self._mjr.free()
            self._context.free()


def open_renderer(model: mujoco.MjModel, size: tuple[int, int] = (64, 64)) -> Renderer:
    """The fast renderer, or the ray-cast camera on a machine without OpenGL (announced once)."""
    if backend.BACKEND == "raycast":
        return RaycastRenderer(model)
    try:
        return OpenGLRenderer(model, size)
    except (RuntimeError, OSError, AttributeError, mujoco.FatalError) as error:
        backend.BACKEND = "raycast"  # for the whole process: one backend, one fingerprint
        backend.announce_no_opengl(str(error))
        return RaycastRenderer(model)


_CANONICAL = """<mujoco><asset>
<texture name="t" type="2d" builtin="checker" rgb1=".2 .3 .4" rgb2=".8 .8 .7" width="64" height="64"/>
<material name="m" texture="t" texrepeat="4 4"/></asset><worldbody><light pos="0 -1 2" dir="0 .4 -1"/>
<geom type="plane" size="1 1 .1" material="m"/><geom type="box" pos=".2 0 .1" size=".1 .1 .1" euler="0 0 30" rgba=".8 .2 .1 1"/>
<geom type="capsule" pos="-.2 0 .2" size=".06 .12" euler="40 10 0" rgba=".1 .4 .8 1"/>
<site type="sphere" pos="0 -.2 .1" size=".05" rgba=".1 .9 .2 1"/></worldbody></mujoco>"""


@functools.cache
def fingerprint() -> str:
    """Backend and the first 8 hexadecimal digits of the SHA-256 of a canonical frame; the same in every process on a
    machine. Frames with different fingerprints differ in their pixels and are not to be mixed."""
    model = mujoco.MjModel.from_xml_string(_CANONICAL)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with open_renderer(model) as renderer:
        renderer.update(data, free_camera((0, 0, 0.1), 1.0, 120, -35))
        frame = renderer.rgb((64, 64))
    return f"{backend.BACKEND}-{hashlib.sha256(frame.tobytes()).hexdigest()[:8]}"
