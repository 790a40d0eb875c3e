"""What every way to generate a stream answers.

Levels run from 0 (noise: absent) to 1 (data: given). A process has no weights. What a stream holds is [B, n, w] numbers or
[B, n] codes; n tokens.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Process(Protocol):
    title: ClassVar[str]
    ordered: ClassVar[bool]
    """written token by token"""
    discrete: ClassVar[bool]
    """of codes"""

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Training levels in [0, 1)."""
        ...

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """What is drawn for tokens of that shape (codes: with the number of classes last)."""
        ...

    def training_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """The same, as far as `corrupt` and `loss` look at it: training does not draw what only sampling needs."""
        ...

    def corrupt(self, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """What the network is shown at a level [B]."""
        ...

    def loss(self, output: Tensor, data: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Error per token [B, n] of the network's output [B, n, w or classes]."""
        ...

    def grid(self, tokens: int) -> Tensor:
        """Levels at which inference evaluates the network for a stream of so many tokens, from 0 to 1, both included."""
        ...

    def step(self, x: Tensor, output: Tensor, noise: Tensor, now: float, then: float) -> Tensor:
        """From what is shown at level `now` to level `then`."""
        ...
