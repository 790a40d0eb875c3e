"""Masked codes, filled in the order of sureness (MaskGIT, arXiv 2202.04200)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...fields import count, number
from .continuous import MOST, like
from .discrete import HOT, Discrete, absent, drawn, surprise


def schedule(share: Tensor) -> Tensor:
    """The cosine schedule: which share of the codes shows after a share of the way. Slow at first, when little is known."""
    return 1 - (share * (math.pi / 2)).cos()


def shown(level: float, tokens: int) -> int:
    """How many of so many codes show at a level; below level 1 never all of them."""
    return int(level * tokens + 1e-4)


@dataclass(frozen=True)
class MaskedTokens(Discrete):
    """A share of the codes shows, as large as the level; the others are absent, and foretold all at once."""

    title: ClassVar[str] = "masked tokens"
    ordered: ClassVar[bool] = False
    steps: int = 8
    """passes at inference"""
    temperature: float = 1.0
    """by which the scores are divided before a code is drawn; 0: the likeliest code"""
    choice: float = 4.5
    """noise on the sureness by which codes are kept, falling to none at the last step; 0: strictly the surest"""

    def __post_init__(self) -> None:
        count("MaskedTokens.steps", self.steps, MOST)
        number("MaskedTokens.temperature", self.temperature, 0, HOT)
        number("MaskedTokens.choice", self.choice, 0, HOT)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return schedule(torch.rand(shape, generator=generator))

    def training_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Only the order in which codes show."""
        return torch.rand((*shape[:-1], 1), generator=generator).expand(shape)

    def corrupt(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        place = noise[..., 0].argsort(-1).argsort(-1)
        return torch.where(place < (like(level, data) * data.shape[1] + 1e-4).floor(), data, absent(data, noise))

    def loss(self, output: Tensor, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Only of what does not show."""
        hidden = self.corrupt(data, noise, level) == absent(data, noise)
        return surprise(output, data) * hidden

    def grid(self, tokens: int) -> Tensor:
        return schedule(torch.linspace(0, 1, self.steps + 1)).clamp(0, 1)

    def step(self, x: Tensor, output: Tensor, noise: Tensor, now: float, then: float) -> Tensor:
        """Draws what does not show, and keeps the surest. What showed stays."""
        open_ = x == absent(x, noise)
        guess = torch.where(open_, drawn(output, noise, self.temperature), x)
        sure = output.log_softmax(-1).gather(-1, guess[..., None])[..., 0]
        # The noise of another code than the one that was drawn: that one's is large because it was drawn.
        sure = sure + self.choice * (1 - then) * noise.roll(1, -1).gather(-1, guess[..., None])[..., 0]
        rank = sure.masked_fill(~open_, math.inf).argsort(dim=-1, descending=True, stable=True).argsort(-1)
        return torch.where(rank < shown(then, x.shape[1]), guess, x)
