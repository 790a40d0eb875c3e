"""A person steers a simulator; what they keep goes through the crash-safe recorder.

    ready --start--> recording --stop--> stopped --keep or discard--> ready in the next scene, or the same again

While nothing is recorded the robot holds still, so that every episode begins as its scene does. Ctrl-C, at any moment, keeps
what is open; a killed process leaves it to `wam data recover DATASET`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy import ndarray

from ..data.recorder import Recorder
from ..data.store import code_version
from ..errors import WamError
from ..simulators import Simulator
from .collect import scene_of
from .devices import Device, Order, Screen, Status

STATES = Literal["ready", "recording", "stopped"]


@runtime_checkable
class Clock(Protocol):
    """Time, so that tests need not wait for it."""

    def now(self) -> float:
        """Seconds."""

    def sleep(self, seconds: float) -> None: ...


class RealClock:
    """The machine's own."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class Session:
    """What came of a session."""

    kept: int
    solved: int
    discarded: int
    interrupted: bool


class Teleoperation:
    """One session.

    Args:
        device, screen: what the person steers with and sees on.
        seed: which scenes; episode i of the recording shows the scene that episode i of a collection with this seed does.
        speed: share of the largest action that a full deflection gives.
        view: pixels of the larger side of the picture shown; None: the recorded frame itself.
        began: called when an episode begins (resets toggles of the device).
    """

    def __init__(self, simulator: Simulator, recorder: Recorder, device: Device, screen: Screen, *, seed: int = 0,
                 speed: float = 0.5, view: int | None = None, clock: Clock | None = None,
                 began: Callable[[], None] = lambda: None):
        if not 0 < speed <= 1:
            raise WamError("the speed cannot be", where="--speed", expected="above 0, at most 1", got=speed)
        self.simulator, self.recorder, self.device, self.screen = simulator, recorder, device, screen
        self.seed, self.speed, self.view, self.clock, self.began = seed, speed, view, clock or RealClock(), began
        self.state: STATES = "ready"
        self.note, self.kept, self.solved, self.discarded = "", 0, 0, 0
        self._next()

    def run(self, episodes: int | None = None) -> Session:
        """Until the person ends it, `episodes` are kept, or Ctrl-C. Raises DataError where the disk refuses: what was
        recorded until then is safe."""
        period, beats = 1 / self.simulator.task_spec.control_hz, deque[float](maxlen=20)
        due = self.clock.now()
        try:
            while episodes is None or self.kept < episodes:
                wish = self.device.read()
                if not self._obey(wish.orders):
                    break
                if self.state == "recording":
                    move = self.speed * wish.move if wish.present else np.zeros(3)
                    self._step(self.simulator.steer(move, wish.grip))
                    if not wish.present:
                        self.note = "no word from the page: the robot holds still"
                beats.append(self.clock.now())
                rate = (len(beats) - 1) / max(beats[-1] - beats[0], 1e-9) if len(beats) > 1 else 0.0
                self.screen.show(self._picture(), Status(
                    self.state, self._reached, self._steps, self.simulator.task_spec.max_steps, self.kept, self.scene, rate,
                    self.note))
                due = max(due + period, self.clock.now() - period)  # after a pause, go on at the usual rate
                self.clock.sleep(max(0.0, due - self.clock.now()))
        except KeyboardInterrupt:
            self._rescue()
            return Session(self.kept, self.solved, self.discarded, True)
        self._rescue()
        return Session(self.kept, self.solved, self.discarded, False)

    def _obey(self, orders: tuple[Order, ...]) -> bool:
        """False: the session is over."""
        for order in orders:
            match order, self.state:
                case "end", _:
                    return False
                case "start/stop", "ready":
                    self._begin()
                case "start/stop", "recording":
                    self._stop("keep it or throw it away?")
                case "keep", "recording" | "stopped":
                    self._keep({})
                case "discard", "recording" | "stopped":
                    self.recorder.discard()
                    self.discarded += 1
                    self._next("thrown away; the same scene again")
        return True

    def _next(self, note: str = "") -> None:
        self.scene = scene_of(self.seed, self.recorder.episodes)
        self._seen, _ = self.simulator.reset(seed=self.scene)
        self._success = self._reached = False
        self._steps, self.state, self.note = 0, "ready", note

    def _begin(self) -> None:
        self.recorder.begin(self.simulator.task_spec.instruction, {
            "source": "teleop", "scene": self.scene, "seed": self.seed, "simulator": type(self.simulator).__name__,
            "wamlab": code_version(), **({"conditions": self.simulator.conditions()} if self.simulator.conditions() else {})})
        self.began()
        self.state, self.note = "recording", ""

    def _step(self, action: ndarray) -> None:
        self.recorder.add(self._seen["frames"], self._seen["state"], action, success=self._success)
        self._seen, _, _, cut, info = self.simulator.step(action)
        self._success, self._steps, self.note = bool(info["success"]), self._steps + 1, ""
        self._reached |= self._success
        if cut:
            self._stop("as long as an episode may be; keep it or throw it away?")

    def _stop(self, note: str) -> None:
        """The last observation ends the episode."""
        self.recorder.add(self._seen["frames"], self._seen["state"], None, success=self._success)
        self.state, self.note = "stopped", note

    def _keep(self, more: dict[str, Any]) -> None:
        if self.state == "recording":
            self._stop("")
        if self._steps == 0:
            self.recorder.discard()
            self._next("there was nothing to keep")
            return
        self.recorder.save({"solved": self._reached, **more})
        self.kept, self.solved = self.kept + 1, self.solved + self._reached
        self._next("kept")

    def _rescue(self) -> None:
        """Keep what is open when the session ends without a decision."""
        if self.state != "ready":
            self._keep({"interrupted": True})

    def _picture(self) -> ndarray:
        camera = self.simulator.task_spec.cameras[0]
        if self.view is None:
            return self._seen["frames"][camera]
        height, width = self.simulator.task_spec.image_size
        scale = self.view / max(height, width)
        return self.simulator.render_camera(camera, (round(height * scale), round(width * scale)))
