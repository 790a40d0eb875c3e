"""Plain regression: one pass from nothing to the answer. The mean of what could happen, with no noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .flow import like


@dataclass(frozen=True)
class Regression:
    """The stream is hidden (zeros) below level 1 and shown at level 1."""

    title: ClassVar[str] = "regression"

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(batch)

    def corrupt(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return torch.where(like(level, data) >= 1, data, torch.zeros_like(data))

    def target(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return data

    def estimate(self, output: Tensor, x: Tensor, level: Tensor) -> Tensor:
        return output

    def grid(self) -> Tensor:
        return torch.tensor([0.0, 1.0])

    def step(self, x: Tensor, estimate: Tensor, now: float, then: float) -> Tensor:
        return estimate
