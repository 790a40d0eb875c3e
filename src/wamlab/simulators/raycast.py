"""A camera without OpenGL, on MuJoCo's own ray casting (`mj_multiRay`): flat colours, one head light, no textures.

Two to three times slower than the OpenGL pictures at 64x64. Sites (goal markers) are no physical geometry, so rays are
intersected with them here, as ellipsoids of the site's size.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32, UInt8
from numpy import ndarray

from .backend import mujoco
from .scene import GEOM, SITE, Renderer

_NO_COLOUR = (0.5, 0.5, 0.5, 1.0)
"""what MuJoCo gives a geom that names no colour"""
_SKY = np.array([0.45, 0.5, 0.55])


def geom_colours(model: mujoco.MjModel) -> ndarray:
    """One RGB in [0, 1] per geom [G, 3]: its own or its material's, times the mean of the material's texture."""
    colour = model.geom_rgba[:, :3].astype(np.float64)
    for geom, material in enumerate(model.geom_matid):
        if material < 0:
            continue
        if np.allclose(model.geom_rgba[geom], _NO_COLOUR):  # a geom's own colour goes before its material's
            colour[geom] = model.mat_rgba[material, :3]
        for texture in [t for t in np.ravel(model.mat_texid[material]) if t >= 0][:1]:
            channels, begin = model.tex_nchannel[texture], model.tex_adr[texture]
            pixels = model.tex_data[begin:begin + model.tex_height[texture] * model.tex_width[texture] * channels]
            colour[geom] *= pixels.reshape(-1, channels)[:, :3].mean(0) / 255
    return colour


class RaycastRenderer(Renderer):
    """The same pictures as `OpenGLRenderer`, in plainer colours, on any machine."""

    def __init__(self, model: mujoco.MjModel):
        super().__init__(model)
        self.repaint()
        self._groups = np.array([1, 1, 1, 0, 0, 0], np.uint8)  # what MuJoCo shows by default
        self._data: mujoco.MjData | None = None

    def repaint(self, tint: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
        self._colours = geom_colours(self.model) * np.array(tint)

    def update(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> None:
        super().update(data, camera)
        self._data = data

    def _cast(self, size: tuple[int, int]) -> tuple[ndarray, ndarray, ndarray, ndarray]:
        """Legend: n = h * w rays. Returns (direction [n, 3], cosine to the optical axis [n], geom hit or -1 [n],
        distance in metres [n])."""
        height, width = size
        view = self.scene.camera[0]
        forward, up = np.array(view.forward, np.float64), np.array(view.up, np.float64)
        right = np.cross(forward, up)
        tangent = view.frustum_top / view.frustum_near
        x = ((np.arange(width) + 0.5) / width * 2 - 1) * tangent * width / height
        y = (1 - (np.arange(height) + 0.5) / height * 2) * tangent
        ray = forward + y[:, None, None] * up + x[None, :, None] * right
        ray = ray.reshape(-1, 3)
        cosine = 1 / np.linalg.norm(ray, axis=1)
        ray = np.ascontiguousarray(ray * cosine[:, None])
        count = len(ray)
        geom, distance = np.empty(count, np.int32), np.empty(count)
        mujoco.mj_multiRay(self.model, self._data, self._eye(), ray.ravel(), self._groups, 1, -1, geom, distance,
                           count, mujoco.mjMAXVAL)
        return ray, cosine, geom, np.where(geom >= 0, distance, np.inf)

    def _eye(self) -> ndarray:
        """Midpoint of the scene's two eyes, metres."""
        return (np.array(self.scene.camera[0].pos, np.float64) + np.array(self.scene.camera[1].pos, np.float64)) / 2

    def _sites(self, ray: ndarray, distance: ndarray) -> list[tuple[int, ndarray, ndarray, ndarray]]:
        """Visible ellipsoids in front of `distance`: (site id, rgba [4], rays that hit [n] bool, their distance [n]),
        the farthest first."""
        hits = []
        for geom in self.scene.geoms[:self.scene.ngeom]:
            if geom.objtype != SITE or geom.rgba[3] == 0:
                continue
            inverse = np.array(geom.mat, np.float64).reshape(3, 3) / np.maximum(geom.size, 1e-6)
            origin, direction = (self._eye() - geom.pos) @ inverse, ray @ inverse
            # |origin + t direction| = 1
            a, b, c = (direction**2).sum(1), direction @ origin, origin @ origin - 1
            root = b * b - a * c
            t = (-b - np.sqrt(np.maximum(root, 0))) / a
            seen = (root > 0) & (t > 0) & (t < distance)
            if seen.any():
                hits.append((int(geom.objid), np.array(geom.rgba), seen, t))
        return sorted(hits, key=lambda hit: -float(hit[3][hit[2]].min()))

    def rgb(self, size: tuple[int, int]) -> UInt8[ndarray, "h w 3"]:
        ray, _, geom, distance = self._cast(size)
        light = np.abs((self._normals(ray, geom, distance, size) * ray).sum(1))
        picture = np.where((geom >= 0)[:, None], self._colours[geom] * (0.35 + 0.65 * light)[:, None], _SKY)
        for _, rgba, seen, _ in self._sites(ray, distance):
            picture[seen] += rgba[3] * (rgba[:3] - picture[seen])
        return (np.clip(picture, 0, 1) * 255).astype(np.uint8).reshape(*size, 3)

    @staticmethod
    def _normals(ray: ndarray, geom: ndarray, distance: ndarray, size: tuple[int, int]) -> ndarray:
        """Unit normals [n, 3] from the differences of neighbouring hits on the same geom."""
        point = (ray * np.where(np.isfinite(distance), distance, 0)[:, None]).reshape(*size, 3)
        geom = geom.reshape(size)

        def along(axis: int) -> ndarray:
            same = (np.diff(geom, axis=axis) == 0)[..., None]
            step = np.where(same, np.diff(point, axis=axis), 0)
            before = np.concatenate([np.zeros_like(point.take([0], axis)), step], axis)
            after = np.concatenate([step, np.zeros_like(point.take([0], axis))], axis)
            return np.where(np.abs(after).sum(-1, keepdims=True) > 0, after, before)

        normal = np.cross(along(1), along(0)).reshape(-1, 3)
        return normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12)

    def depth(self, size: tuple[int, int]) -> Float32[ndarray, "h w"]:
        ray, cosine, _, distance = self._cast(size)
        for _, _, seen, t in self._sites(ray, distance):
            distance = np.where(seen, np.minimum(distance, t), distance)
        far = self.model.vis.map.zfar * self.model.stat.extent
        return np.minimum(distance * cosine, far).astype(np.float32).reshape(size)

    def segmentation(self, size: tuple[int, int]) -> Int32[ndarray, "h w 2"]:
        ray, _, geom, distance = self._cast(size)
        found = np.stack([np.where(geom >= 0, GEOM, -1), geom], axis=1).astype(np.int32)
        for number, _, seen, _ in self._sites(ray, distance):
            found[seen] = SITE, number
        return found.reshape(*size, 2)

    def close(self) -> None:
        self._data = None
