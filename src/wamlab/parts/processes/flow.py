"""Flow matching on straight paths (arXiv 2210.02747), with the network predicting the data or the velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor


def like(level: Tensor, x: Tensor) -> Tensor:
    """[B] shaped to broadcast over x [B, ...]."""
    return level.reshape(-1, *[1] * (x.dim() - 1))


@dataclass(frozen=True)
class FlowMatching:
    """x_τ = (1 - τ) noise + τ data. Networks of other conventions (t = 1 is noise) map by τ = 1 - t."""

    title: ClassVar[str] = "flow"
    predict: Literal["data", "velocity"] = "data"
    """what the network outputs; "data" trains faster on small budgets"""
    power: float = 1.5
    """training levels are u ** power, u uniform: above 1 visits noisy levels more often"""
    steps: int = 5
    """Euler steps at inference"""

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Training levels, [batch] in [0, 1)."""
        return torch.rand(batch, generator=generator) ** self.power

    def corrupt(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        tau = like(level, data)
        return (1 - tau) * noise + tau * data

    def target(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return data if self.predict == "data" else data - noise

    def estimate(self, output: Tensor, x: Tensor, level: Tensor) -> Tensor:
        """The clean data that the network's output stands for."""
        return output if self.predict == "data" else x + (1 - like(level, x)) * output

    def grid(self) -> Tensor:
        """Levels at which inference evaluates the network, from 0 to 1, both included."""
        return torch.linspace(0, 1, self.steps + 1)

    def step(self, x: Tensor, estimate: Tensor, now: float, then: float) -> Tensor:
        """One Euler step from level `now` to level `then`."""
        return estimate if then >= 1 else x + (then - now) / (1 - now) * (estimate - x)
