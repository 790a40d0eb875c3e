"""Flow matching on straight paths (arXiv 2210.02747), with the network predicting the data or the velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...fields import whole
from .continuous import MOST, Continuous, like


@dataclass(frozen=True)
class FlowMatching(Continuous):
    """x_τ = (1 - τ) noise + τ data. Networks of other conventions (t = 1 is noise) map by τ = 1 - t."""

    title: ClassVar[str] = "flow"
    predict: Literal["data", "velocity"] = "data"
    """what the network outputs; "data" trains faster on small budgets"""
    power: float = 1.5
    """training levels are u ** power, u uniform: above 1 visits noisy levels more often"""
    steps: int = 5
    """Euler steps at inference"""

    def __post_init__(self) -> None:
        whole("FlowMatching.steps", self.steps, MOST)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.rand(shape, generator=generator) ** self.power

    def corrupt(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        tau = like(level, data)
        return (1 - tau) * noise + tau * data

    def target(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return data if self.predict == "data" else data - noise

    def estimate(self, output: Tensor, x: Tensor, level: Tensor) -> Tensor:
        return output if self.predict == "data" else x + (1 - like(level, x)) * output

    def grid(self, tokens: int) -> Tensor:
        return torch.linspace(0, 1, self.steps + 1)

    def move(self, x: Tensor, estimate: Tensor, now: float, then: float) -> Tensor:
        """One Euler step."""
        return estimate if then >= 1 else x + (then - now) / (1 - now) * (estimate - x)
