"""The physics of PushWorld.

It is quasi-static: nothing moves unless it is pushed, and it stops at once. A control step moves the tip by
STEP * action in `SUBSTEPS` equal parts; in each part, whatever the tip has penetrated is moved out along the line of
centres until it just touches:

    disc += max(0, R_tip + R_disc - |disc - tip|) * (disc - tip) / |disc - tip|

The same law holds between the discs: a pushed disc pushes the bystander. Nothing leaves the table, and the
wall, if there is one, stops discs and tip. Lengths are in table widths: the table is [0, 1] x [0, 1].
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

Wall = tuple[float, float, float, float]
"""left, low, right, high"""

STEP, SUBSTEPS = 0.04, 4
TIP, DISC, GOAL = 0.035, 0.065, 0.05
"""radii; a scene is solved when the disc's centre is within GOAL of the marker's"""
HAND = 0.05
"""radius of the other body's tip"""
WALL: Wall = (0.44, 0.0, 0.56, 0.3)


def advance(places: Float64[ndarray, "4 2"], moved: ndarray, wall: Wall | None,
            radius: float = TIP) -> Float64[ndarray, "4 2"]:
    """The places (tip, disc, bystander, goal) after one control step that moves the tip, of that radius, by `moved`."""
    tip, disc, bystander, goal = places
    for _ in range(SUBSTEPS):
        tip = bounded(tip + moved / SUBSTEPS, radius, wall)
        disc = bounded(pushed(disc, tip, radius + DISC), DISC, wall)
        bystander = bounded(pushed(bystander, tip, radius + DISC), DISC, wall)
        bystander = bounded(pushed(bystander, disc, 2 * DISC), DISC, wall)
        disc = bounded(pushed(disc, bystander, 2 * DISC), DISC, wall)  # a bystander at the edge does not give way
        tip = bounded(pushed(pushed(tip, disc, radius + DISC), bystander, radius + DISC), radius, wall)  # nor does a disc
    return np.stack([tip, disc, bystander, goal])


def bounded(place: ndarray, radius: float, wall: Wall | None) -> ndarray:
    """The nearest place on the table and off the wall for a circle of that radius."""
    place = np.clip(place, radius, 1 - radius)
    return place if wall is None else outside(place, radius, wall)


def pushed(place: ndarray, by: ndarray, touching: float) -> ndarray:
    """Where something at `place` is after `by` has moved into it: out along the line of centres until they touch."""
    line = place - by
    distance = float(np.sqrt(line @ line))
    if distance >= touching:
        return place
    return by + line * (touching / distance) if distance > 1e-9 else by + np.array([touching, 0.0])


def outside(place: ndarray, radius: float, wall: Wall) -> ndarray:
    """`place` moved off the wall through its nearest face, if a circle of that radius overlaps it. The wall stands
    on the table's lower edge, so there is no way out below."""
    left, _, right, high = wall
    ways = (place[0] - left + radius, right + radius - place[0], high + radius - place[1])
    if min(ways) <= 0:
        return place
    face = ways.index(min(ways))
    return np.array([(left - radius, right + radius, place[0])[face], high + radius if face == 2 else place[1]])
