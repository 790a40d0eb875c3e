"""What a person tells a robot, whatever with: keys and gamepads as movements and orders, without any hardware in here.

Keys: arrows move across the picture (right, left, away, near), R and F up and down, Shift moves slowly, Space the gripper,
Enter begins and stops an episode, K keeps it, X throws it away, Q ends. Gamepad (standard layout): left stick across, right
stick up and down, left shoulder slow, A gripper, Start, Y, B and Back for the orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

Order = Literal["start/stop", "keep", "discard", "end"]
ORDERS: dict[str, Order] = {"Enter": "start/stop", "k": "keep", "x": "discard", "q": "end"}
MOVES = {"ArrowRight": (0, 1.0), "ArrowLeft": (0, -1.0), "ArrowUp": (1, 1.0), "ArrowDown": (1, -1.0), "r": (2, 1.0),
         "f": (2, -1.0)}
"""key: (axis, direction); axes are right, away, up"""
GRIP, SLOW = " ", "Shift"
SLOWLY = 0.3
"""share of the speed"""
BUTTONS: dict[int, Order] = {9: "start/stop", 3: "keep", 1: "discard", 8: "end"}
PAD_GRIP, PAD_SLOW = 0, 4
DEAD = 0.12
"""deflection of a stick that counts as none"""


@dataclass(frozen=True, eq=False)
class Wish:
    """What the person wants now."""

    move: Float64[ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    """to the right, away from the viewer and up, each in [-1, 1]"""
    grip: bool = False
    """True: the gripper shall be in the other state than at the start"""
    orders: tuple[Order, ...] = ()
    """each is given once"""
    present: bool = True
    """False: nothing was heard for a while, so the robot is to hold still"""


@runtime_checkable
class Device(Protocol):
    """Something that a person steers with."""

    def read(self) -> Wish:
        """The wish of now; called once per control step. Orders given since the last call come with it."""


@dataclass(frozen=True)
class Status:
    """What the person sees beside the picture."""

    state: Literal["ready", "recording", "stopped"]
    success: bool
    """whether the task's condition was reached in this episode"""
    step: int
    most: int
    """steps after which an episode is cut"""
    kept: int
    scene: int
    rate: float
    """control steps per second that are really reached"""
    note: str = ""


@runtime_checkable
class Screen(Protocol):
    """Something that shows a person what the robot does."""

    def show(self, picture: UInt8[ndarray, "h w 3"], status: Status) -> None:
        """Called once per control step; returns at once."""


class Controls:
    """Turns which keys are down and how a gamepad stands into wishes: a key or button that is pressed orders once."""

    def __init__(self) -> None:
        self._grip = False
        self._orders: list[Order] = []
        self._keys, self._move = frozenset[str](), np.zeros(3)
        self._buttons, self._sticks, self._pad_slow = frozenset[int](), np.zeros(3), False

    def keys(self, down: Sequence[str], tapped: Sequence[str] = ()) -> None:
        """Which keys are down now, and which were pressed since the last call (also those that are up again)."""
        held = frozenset(key.lower() if len(key) == 1 else key for key in down)
        fresh = [key.lower() if len(key) == 1 else key for key in tapped]
        for key in dict.fromkeys([*fresh, *sorted(held - self._keys)]):
            self._grip ^= key == GRIP
            if key in ORDERS:
                self._orders.append(ORDERS[key])
        move = np.zeros(3)
        for key in held & MOVES.keys():
            axis, way = MOVES[key]
            move[axis] += way
        self._keys, self._move = held, move * (SLOWLY if SLOW in held else 1.0)

    def pad(self, axes: Sequence[float], buttons: Sequence[bool]) -> None:
        """A gamepad in the standard layout: left stick x and y, right stick x and y; y grows downwards."""
        down = frozenset(number for number, pressed in enumerate(buttons) if pressed)
        for number in sorted(down - self._buttons):
            self._grip ^= number == PAD_GRIP
            if number in BUTTONS:
                self._orders.append(BUTTONS[number])
        stick = np.array([*axes, *([0.0] * 4)][:4], np.float64)
        stick = np.where(np.isfinite(stick), np.clip(stick, -1, 1), 0.0)
        stick = np.sign(stick) * np.maximum(np.abs(stick) - DEAD, 0) / (1 - DEAD)
        self._sticks = np.array([stick[0], -stick[1], -stick[3]]) * (SLOWLY if PAD_SLOW in down else 1.0)
        self._buttons = down

    def start_over(self) -> None:
        """The gripper is as at the start again."""
        self._grip = False

    def wish(self, present: bool = True) -> Wish:
        """What is wanted now; takes the orders along."""
        orders, self._orders = tuple(self._orders), []
        move = np.clip(self._move + self._sticks, -1, 1) if present else np.zeros(3)
        return Wish(move, self._grip, orders, present)
