"""Laws of physics as measures of how much a film breaks them: [C, K], NaN where a law is not asked.

`shown` is what is judged, `real` the true film of the same actions: it decides where a law is asked and in what unit. What
is told elsewhere is always the excess over the same measure of the true film itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from ....simulators.physics_scenes import GRAVITY, RADIUS
from .film import Film

Measure = Callable[[Film, Film], Float[ndarray, "C K"]]
TOUCH = 0.05
"""metres: a hand nearer than this to a ball may be in its way"""
SLACK = 1.25
"""how much faster than anything of its kind in truth a thing must be to count as teleporting"""
SPAN = 0.14
"""seconds over which an acceleration is told: an error of 5 mm is then one of about 1 m/s^2"""
OBEYED = 0.05
"""of g: truth itself keeps to free fall within this, else something was touched between two moments"""
STEADY = 0.02
"""m/s within which a speed is unchanged in truth"""
STILL = 0.005
"""metres within which a thing stands still in truth"""


def acceleration(values: Float[ndarray, "*batch T"], times: Float[ndarray, "T"],
                 asked: Bool[ndarray, "*batch T"]) -> Float[ndarray, "*batch"]:
    """Of the least-squares parabola through the moments that are asked; NaN with fewer than 3, or over less than SPAN."""
    design = np.stack([times**2 / 2, times, np.ones_like(times)], -1)
    weighted = asked[..., None] * design
    normal = np.swapaxes(weighted, -1, -2) @ design
    span = np.where(asked, times, -np.inf).max(-1) - np.where(asked, times, np.inf).min(-1)
    enough = (asked.sum(-1) >= 3) & (span >= SPAN)
    normal = np.where(enough[..., None, None], normal, np.eye(3))
    right = (weighted * values[..., None]).sum(-2)
    found = np.linalg.solve(normal, right[..., None])[..., 0, 0]
    return np.where(enough, found, np.nan)


def gravity(shown: Film, real: Film) -> ndarray:
    """|g^ - g| / g of what falls freely in truth."""
    name = real.scene.held
    free = ~real.held & (real.places[name][..., 1] > RADIUS + 0.005)
    first = free.argmax(-1)[..., None]
    free &= np.cumsum(~free & (np.arange(free.shape[-1]) > first), axis=-1) == 0  # until it lands, and no bounce
    true, ours = (np.abs(-acceleration(film.places[name][..., 1], film.times, free) - GRAVITY) / GRAVITY
                  for film in (real, shown))
    with np.errstate(invalid="ignore"):
        return np.where(true < OBEYED, ours, np.nan)


def hover(shown: Film, real: Film) -> ndarray:
    """1 where something falls by more than 3 cm in truth and by less than a quarter of that as shown."""
    name = real.scene.held
    fall, ours = (film.places[name][:, :, 0, 1] - film.places[name][:, :, -1, 1] for film in (real, shown))
    return np.where(~real.held[:, :, -1] & (fall > 0.03), ours < fall / 4, np.nan)


def incline(shown: Film, real: Film) -> ndarray:
    """|a^ - a| / a along the ramp, where the ball rolls down it in truth."""
    ball, hand = (real.places[name] for name in ("ball", "robot"))
    rolls = (np.linalg.norm(ball - hand, axis=-1) > TOUCH) & (ball[..., 1] > 2.2 * RADIUS)
    way = ball[:, :, -1] - ball[:, :, 0]
    unit = way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9)
    true, ours = (acceleration((film.places["ball"] * unit[:, :, None]).sum(-1), film.times, rolls) for film in (real, shown))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(true > 0.5, np.abs(ours - true) / true, np.nan)


def penetration(shown: Film, real: Film) -> ndarray:
    """Metres by which things are inside the floor or each other, at worst; having gone through each other counts whole."""
    names = [thing.name for thing in shown.scene.things]
    depth = [np.maximum(shown.floor(name) + RADIUS - shown.places[name][..., 1], 0).max(-1) for name in names]
    for one, other in combinations(names, 2):
        a, b = shown.places[one], shown.places[other]
        beside = np.abs(a[..., 1] - b[..., 1]) < RADIUS
        depth.append(np.where(beside, np.maximum(2 * RADIUS - np.abs(a[..., 0] - b[..., 0]), 0), 0).max(-1))
        side = np.sign(a[..., 0] - b[..., 0])
        through = (side[..., 1:] * side[..., :-1] < 0) & beside[..., 1:] & beside[..., :-1]
        depth.append(np.where(through.any(-1), 2 * RADIUS, 0.0))
    shape = shown.places[names[0]].shape[:2]
    return np.max([np.broadcast_to(one, shape) for one in depth], axis=0)


def momentum(shown: Film, real: Film) -> ndarray:
    """Largest difference (m/s) from the speed that a slippery thing has and keeps in truth, since nothing touches it."""
    worst: list[ndarray] = []
    for thing in shown.scene.things:
        if not thing.friction:
            true, ours = (film.speeds(thing.name) for film in (real, shown))
            change, error = (np.linalg.norm(speed - true[:, :, :1], axis=-1) for speed in (true, ours))
            kept = np.cumprod(change < STEADY, axis=-1).astype(bool)
            worst.append(np.where(kept[..., 1:].any(-1), np.where(kept, error, 0).max(-1), np.nan))
    return _largest(worst)


def onset(shown: Film, real: Film) -> ndarray:
    """Metres that things move while they stand still and untouched in truth."""
    worst: list[ndarray] = []
    for thing in shown.scene.things:
        if thing.name != shown.scene.held:
            still, ours = (np.linalg.norm(film.places[thing.name] - film.places[thing.name][:, :, :1], axis=-1)[..., 1:]
                           for film in (real, shown))
            before = np.cumprod(still < STILL, axis=-1).astype(bool)
            worst.append(np.where(before.any(-1), np.where(before, ours, 0).max(-1), np.nan))
    return _largest(worst)


def reaction(shown: Film, real: Film) -> ndarray:
    """Share of things that move by more than 2 cm in truth and by less than a quarter of that as shown."""
    names = [thing.name for thing in shown.scene.things if thing.name != shown.scene.held]
    true, ours = (np.stack([np.linalg.norm(film.places[name] - film.places[name][:, :, :1], axis=-1).max(-1) for name in names])
                  for film in (real, shown))
    asked = true > 0.02
    return np.where(asked.any(0), (asked & (ours < true / 4)).sum(0) / np.maximum(asked.sum(0), 1), np.nan)


def material(shown: Film, real: Film) -> ndarray:
    """1 where the twin that must go further does not go so by a quarter of the true difference."""
    twins = real.scene.twins
    assert twins is not None
    more, less = ({name: np.abs(film.places[name][:, :, -1, 0] - film.places[name][:, :, 0, 0]) for name in twins}
                  for film in (real, shown))
    true, ours = (way[twins[0]] - way[twins[1]] for way in (more, less))
    return np.where(true > 0.02, ours < true / 4, np.nan)


def teleport(shown: Film, real: Film) -> ndarray:
    """1 where anything is faster between two moments than its kind ever is in truth."""
    broken = np.zeros(shown.held.shape[:2], bool)
    for name in shown.places:
        speed, limit = (np.linalg.norm(film.speeds(name), axis=-1) for film in (shown, real))
        broken |= (speed > SLACK * limit.max() + 0.1).any(-1)
    return broken.astype(np.float64)


def _largest(values: list[ndarray]) -> ndarray:
    """The largest of several, without those that are NaN."""
    stacked = np.stack(values)
    return np.where(np.isnan(stacked).all(0), np.nan, np.nanmax(np.where(np.isnan(stacked), -np.inf, stacked), axis=0))


@dataclass(frozen=True)
class Law:
    """A law and the scenes in which it is asked."""

    measure: Measure
    scenes: tuple[str, ...]
    unit: str
    meaning: str


SLIDING = ("collision", "mass", "occlusion")
PUSHED = (*SLIDING, "friction")
LAWS: Mapping[str, Law] = {
    "gravity": Law(gravity, ("drop",), "of g", "error of the acceleration of what falls freely"),
    "hover": Law(hover, ("drop",), "share", "share of things without support that do not fall"),
    "incline": Law(incline, ("ramp",), "of a", "error of the acceleration of what rolls down the ramp"),
    "penetration": Law(penetration, ("drop", "ramp", *PUSHED), "m", "how deep things are inside each other or the floor"),
    "momentum": Law(momentum, SLIDING, "m/s", "change of speed of what touches nothing and slides without friction"),
    "onset": Law(onset, PUSHED, "m", "motion before anything touches it"),
    "reaction": Law(reaction, ("ramp", *PUSHED), "share", "share of things that are set in motion in truth and not here"),
    "material": Law(material, ("friction", "mass"), "share", "share of twins that answer the same push in the wrong order"),
    "teleport": Law(teleport, ("drop", "ramp", *PUSHED), "share", "share of futures with something faster than possible"),
}
