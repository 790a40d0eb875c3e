"""Codes written one after the other (as GPT writes words): each is foretold from those before it in its run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...fields import number
from .discrete import FAR, HOT, Discrete, absent, beside, drawn, surprise


@dataclass(frozen=True)
class NextToken(Discrete):
    """A stream says by `within` what a run is: all of its tokens ("causal"), or those of each control step ("step").

    Training tells the true codes before each (teacher forcing), at one level throughout: what is written and what is given are
    read alike. Below level 1 a stream is learned; at level 0 all its codes are absent.
    """

    title: ClassVar[str] = "next token"
    ordered: ClassVar[bool] = True
    temperature: float = 1.0
    """by which the scores are divided before a code is drawn; 0: the likeliest code"""

    spread: float = 0.0
    """above 0: codes are places in an order, and those this far (deviation of a Gaussian) from the true one are nearly right"""

    def __post_init__(self) -> None:
        number("NextToken.temperature", self.temperature, 0, HOT)
        number("NextToken.spread", self.spread, 0, FAR)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.full(shape, 0.5)

    def training_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Teacher forcing draws nothing; only the shape is asked for."""
        return torch.zeros(()).expand(shape)

    def corrupt(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return torch.where(level[:, None] > 0, data, absent(data, noise))

    def loss(self, output: Tensor, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return beside(output, data, self.spread) if self.spread else surprise(output, data)

    def grid(self, tokens: int) -> Tensor:
        return torch.linspace(0, 1, tokens + 1)

    def step(self, x: Tensor, output: Tensor, noise: Tensor, now: float, then: float) -> Tensor:
        """Writes the tokens of one run that lie between two levels: a share of the run."""
        first, last = round(now * x.shape[1]), round(then * x.shape[1])
        here = drawn(output[:, first:last], noise[:, first:last], self.temperature)
        return torch.cat([x[:, :first], here, x[:, last:]], 1)
