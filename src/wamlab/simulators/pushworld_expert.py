"""PushWorld's scripted expert: goes round the disc to the side away from the marker, then pushes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64
from numpy import ndarray

from .pushworld_law import DISC, GOAL, STEP, TIP, Wall

BEHIND = 0.015
"""beyond touching: distance between the discs' edges at which a push begins"""
_CLEAR = 0.01
"""beyond touching: distance from a disc's edge at which the tip passes it"""
_RING = 12


@lru_cache(maxsize=4)
def _circle(radius: float) -> Float64[ndarray, "12 2"]:
    """Way points round a disc: the straight line between neighbours keeps the distance."""
    angles = np.linspace(0, 2 * np.pi, _RING, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], 1) * ((radius + DISC + _CLEAR) / np.cos(np.pi / _RING) + 0.002)


def expert_action(places: Float64[ndarray, "4 2"], wall: Wall | None, radius: float = TIP) -> Float32[ndarray, "2"]:
    """The next action of a tip of that radius, within [-1, 1]. It has no memory."""
    tip, disc, bystander, goal = places
    touch = radius + DISC
    if np.linalg.norm(goal - disc) < 0.6 * GOAL:
        return np.zeros(2, np.float32)
    if wall is not None and crosses(disc, goal, wall, DISC):
        goal = _over(disc, goal, wall)
    way = (goal - disc) / (np.linalg.norm(goal - disc) + 1e-9)
    line = tip - disc
    aside = line - (line @ way) * way
    if line @ way < -0.6 * touch and np.linalg.norm(aside) < 0.03:  # behind the disc: push, and correct sideways
        target = tip + way * min(STEP, float(np.linalg.norm(goal - disc)) + 0.01) - 1.5 * aside
    else:
        begin = np.clip(disc - way * (touch + BEHIND), radius, 1 - radius)
        target = next_point(tip, begin, np.stack([disc, bystander]), wall, radius)
    move = (target - tip) / STEP
    return (move / max(1.0, float(np.abs(move).max()))).astype(np.float32)


def crosses(start: Float[ndarray, "*n 2"], end: Float[ndarray, "*n 2"], wall: Wall, radius: float) -> Bool[ndarray, "*n"]:
    """Whether a circle of that radius meets the wall on the straight way."""
    way = start + np.linspace(0, 1, 25)[:, *[None] * start.ndim] * (end - start)
    x, y = way[..., 0], way[..., 1]
    return np.asarray(((x > wall[0] - radius) & (x < wall[2] + radius) & (y < wall[3] + radius)).any(0))


def _over(start: ndarray, end: ndarray, wall: Wall) -> ndarray:
    """Where the disc goes first to get over the wall: above the corner on this side, then above the other one."""
    left, right, above = wall[0] - DISC - 0.02, wall[2] + DISC + 0.02, wall[3] + DISC + 0.03
    near, far = (left, right) if start[0] < end[0] else (right, left)
    return np.array([far if start[1] > wall[3] + DISC - 1e-6 else near, above])


def next_point(start: ndarray, end: ndarray, centres: Float[ndarray, "n 2"], wall: Wall | None,
               radius: float = TIP) -> Float[ndarray, "2"]:
    """The first point of the shortest way of a tip from `start` to `end` past discs and wall, over way points round them;
    `end` itself if there is no way."""
    points = [start[None], end[None], *(centre + _circle(radius) for centre in centres)]
    if wall is not None:
        room = radius + 0.01
        points.append(np.array([[wall[0] - room, wall[3] + room], [wall[2] + room, wall[3] + room]]))
    point = np.concatenate(points)
    point = point[((point >= radius - 1e-6) & (point <= 1 - radius + 1e-6)).all(1)]
    here, there = point[:, None], point[None]
    cost = np.linalg.norm(there - here, axis=-1)
    for centre in centres:
        along = ((centre - here) * (there - here)).sum(-1) / (cost**2 + 1e-12)
        near = here + np.clip(along, 0, 1)[..., None] * (there - here)
        # whoever is closer than that already may leave, but not come closer
        keep = np.minimum(radius + DISC + _CLEAR, np.linalg.norm(here - centre, axis=-1)) - 1e-3
        cost = np.where(np.linalg.norm(near - centre, axis=-1) < keep, np.inf, cost)
    if wall is not None:
        begin, finish = np.broadcast_arrays(here, there)
        cost = np.where(crosses(begin, finish, wall, radius - 1e-3), np.inf, cost)
    left = np.where(np.arange(len(point)) == 1, 0.0, np.inf)  # way left from each point to the end
    for _ in range(10):
        left = np.minimum(left, (cost + left).min(1))
    total = cost[0] + left
    total[0] = np.inf
    best = int(total.argmin())
    return point[best] if np.isfinite(total[best]) else end
