"""A model whose answers say what it was asked, and executors for the walker, at module level for worker processes."""

from __future__ import annotations

import os
import signal

import numpy as np
import torch
from torch import nn

from data_fakes import Walker
from wamlab.control.executor import Executor
from wamlab.control.gate import Gate
from wamlab.control.policy import ModelPolicy, ReplayPolicy
from wamlab.models.base import WorldActionModel
from wamlab.types import IMAGINE_AND_ACT, POLICY, Prediction


class Stepper(WorldActionModel):
    """Walks right at 0.05 plus noise from the seed; imagines its newest frame, brighter by the offset."""

    task_spec, history, chunk, offsets = Walker.task_spec, 3, 6, (2, 4)

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 64)
        self.asked = []

    def loss(self, batch, seed):
        return {"total": torch.zeros(())}

    def answers(self):
        return frozenset({POLICY, IMAGINE_AND_ACT})

    def _predict(self, context, given, query, seeds):
        self.asked.append((context, query, seeds, torch.is_inference_mode_enabled(), self.training))
        noise = torch.rand(len(context), self.chunk, 2, generator=torch.Generator().manual_seed(seeds[0]))
        action = torch.tensor([0.05, 0.0]) + 0.02 * noise + 0 * self.layer(torch.ones(64)).sum()
        future = torch.stack([context.frames[:, -1] / 255 + o / 255 for o in self.offsets], 1)
        return Prediction(future if query.future == "sought" else None, action, {"sample": 0.0})


def make_walker():
    return Walker()


def make_stepper():
    torch.manual_seed(0)
    return Executor(ModelPolicy(Stepper()), Gate(Walker.task_spec.action), execute=4)


class Broken:
    """A policy that fails, or takes its process down, in one scene only."""

    def __init__(self, seed, how):
        self.bad, self.how = seed, how

    def reset(self, seed):
        self.fails = seed == self.bad

    def observe(self, observation):
        pass

    def decide(self, observation, instruction):
        from wamlab.control.policy import Decision
        if self.fails and self.how == "raise":
            raise ZeroDivisionError("no such number")
        if self.fails and self.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fails and self.how == "interrupt":
            raise KeyboardInterrupt
        width = 3 if self.fails and self.how == "width" else 2
        return Decision(np.full((1, width), 0.1, np.float32))


def make_broken(seed, how):
    return Executor(Broken(seed, how), Gate(Walker.task_spec.action))


def make_replay(actions, spec):
    return Executor(ReplayPolicy(np.array(actions, np.float32)), Gate(spec))
