"""A hand's path done by a robot: checked against its kinematics, turned into actions, executed in the simulator.

What the robot's control does to a command (lag, softness, the force that a spring asks for) is undone by iterative learning
(Arimoto, Kawamura and Miyazaki 1984): execute, add the error to the command where the lag says it arose, execute again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64
from numpy import ndarray
from scipy.spatial.transform import Rotation

from ..data.store import code_version
from ..data.umi.path import Path, filtered
from ..data.umi.track import Track
from ..errors import WamError
from ..simulators import Simulator
from ..simulators.robot import Robot
from ..types import Episode

TRIALS = 8
"""executions of a path; the last one is kept"""
LAG = 1.5
"""control steps by which the error is blamed on an earlier command"""
GAIN, LARGEST = 0.7, 0.08
"""share of the error that is added, and metres by which a command may leave the path"""
TICK, STILL, OPEN = 0.1, 0.02, 0.7
"""of the opening: change that means the gripper was told something else; change that means nothing; open to begin with"""
NEAR = 0.01
"""metres from the hand within which a path may begin"""


@dataclass(frozen=True, eq=False)
class Retargeted:
    """A demonstration as the robot did it."""

    episode: Episode
    flags: Mapping[str, Bool[ndarray, "T"]]
    """per reason, the steps that the robot could not do as they were shown"""
    error: Float64[ndarray, "T1"]
    """metres between the robot's hand and the path"""


def gripper_commands(opening: Float64[ndarray, "T1"]) -> Float64[ndarray, "T"]:
    """+1 (close) or -1 (open) per step: from the moment at which the opening leaves its highest or lowest value, once it has
    left it by `TICK`. Fingers that are stopped by an object keep the command that stopped them."""
    commands = np.empty(len(opening))
    now, extreme, since = -1.0 if opening[0] > OPEN else 1.0, opening[0], 0
    commands[:] = now
    for t, value in enumerate(opening):
        beyond = -now * (value - extreme)  # > 0: further the way it was told to go
        extreme = value if beyond > 0 else extreme
        since = t if beyond > -STILL else since
        if beyond < -TICK:
            now, extreme = -now, value
            commands[since:], since = now, t
    return commands[:-1]


def approached(path: Path, hand: Float64[ndarray, "3"], robot: Robot) -> tuple[Path, int]:
    """The path with a straight way to its beginning in front, at half the control's speed, and the number of its steps."""
    way = path.track.position[0] - hand
    steps = int(np.ceil(np.abs(way).max() / (robot.step / 2))) if np.linalg.norm(way) > NEAR else 0
    if not steps:
        return path, 0
    lead = hand + np.arange(steps)[:, None] / steps * way
    old = path.track
    turn = Rotation.concatenate([old.rotation[np.zeros(steps, int)], old.rotation])
    time = np.concatenate([old.time[0] - np.arange(steps, 0, -1) / path.hz, old.time])
    return replace(path, track=Track(time, np.concatenate([lead, old.position]), turn),
                   opening=np.concatenate([np.full(steps, path.opening[0]), path.opening]),
                   lost=np.concatenate([np.zeros(steps, bool), path.lost])), steps


def retarget(simulator: Simulator, path: Path, meta: Mapping[str, Any] | None = None, trials: int = TRIALS) -> Retargeted:
    """Do a path with the robot of the scene that is up.

    Raises:
        WamError: if the simulator has no robot that follows paths, or the path is of another rate.
    """
    robot, spec = simulator.robot(), simulator.task_spec
    if robot is None:
        raise WamError("this task has no robot that a hand's path can be retargeted to", where=spec.task,
                       expected="a task of Meta-World", got=spec.task, fix="wam list --tasks")
    if path.hz != spec.control_hz:
        raise WamError("the path is of another rate", where="retarget", expected=f"{spec.control_hz} Hz", got=f"{path.hz} Hz")
    start = simulator.save_state()
    path, lead = approached(path, simulator.observe()["state"][:3].astype(np.float64), robot)
    flags = filtered(path, robot)
    place, late = path.track.position, np.minimum(np.arange(len(path) + 1) + LAG, len(path))
    late[0] = 0
    command, grip = _shifted(place, late), gripper_commands(path.opening)
    renders, simulator.renders = simulator.renders, False
    try:
        for _ in range(trials - 1):
            simulator.load_state(start)
            done = _execute(simulator, _actions(command, place[0], grip, robot), robot)
            wrong = _shifted(place - done, late)
            command = place + np.clip(command + GAIN * wrong - place, -LARGEST, LARGEST)
    finally:
        simulator.renders = renders
    actions = _actions(command, place[0], grip, robot)
    episode = _episode(simulator, start, actions, meta or {})
    error = np.linalg.norm(episode.state[:, :3] - place, axis=1)
    usable = ~np.any(list(flags.values()), axis=0) & (np.arange(len(path)) >= lead)
    late_error = 1e3 * error[lead:]
    said = {"flags": {name: int(steps.sum()) for name, steps in flags.items()}, "approach": lead,
            "flagged": int(np.any(list(flags.values()), axis=0).sum()),
            "path_error_mm": {"rms": float(np.sqrt(np.square(late_error).mean())), "max": float(late_error.max())}}
    episode = replace(episode, imitate=usable & episode.solved, meta={**episode.meta, **said})
    return Retargeted(episode, flags, error)


def _shifted(values: Float64[ndarray, "T1 3"], times: Float64[ndarray, "T1"]) -> Float64[ndarray, "T1 3"]:
    """Rows at fractional positions."""
    return np.stack([np.interp(times, np.arange(len(values)), column) for column in values.T], 1)


def _actions(command: Float64[ndarray, "T1 3"], begin: Float64[ndarray, "3"], grip: Float64[ndarray, "T"],
             robot: Robot) -> Float32[ndarray, "T 4"]:
    """Steps towards each commanded place; what one step cannot do is left to the next ones."""
    actions, at = np.empty((len(command) - 1, 4), np.float32), begin.copy()
    for t, wanted in enumerate(command[1:]):
        actions[t, :3] = np.clip((wanted - at) / robot.step, -1, 1)
        actions[t, 3] = grip[t]
        at = at + robot.step * actions[t, :3]
    return actions


def _execute(simulator: Simulator, actions: Float32[ndarray, "T A"], robot: Robot) -> Float64[ndarray, "T1 3"]:
    """Where the hand is at each observation."""
    places = [simulator.observe()["state"][:3]]
    places += [simulator.step(action)[0]["state"][:3] for action in actions]
    return np.array(places, np.float64)


def _episode(simulator: Simulator, start: Any, actions: Float32[ndarray, "T A"], meta: Mapping[str, Any]) -> Episode:
    spec = simulator.task_spec
    seen, truths, success = [simulator.load_state(start)], [simulator.truth()], [False]
    for action in actions:
        observation, _, _, _, info = simulator.step(action)
        seen.append(observation)
        truths.append(simulator.truth())
        success.append(info["success"])
    state: Float[ndarray, "T1 P"] = np.stack([one["state"] for one in seen])
    return Episode(
        task=spec.task, instruction=spec.instruction,
        frames={name: np.stack([one["frames"][name] for one in seen]) for name in spec.cameras}, state=state, action=actions,
        success=np.array(success), truth={entity.name: np.stack([one[entity.name] for one in truths])
                                          for entity in spec.entities},
        meta={"source": "umi", "renderer": simulator.renderer, "simulator": type(simulator).__name__,
              "wamlab": code_version(), **meta})
