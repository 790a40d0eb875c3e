"""Scenes in which one law of physics decides what happens next; seen from the side. What `physics.py` puts up.

Everything moves in the plane of x (to the right) and z (up), metres; y points away from the camera. Laws that matter:
bodies fall with `GRAVITY`; balls marked slippery feel no friction, so nothing but a contact changes their speed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray

GRAVITY = 9.81
"""m/s^2"""
STEP = 0.015
"""metres that the hand's target moves per control step at full action"""
RADIUS = 0.03
"""of every ball, and half the width of every block"""
END = 0.30
"""x beyond which nothing gets: end stops stand there"""
SHELF = 0.20
"""height of the upper lane of scenes with two lanes"""
HOLD = 0.05
"""a held ball hangs this far below the hand"""
RED, BLUE, ORANGE = (0.85, 0.10, 0.08), (0.08, 0.22, 0.85), (0.95, 0.60, 0.05)
GREEN, HAND, GREY = (0.08, 0.65, 0.18), (0.12, 0.12, 0.14), (0.62, 0.62, 0.66)

Places = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Thing:
    """A body that moves freely in the plane."""

    name: str
    colour: tuple[float, float, float]
    mass: float
    """kg"""
    shape: str = "ball"
    """ball or block"""
    friction: float = 0.0
    """0: slippery, nothing but contacts along their normal changes its motion"""


@dataclass(frozen=True)
class Scene:
    """One scene: what is there, where it may stand, what is to be done."""

    instruction: str
    things: tuple[Thing, ...]
    """the first is the one that is to reach the marker"""
    place: Callable[[np.random.Generator], Places]
    """where everything starts: "hand", "goal", every thing, and "ramp": (x of its foot, tilt in radians), "screen" """
    reach: tuple[tuple[float, float], tuple[float, float]]
    """limits of the hand in x and z"""
    hand: str
    """the hand's geoms, MJCF"""
    expert: Callable[[Mapping[str, ndarray], Places], tuple[float, float, float]]
    """(truth, starting places) to (way in x, way in z in metres, grip)"""
    held: str = ""
    """the thing that the hand holds until it opens"""
    lanes: bool = False
    twins: tuple[str, str] | None = None
    """two things that differ in one property only: the first responds more to the same push"""
    extras: tuple[str, ...] = field(default=())
    """further scenery: "ramp", "screen" """


def _side(generator: np.random.Generator) -> float:
    return float(generator.choice([-1.0, 1.0]))


def _paddle(z: float = 0.0, high: float = 0.035) -> str:
    return f'<geom type="box" size=".008 .03 {high}" pos="0 0 {z}" class="hand"/>'


def _drop(g: np.random.Generator) -> Places:
    x, z = g.uniform(-0.2, 0.2), g.uniform(0.36, 0.42)
    goal = x
    while abs(goal - x) < 0.08:
        goal = g.uniform(-0.22, 0.22)
    return {"hand": (x, z), "ball": (x, z - HOLD), "goal": (goal, 0.004)}


def _drop_expert(truth: Mapping[str, ndarray], start: Places) -> tuple[float, float, float]:
    """Slower the nearer, so that what is let go falls straight down."""
    way = truth["goal"][0] - truth["robot"][0]
    return 0.25 * way, 0.0, 1.0 if abs(way) > 0.004 and truth["robot"][2] else -1.0


def on_ramp(foot: float, tilt: float, along: float, off: float) -> tuple[float, float]:
    """The point `along` metres up a ramp and `off` above it; tilt > 0 rises to the right, < 0 to the left."""
    side = np.sign(tilt)
    x, z = side * along * np.cos(tilt) - off * np.sin(tilt), along * abs(np.sin(tilt)) + off * np.cos(tilt)
    return float(foot + x), float(z)


def _ramp(g: np.random.Generator) -> Places:
    side, tilt = _side(g), g.uniform(0.35, 0.6)
    foot, along = -side * g.uniform(0.04, 0.10), g.uniform(0.22, 0.28)
    tilt *= side
    ball = on_ramp(foot, tilt, along, RADIUS)
    hand = on_ramp(foot, tilt, along - RADIUS - 0.0175, RADIUS)
    return {"hand": hand, "ball": ball, "goal": (-side * g.uniform(0.18, 0.26), 0.004), "ramp": (foot, tilt)}


def _ramp_expert(truth: Mapping[str, ndarray], start: Places) -> tuple[float, float, float]:
    """Along the ball's face, off the ramp."""
    tilt = start["ramp"][1]
    far = 0.0 if np.hypot(*(truth["robot"][:2] - start["hand"])) > 0.1 else 0.1
    return -np.sin(tilt) * far, np.cos(tilt) * far, 1.0


