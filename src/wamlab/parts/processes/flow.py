"""Flow matching on straight paths (arXiv 2210.02747), with the network predicting the data or the velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from ...fields import choice, count, number
from .continuous import MOST, Continuous, like

Output = Literal["data", "velocity"]


@dataclass(frozen=True)
class FlowMatching(Continuous):
    """x_τ = (1 - τ) noise + τ data. Networks of other conventions (t = 1 is noise) map by τ = 1 - t."""

    title: ClassVar[str] = "flow"
    predict: Output = "data"
    """what the network outputs; "data" trains faster on small budgets"""
    power: float = 1.5
    """training levels are u ** power, u uniform: above 1 visits noisy levels more often"""
    steps: int = 5
    """Euler steps at inference"""
    shift: float = 1.0
    """above 1, training and sampling spend more of their time near noise. A signal that is repeated k times in its tokens is
    told by them sqrt(k) times better than by one, at every level; a shift of sqrt(k) undoes that (Esser et al.,
    arXiv 2403.03206, section 5.3.2)"""

    def __post_init__(self) -> None:
        choice("FlowMatching.predict", self.predict, get_args(Output))
        number("FlowMatching.power", self.power, 0, 100, "1 draws every level equally often", above=True)
        count("FlowMatching.steps", self.steps, MOST)
        number("FlowMatching.shift", self.shift, 0, 1000, "1 leaves the levels as they are", above=True)

    def shifted(self, level: Tensor) -> Tensor:
        return level if self.shift == 1 else level / (level + self.shift * (1 - level))

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return self.shifted(torch.rand(shape, generator=generator) ** self.power)

    def corrupt(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        tau = like(level, data)
        return (1 - tau) * noise + tau * data

    def target(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return data if self.predict == "data" else data - noise

    def estimate(self, output: Tensor, x: Tensor, level: Tensor) -> Tensor:
        return output if self.predict == "data" else x + (1 - like(level, x)) * output

    def grid(self, tokens: int) -> Tensor:
        return self.shifted(torch.linspace(0, 1, self.steps + 1))

    def move(self, x: Tensor, estimate: Tensor, now: float, then: float) -> Tensor:
        """One Euler step."""
        return estimate if then >= 1 else x + (then - now) / (1 - now) * (estimate - x)
