"""What processes over codes have in common: the network gives a score to every code, and Gumbel noise draws from them.

A code is 0..classes - 1; `classes` is the start of a run that is written token by token, `classes + 1` a code that is absent.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

HOT = 100.0
"""a temperature above which nothing is said but noise"""
FAR = 1000.0
"""a spread over more codes than bins have"""


def absent(data: Tensor, noise: Tensor) -> Tensor:
    """[B, n] of the code that stands for none; `noise` has the classes last."""
    return torch.full_like(data, noise.shape[-1] + 1)


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """With it added, the highest of several scores is a draw from their softmax."""
    return -(-torch.rand(shape, generator=generator).clamp(1e-6, 1 - 1e-6).log()).log()


def drawn(output: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """[B, n] codes drawn from scores [B, n, classes]; at temperature 0 the likeliest."""
    return (output + temperature * noise).argmax(-1)


def surprise(output: Tensor, data: Tensor) -> Tensor:
    """[B, n] cross-entropy in nats."""
    return F.cross_entropy(output.flatten(0, -2), data.flatten(), reduction="none").unflatten(0, data.shape)


def beside(output: Tensor, data: Tensor, spread: float) -> Tensor:
    """[B, n] nats by which scores differ from a Gaussian around each code, for codes that are places in an order, as bins are:
    neighbours are nearly as right, and a network that is told so does not learn single codes by heart (the histogram loss of
    arXiv 2403.03950, section 3.1).

    Args:
        spread: deviation of the Gaussian, in codes.
    """
    codes = torch.arange(output.shape[-1], device=data.device)
    wanted = (-(((codes - data[..., None]) / spread) ** 2) / 2).log_softmax(-1)
    return (wanted.exp() * (wanted - output.log_softmax(-1))).sum(-1)


class Discrete:
    discrete: ClassVar[bool] = True

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return gumbel(shape, generator)
