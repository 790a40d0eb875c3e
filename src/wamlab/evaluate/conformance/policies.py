"""Policies that are known to follow their imagination, to ignore it, or to fool themselves.

All know the simulator that they act in. They are `Policy`s like a model's, so that their episodes go through the same
executor and the same scores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from ...control.policy import Decision, Observation
from ...errors import UnknownName
from ...models.oracle import imagined, planned
from ...simulators import Simulator

ELSEWHERE = 7919
"""how far away the seed of the other scene is"""


class NullPolicy:
    """A policy of one of the kinds in POLICIES.

    Args:
        kind: what it does, a name in POLICIES.
        simulator: the one in which the episode runs; it is looked at, saved and restored, never left changed.
        other: a second instance of the same task, for scenes that are not this one.
        chunk, offsets: as of a model.

    Raises:
        UnknownName: for another kind.
    """

    def __init__(self, kind: str, simulator: Simulator, other: Simulator, *, chunk: int = 8, offsets: tuple[int, ...] = (4, 8)):
        if kind not in POLICIES:
            raise UnknownName("null policy", kind, POLICIES)
        self.kind, self.simulator, self.other, self.chunk, self.offsets = kind, simulator, other, chunk, offsets
        self.reset(0)

    def reset(self, seed: int) -> None:
        self.generator = np.random.default_rng([seed, 11])
        self.other.reset(seed=seed + ELSEWHERE)
        self._started = False

    def observe(self, observation: Observation) -> None:
        if self._started:  # time passes in the other scene as well
            self.other.step(_expert(self.other)())
        self._started = True

    def decide(self, observation: Observation, instruction: str) -> Decision:
        action, frames = POLICIES[self.kind](self, observation)
        spec = self.simulator.task_spec.action
        return Decision(np.clip(action, spec.low, spec.high).astype(np.float32), self.offsets, frames)

    def plan(self, simulator: Simulator) -> ndarray:
        """What the expert of that simulator is about to do [K, A]; the simulator is as it was afterwards."""
        return planned(simulator, self.chunk)

    def foresee(self, simulator: Simulator, action: ndarray) -> ndarray:
        """What these actions will really show there [F, h, w, 3]."""
        state = simulator.save_state()
        frames = imagined(simulator, state, action, self.offsets)
        simulator.load_state(state)
        return frames

    def still(self, observation: Observation) -> ndarray:
        frame = observation["frames"][self.simulator.task_spec.cameras[0]]
        return np.repeat(frame[None], len(self.offsets), 0)

    def anything(self) -> ndarray:
        """Random actions."""
        spec = self.simulator.task_spec.action
        return np.repeat(self.generator.uniform(spec.low, spec.high, (1, spec.width)), self.chunk, 0)


def _expert(simulator: Simulator) -> Callable[[], ndarray]:
    expert = simulator.expert()
    assert expert is not None, "null policies need a scripted expert"
    return expert


def oracle(policy: NullPolicy, observation: Observation) -> tuple[ndarray, ndarray]:
    """The expert, imagining what its actions will do."""
    action = policy.plan(policy.simulator)
    return action, policy.foresee(policy.simulator, action)


def noisy(policy: NullPolicy, observation: Observation) -> tuple[ndarray, ndarray]:
    """Imagines the expert's future and executes it with a trembling hand."""
    action, frames = oracle(policy, observation)
    return action + policy.generator.normal(0, 0.3, action.shape), frames


def decoupled(policy: NullPolicy, observation: Observation) -> tuple[ndarray, ndarray]:
    """The expert's actions beside the video of another scene."""
    return policy.plan(policy.simulator), policy.foresee(policy.other, policy.plan(policy.other))


def decoupled_frozen(policy: NullPolicy, observation: Observation) -> tuple[ndarray, ndarray]:
    """The expert's actions, imagining that nothing changes."""
    return policy.plan(policy.simulator), policy.still(observation)


def wrong_goal(policy: NullPolicy, observation: Observation) -> tuple[ndarray, ndarray]:
    """Does what another scene calls for, and foresees exactly what comes of it."""
    action = policy.plan(policy.other)
    return action, policy.foresee(policy.simulator, action)


def optimist(policy: NullPolicy, observation: Observation) -> tuple[ndarray, ndarray]:
    """Random actions, imagining that the expert is at work and has long succeeded."""
    simulator, state = policy.simulator, policy.simulator.save_state()
    expert, draws = _expert(simulator), simulator.renders
    simulator.renders, frames = False, []
    for step in range(simulator.task_spec.max_steps):
        if simulator.step(expert())[4]["success"] or step == simulator.task_spec.max_steps - 1:
            frames.append(simulator.render_camera())
            break
    simulator.load_state(state)
    simulator.renders = draws
    return policy.anything(), np.repeat(frames[0][None], len(policy.offsets), 0)


def idle(policy: NullPolicy, observation: Observation) -> tuple[ndarray, ndarray]:
    """Does nothing and imagines that nothing happens: true, and worthless."""
    spec = policy.simulator.task_spec.action
    return np.zeros((policy.chunk, spec.width)), policy.still(observation)


POLICIES: dict[str, Callable[[NullPolicy, Observation], Any]] = {
    "oracle": oracle, "noisy": noisy, "decoupled": decoupled, "decoupled_frozen": decoupled_frozen, "wrong_goal": wrong_goal,
    "optimist": optimist, "idle": idle,
}
