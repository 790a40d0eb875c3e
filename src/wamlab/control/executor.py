"""From chunks of actions to one safe action per control step, and from a policy in a simulator to an Episode."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..errors import SpecError, WamError
from ..simulators.base import Simulator
from ..spec import TaskSpec, check
from ..types import Episode, Imagined, Need
from .gate import Gate
from .policy import Observation, Policy, Told


class Executor:
    """Receding horizon: decide, execute the first `execute` actions of the chunk, decide again.

    Each action goes through the gate. Where the gate rejects one, a safe action is executed in its place (for delta
    actions: no motion; otherwise: the last safe action again), and the rest of that chunk is dropped, since it came
    from the same mind. Actions arrive in physical units; nothing is scaled here.

    Args:
        execute: actions of a chunk to execute before deciding anew; a chunk that is shorter is executed whole.
        hold: the safe action, in place of the rule above.
        expects: the spec that the policy was made for, if it was made for one: `run_episode` refuses a task of another.
        needs: what the policy reads beside main camera and proprioception; see `sensing.options_for`.
    """

    def __init__(self, policy: Policy, gate: Gate, execute: int = 4, hold: Float32[ndarray, "A"] | None = None,
                 expects: TaskSpec | None = None, needs: Mapping[str, Need] | None = None):
        if execute < 1:
            raise WamError("an executor executes at least one action per decision", where="execute",
                           expected=">= 1", got=execute)
        self.policy, self.gate, self.execute, self._hold = policy, gate, execute, hold
        self.expects, self.needs = expects, dict(needs or {})
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start an episode: the queue, the counts, the records and the policy's memory are cleared."""
        self._queue: deque[ndarray] = deque()
        self._last: ndarray | None = None
        self._step = 0
        self.imagined: list[Imagined] = []
        self.timings: list[Mapping[str, float]] = []
        self.gate.reset()
        self.policy.reset(seed)

    def act(self, observation: Observation, instruction: str) -> Float32[ndarray, "A"]:
        """The action to execute now: finite, within the limits.

        Raises:
            SpecError: if the policy's actions have the wrong width.
            WamError: if the very first action is rejected and there is no safe one to put in its place.
        """
        self.policy.observe(observation)
        if not self._queue:
            self._decide(observation, instruction)
        verdict = self.gate.check(self._queue.popleft())
        if verdict.action is None:
            self._queue.clear()
        self._last = self._safe(verdict.reason) if verdict.action is None else verdict.action
        self._step += 1
        if isinstance(self.policy, Told):
            self.policy.executed(self._last)
        return self._last

    def _decide(self, observation: Observation, instruction: str) -> None:
        start = time.perf_counter()
        decision = self.policy.decide(observation, instruction)
        seconds = time.perf_counter() - start
        if decision.action.ndim != 2 or not len(decision.action):
            raise SpecError("the policy's answer is no chunk of actions", where="action", expected="[K, A] with K >= 1",
                            got=decision.action.shape)
        self._queue.extend(decision.action[:self.execute])
        self.imagined.append(Imagined(self._step, decision.action, decision.offsets, decision.frames, seconds))
        self.timings.append(decision.timings)

    def _safe(self, reason: str) -> ndarray:
        if self._hold is not None:
            safe = self._hold
        elif self.gate.spec.kind == "delta":
            safe = np.zeros(self.gate.spec.width, np.float32)
        elif self._last is not None:
            safe = self._last
        else:
            raise WamError("the first action was rejected and nothing safe is known to put in its place", where="action",
                           expected="a finite action near the limits", got=reason, fix="give the executor a hold action")
        return self.gate.clip(safe)


def run_episode(simulator: Simulator, executor: Executor, seed: int, *, extra_steps_after_success: int = 0,
                meta: Mapping[str, Any] | None = None, stop: Callable[[], bool] = lambda: False) -> Episode:
    """Put up scene `seed` and act until success (and a few steps on) or until the task's time is over.

    What a policy did is nobody's example: `imitate` is False throughout, so that training learns what its actions cause alone.
    All numbers but the wall times are a function of (simulator, policy, seed). The episode's meta holds `seed`, the gate's
    counts under `gate`, the decisions' seconds per stage under `timings`, and whatever `meta` adds.

    Args:
        extra_steps_after_success: control steps to go on after the first success.
        stop: asked before each step; True ends the episode there.

    Raises:
        SpecError: if the executor's gate was built for other actions than the simulator's, or its policy for another task spec.
    """
    spec = simulator.task_spec
    if executor.expects is not None:
        check(spec, executor.expects)
    if executor.gate.spec != spec.action:
        raise SpecError("the executor was built for other actions than this task's", where=spec.task, expected=spec.action,
                        got=executor.gate.spec, fix="build the gate from the simulator's task_spec")
    executor.reset(seed)
    observation, info = simulator.reset(seed=seed)
    seen, truths, success = [observation], [simulator.truth()], [bool(info.get("success", False))]
    actions: list[ndarray] = []
    left = spec.max_steps
    while left > 0 and not stop():
        action = executor.act(observation, spec.instruction)
        observation, _, _, truncated, info = simulator.step(action)
        left = 0 if truncated else left - 1
        if info["success"] and not any(success[1:]):
            left = min(left, extra_steps_after_success)
        actions.append(action)
        seen.append(observation)
        truths.append(simulator.truth())
        success.append(bool(info["success"]))
    return Episode(
        task=spec.task, instruction=spec.instruction,
        frames={name: np.stack([one["frames"][name] for one in seen]) for name in spec.cameras},
        state=np.stack([one["state"] for one in seen]).astype(np.float32),
        action=np.stack(actions) if actions else np.zeros((0, spec.action.width), np.float32), success=np.array(success),
        truth={entity.name: np.stack([one[entity.name] for one in truths]) for entity in spec.entities},
        imitate=np.zeros(len(actions), bool), imagined=tuple(executor.imagined),
        meta={"source": "rollout", "seed": seed, "renderer": simulator.renderer, "gate": dict(executor.gate.counts),
              "execute": executor.execute, "timings": [dict(t) for t in executor.timings], **(meta or {})})