def _row(g: np.random.Generator, *spots: tuple[str, float, float], z: float = RADIUS) -> Places:
    """The hand at one side and things in a row beside it: (name, nearest, furthest) from the hand's end stop."""
    side = _side(g)
    return {name: (-side * (END - g.uniform(low, high)), 0.004 if name == "goal" else z) for name, low, high in spots}


def _collision(g: np.random.Generator) -> Places:
    return _row(g, ("hand", 0.02, 0.05), ("ball", 0.32, 0.40), ("cue", 0.11, 0.18), ("goal", 0.48, 0.54))


def _occlusion(g: np.random.Generator) -> Places:
    return _row(g, ("hand", 0.02, 0.05), ("ball", 0.10, 0.13), ("screen", 0.27, 0.35), ("goal", 0.50, 0.56))


def _push(until: float) -> Callable[[Mapping[str, ndarray], Places], tuple[float, float, float]]:
    """Towards the marker at full speed until the hand is `until` metres from where it started, then still."""
    def expert(truth: Mapping[str, ndarray], start: Places) -> tuple[float, float, float]:
        side = np.sign(start["goal"][0] - start["hand"][0])
        done = (truth["robot"][0] - start["hand"][0]) * side
        return side * max(until - done, 0.0), 0.0, 1.0
    return expert


def _lanes(g: np.random.Generator, names: tuple[str, str], before: tuple[str, str] | None = None) -> Places:
    """Twins on two lanes, which of them is on top drawn; `before`: what stands between the hand and them."""
    side, top = _side(g), int(g.integers(2))
    hand = END - g.uniform(0.02, 0.05)
    first = hand - (0.06 if before else g.uniform(0.05, 0.10))
    heights = (SHELF + RADIUS, RADIUS) if top == 0 else (RADIUS, SHELF + RADIUS)
    found = {"hand": (-side * hand, RADIUS)}
    for name, z in zip(names, heights, strict=True):
        found[name] = (-side * (first - (0.10 if before else 0.0)), z)
    for name, z in zip(before or (), heights, strict=False):
        found[name] = (-side * first, z)
    return found | {"goal": (side * g.uniform(0.12, 0.20), heights[0] - RADIUS + 0.004)}


_FORK = _paddle() + _paddle(SHELF) + f'<geom type="box" size=".008 .004 {SHELF / 2}" pos="0 .035 {SHELF / 2}" class="look"/>'
_ON_FLOOR = ((-0.29, 0.29), (RADIUS + 0.005, RADIUS + 0.03))
_EITHER = ((-0.29, 0.29), (RADIUS, RADIUS + 0.01))
SCENES: dict[str, Scene] = {
    "drop": Scene(
        "drop the red ball onto the green marker", (Thing("ball", RED, 0.1, friction=0.5),), _drop,
        ((-0.26, 0.26), (0.3, 0.44)),
        '<geom type="box" size=".025 .025 .015" class="hand"/>', _drop_expert, held="ball"),
    "ramp": Scene(
        "let the red ball roll down onto the green marker", (Thing("ball", RED, 0.1, friction=1.0),), _ramp,
        ((-0.29, 0.29), (0.03, 0.4)), '<geom type="sphere" size=".0175" class="hand"/>', _ramp_expert, extras=("ramp",)),
    "collision": Scene(
        "knock the blue ball over the green marker with the red one",
        (Thing("ball", BLUE, 0.1), Thing("cue", RED, 0.1)), _collision, _ON_FLOOR, _paddle(), _push(0.16)),
    "friction": Scene(
        "push both blocks so that the blue one slides over the green marker",
        (Thing("slippery", BLUE, 0.2, "block", 0.1), Thing("rough", ORANGE, 0.2, "block", 0.6)),
        lambda g: _lanes(g, ("slippery", "rough")), _EITHER, _FORK, _push(0.24), lanes=True,
        twins=("slippery", "rough")),
    "mass": Scene(
        "push both grey balls so that the blue one is knocked over the green marker",
        (Thing("light", BLUE, 0.05), Thing("heavy", ORANGE, 0.6), Thing("first", GREY, 0.1), Thing("second", GREY, 0.1)),
        lambda g: _lanes(g, ("light", "heavy"), ("first", "second")), _EITHER, _FORK, _push(0.05), lanes=True,
        twins=("light", "heavy")),
    "occlusion": Scene(
        "push the red ball behind the screen and over the green marker", (Thing("ball", RED, 0.1),), _occlusion, _ON_FLOOR,
        _paddle(), _push(0.14), extras=("screen",)),
}
