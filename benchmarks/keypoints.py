"""A reactive policy that learns PushWorld in seconds: it sees where each colour is, and a small network gives the next actions.

    wam train benchmarks/keypoints.py --data data/push --out checkpoints/keypoints

Tip, disc, bystander and ring have colours of their own, so the centre of mass of each colour in the picture is where the thing
is. Nothing of this holds in another world; it is here so that studies with many trainings fit into minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from wamlab.models.base import WorldActionModel
from wamlab.recipe import Recipe, Training
from wamlab.simulators.pushworld_picture import COLOURS
from wamlab.spec import TaskSpec
from wamlab.types import POLICY, Batch, Context, Given, Prediction, Query

NEAR = 60.0
"""distance in colour at which a pixel counts half"""


@dataclass(frozen=True)
class Keypoints:
    """Settings of a `KeypointPolicy`."""

    width: int = 192
    depth: int = 3
    chunk: int = 4

    def build(self, task_spec: TaskSpec) -> KeypointPolicy:
        return KeypointPolicy(self, task_spec)

    def axes(self) -> dict[str, str]:
        return {"future": "none", "process": "regression", "action reads future": "–", "future reads action": "–",
                "experts": "one", "inference": "action only"}


class KeypointPolicy(WorldActionModel):
    """Centres of colours and proprioception to a chunk of actions."""

    action_mean: Tensor
    action_scale: Tensor
    state_mean: Tensor
    state_scale: Tensor

    def __init__(self, config: Keypoints, task_spec: TaskSpec):
        super().__init__()
        self.task_spec, self.history, self.chunk, self.offsets = task_spec, 1, config.chunk, ()
        states, actions = len(task_spec.state), task_spec.action.width
        sizes = [states + 3 * len(COLOURS), *[config.width] * config.depth]
        layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.net = nn.Sequential(*layers, nn.Linear(sizes[-1], config.chunk * actions))
        self.register_buffer("colours", torch.from_numpy(COLOURS), persistent=False)
        for name, width in (("action", actions), ("state", states)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))

    def answers(self) -> frozenset[Query]:
        return frozenset({POLICY})

    def fit(self, action: Tensor, state: Tensor) -> None:
        for name, values, floor in (("action", action, 0.05), ("state", state, 1e-3)):
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            getattr(self, f"{name}_scale").copy_(values.std(0).clamp_min(floor))

    def seen(self, context: Context) -> Tensor:
        """[B, 3 per colour]: centre (-1..1) and amount of each colour in the last frame."""
        frame = context.frames[:, -1].float()
        away = torch.cdist(frame.flatten(2).transpose(1, 2), self.colours[None])
        mass = (-(away / NEAR) ** 2).exp()
        rows, columns = (torch.linspace(-1, 1, size) for size in frame.shape[-2:])
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)
        total = mass.sum(1) + 1e-3
        return torch.cat([torch.einsum("bpc,pk->bck", mass, place).div(total[..., None]).flatten(1), total / 20], 1)

    def action(self, context: Context) -> Tensor:
        state = (context.state[:, -1] - self.state_mean) / self.state_scale
        return self.net(torch.cat([state, 2 * self.seen(context)], 1)).unflatten(1, (self.chunk, -1))

    def loss(self, batch: Batch, seed: int) -> dict[str, Tensor]:
        error = (self.action(batch.context) - (batch.action - self.action_mean) / self.action_scale) ** 2
        mask = (batch.action_mask & batch.imitate[:, None])[..., None].float()
        loss = (error * mask).sum() / (mask.sum() * error.shape[-1]).clamp_min(1)
        return {"action": loss, "total": loss}

    def _predict(self, context: Context, given: Given, query: Query, seeds: Sequence[int]) -> Prediction:
        return Prediction(action=self.action(context) * self.action_scale + self.action_mean)


keypoints = Recipe(
    name="keypoints", summary="reactive: actions from the places of colours", paper="none: a yardstick for data studies",
    differs="hand-made perception", model=Keypoints(),
    training=Training(steps=3000, batch_size=128, learning_rate=2e-3, warmup=50, validate_every=1000, checkpoint_every=5000))
