"""PushWorld's pictures: circles on a table seen from above, without any graphics library."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
from numpy import ndarray

TABLE = np.array([188, 176, 158], np.float32)
WALL = np.array([92, 92, 100], np.float32)
COLOURS = np.array([[40, 60, 210], [215, 45, 40], [240, 200, 60], [40, 170, 70]], np.float32)
"""tip blue, disc red, bystander yellow, goal ring green"""
HAND = np.array([122, 72, 50], np.float32)
"""the other body: brown, a square hand on an arm that comes from the table's lower edge"""
ZOOM = 2.5
"""times that the camera at the tip magnifies"""
HEIGHT = 1.0
"""of the camera above the table, in table widths; discs are flat"""


@functools.cache
def _grid(size: tuple[int, int]) -> tuple[ndarray, ndarray]:
    """Centres of the pixels in table widths, x to the right and y upwards."""
    return ((np.arange(size[1]) + 0.5) / size[1])[None, :], (1 - (np.arange(size[0]) + 0.5) / size[0])[:, None]


def near(places: ndarray, radii: tuple[float, float, float, float], wall: tuple[float, float, float, float] | None) \
        -> tuple[ndarray, tuple[float, float, float, float], tuple[float, float, float, float] | None]:
    """The same places, radii and wall as a camera at the tip sees them."""
    tip = places[0]
    if wall is not None:
        left, low, right, high = ((edge - tip[i % 2]) * ZOOM + 0.5 for i, edge in enumerate(wall))
        wall = float(left), float(low), float(right), float(high)
    return (places - tip) * ZOOM + 0.5, (ZOOM * radii[0], ZOOM * radii[1], ZOOM * radii[2], ZOOM * radii[3]), wall


def draw(places: ndarray, radii: tuple[float, ...], wall: tuple[float, float, float, float] | None,
         size: tuple[int, int], modality: str = "rgb", hand: bool = False) -> ndarray:
    """The world from above.

    Args:
        places: [4, 2] tip, disc, bystander, goal. radii: four. size: height, width.
        hand: the tip is the other body's.

    Returns:
        rgb: uint8 [h, w, 3] with edges blended over one pixel; segmentation: int32 [h, w], number of the place or
        -1; depth: float32 [h, w], the camera's constant height.
    """
    if modality == "depth":
        return np.full(size, HEIGHT, np.float32)
    x, y = _grid(size)
    pixel = 1 / min(size)
    order = (3, 2, 1, 0)  # the goal lies lowest, the tip is on top
    distance = {k: np.sqrt((x - places[k, 0]) ** 2 + (y - places[k, 1]) ** 2) - radii[k] for k in order}
    distance[3] = np.abs(distance[3]) - 0.012  # a ring
    if hand:
        across, along = np.abs(x - places[0, 0]), y - places[0, 1]
        palm = np.maximum(across, np.abs(along)) - 0.95 * radii[0]
        distance[0] = np.minimum(palm, np.maximum(across - 0.5 * radii[0], along))
    colours = COLOURS if not hand else np.stack([HAND, *COLOURS[1:]])
    if modality == "segmentation":
        number = np.full(size, -1, np.int32)
        for k in order:
            number[distance[k] < 0] = k
        return number
    picture = np.broadcast_to(TABLE, (*size, 3)).copy()
    if wall is not None:
        picture[(x > wall[0]) & (x < wall[2]) & (y > wall[1]) & (y < wall[3])] = WALL
    for k in order:
        cover = np.clip(0.5 - distance[k] / pixel, 0, 1).astype(np.float32)[..., None]
        picture += cover * (colours[k] - picture)
    return (picture + 0.5).astype(np.uint8)


@functools.cache
def fingerprint() -> str:
    """As `rendering.fingerprint`, for these pictures."""
    places = np.array([[0.3, 0.3], [0.5, 0.55], [0.75, 0.3], [0.4, 0.8]])
    frame = draw(places, (0.035, 0.065, 0.065, 0.05), None, (64, 64))
    return f"numpy-{hashlib.sha256(frame.tobytes()).hexdigest()[:8]}"
