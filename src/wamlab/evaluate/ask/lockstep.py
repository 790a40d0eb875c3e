"""Success of a model from many starts at once: the simulators walk in step and the model decides for all of them together.

The same policy, executor and gate as in `rollout`, without keeping the episodes: for studies that need a number per start.
Sums in a larger batch may differ in the last bits from those of one by one, so a start that hangs in the balance may end
otherwise than in a rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray

from ...control.executor import Executor
from ...control.gate import Gate
from ...control.policy import Decision, ModelPolicy, Observation, decision_seed
from ...models.base import Running, WorldActionModel
from ...models.together import together
from ...simulators import Simulator
from ...spec import check
from ...types import IMAGINE_AND_ACT

BATCH = 64


class InStep(ModelPolicy):
    """A model's policy whose next decision may have been made already, together with others'."""

    def reset(self, seed: int) -> None:
        super().reset(seed)
        self.ready: Decision | None = None
        self.noted = False

    def observe(self, observation: Observation) -> None:
        if not self.noted:
            super().observe(observation)
        self.noted = False

    def upcoming(self, observation: Observation, instruction: str) -> tuple[Running, int]:
        """Take note of what is seen now, ahead of the executor; the session that stands here and the seed of its decision."""
        self.observe(observation)
        self.noted = True
        return self.session(instruction), decision_seed(self._seed, self._step)

    def decide(self, observation: Observation, instruction: str) -> Decision:
        if self.ready is None:  # out of step, after a rejected action
            return super().decide(observation, instruction)
        made, self.ready = self.ready, None
        return made


def successes(model: WorldActionModel, make_simulator: Callable[[], Simulator], seeds: Sequence[int], *, execute: int = 4,
              progress: Callable[[int, int], None] | None = None) -> Bool[ndarray, "N"]:
    """Whether the model solves the task from each start.

    Args:
        make_simulator: called as often as starts walk together, at most BATCH times.
        progress: called with (starts done, starts).

    Raises:
        Unanswerable: if the model cannot act.
        SpecError: if it was trained for another kind of task.
    """
    worlds = [make_simulator() for _ in range(min(BATCH, len(seeds)))]
    solved = np.zeros(len(seeds), bool)
    try:
        for world in worlds:
            check(world.task_spec, model.task_spec)
        for start in range(0, len(seeds), BATCH):
            part = list(seeds[start:start + BATCH])
            solved[start:start + len(part)] = _walk(model, worlds[:len(part)], part, execute)
            if progress:
                progress(start + len(part), len(seeds))
    finally:
        for world in worlds:
            world.close()
    return solved


def wanted(model: WorldActionModel) -> frozenset[str]:
    """A model imagines if its action follows from its imagination, else it only acts."""
    return frozenset({"future", "action"} if IMAGINE_AND_ACT in model.answers() else {"action"})


def _walk(model: WorldActionModel, worlds: Sequence[Simulator], seeds: Sequence[int], execute: int) -> Bool[ndarray, "B"]:
    policies = [InStep(model, wanted(model)) for _ in worlds]
    executors = [Executor(policy, Gate(worlds[0].task_spec.action), execute) for policy in policies]
    for executor, seed in zip(executors, seeds, strict=True):
        executor.reset(seed)
    seen = [world.reset(seed=seed)[0] for world, seed in zip(worlds, seeds, strict=True)]
    solved, left = np.zeros(len(seeds), bool), list(range(len(seeds)))
    spec = worlds[0].task_spec
    for step in range(spec.max_steps):
        if step % execute == 0:
            _decide(model, [policies[i] for i in left], [seen[i] for i in left], spec.instruction)
        for i in left:
            seen[i], _, _, _, info = worlds[i].step(executors[i].act(seen[i], spec.instruction))
            solved[i] = bool(info["success"])
        left = [i for i in left if not solved[i]]
        if not left:
            break
    return solved


def _decide(model: WorldActionModel, policies: Sequence[InStep], seen: Sequence[Observation], instruction: str) -> None:
    """One question for all, answered together; each policy gets its part."""
    told = [policy.upcoming(observation, instruction) for policy, observation in zip(policies, seen, strict=True)]
    with torch.inference_mode():
        answers = together([session for session, _ in told], wanted(model), [seed for _, seed in told])
    for policy, answer in zip(policies, answers, strict=True):
        assert answer.action is not None
        policy.ready = Decision(answer.action[0].float().cpu().numpy())
