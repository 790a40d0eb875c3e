"""What processes over numbers have in common: the network's error is squared, and a step is taken towards its estimate."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

MOST = 10_000
"""steps of sampling that no process takes"""


def like(level: Tensor, x: Tensor) -> Tensor:
    """[B] shaped to broadcast over x [B, ...]."""
    return level.reshape(-1, *[1] * (x.dim() - 1))


class Continuous:
    ordered: ClassVar[bool] = False
    discrete: ClassVar[bool] = False

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=generator)

    def training_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return self.noise(shape, generator)

    def target(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """What the network is to say."""
        return data

    def loss(self, output: Tensor, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return ((output - self.target(data, noise, level)) ** 2).mean(-1)

    def estimate(self, output: Tensor, x: Tensor, level: Tensor) -> Tensor:
        return output

    def move(self, x: Tensor, estimate: Tensor, now: float, then: float) -> Tensor:
        """From level `now` to level `then`, if the data were the estimate."""
        raise NotImplementedError

    def step(self, x: Tensor, output: Tensor, noise: Tensor, now: float, then: float) -> Tensor:
        level = torch.full((len(x),), now, device=x.device)
        return self.move(x, self.estimate(output, x, level), now, then)
