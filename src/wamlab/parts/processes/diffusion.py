"""Variance-preserving diffusion on a cosine schedule (arXiv 2102.09672), sampled deterministically (DDIM, arXiv 2010.02502)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...fields import count
from .continuous import MOST, Continuous, like


@dataclass(frozen=True)
class Diffusion(Continuous):
    """x_τ = sin(πτ/2) data + cos(πτ/2) noise, so τ = 0 is noise and τ = 1 is data.

    The network predicts the data: predicting the noise says nothing at τ = 0, where sampling starts.
    """

    title: ClassVar[str] = "diffusion"
    steps: int = 8
    """DDIM steps at inference"""

    def __post_init__(self) -> None:
        count("Diffusion.steps", self.steps, MOST)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.rand(shape, generator=generator)

    def corrupt(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        angle = like(level, data) * (math.pi / 2)
        return angle.sin() * data + angle.cos() * noise

    def grid(self, tokens: int) -> Tensor:
        return torch.linspace(0, 1, self.steps + 1)

    def move(self, x: Tensor, estimate: Tensor, now: float, then: float) -> Tensor:
        if then >= 1:
            return estimate
        signal, spread = math.sin(now * math.pi / 2), math.cos(now * math.pi / 2)
        noise = (x - signal * estimate) / spread
        return math.sin(then * math.pi / 2) * estimate + math.cos(then * math.pi / 2) * noise
