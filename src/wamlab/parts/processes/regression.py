"""Plain regression: one pass from nothing to the answer. The mean of what could happen, with no noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .continuous import Continuous, like


@dataclass(frozen=True)
class Regression(Continuous):
    """The stream is hidden (zeros) below level 1 and shown at level 1."""

    title: ClassVar[str] = "regression"

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.zeros(shape)

    def corrupt(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return torch.where(like(level, data) >= 1, data, torch.zeros_like(data))

    def grid(self, tokens: int) -> Tensor:
        return torch.tensor([0.0, 1.0])

    def move(self, x: Tensor, estimate: Tensor, now: float, then: float) -> Tensor:
        return estimate
