"""What a latent action may carry: a few numbers at a price (beta-VAE), or a few codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from .codebook import Codebook


class Bottleneck(Protocol):
    """From what an encoder saw to a latent action."""

    inputs: int
    """numbers that are read per pair"""
    width: int
    """numbers of a latent action"""

    def sample(self, seen: Float[Tensor, "B I"], seed: int, done: float) -> tuple[Float[Tensor, "B D"], Float[Tensor, ""]]:
        """While training: (latent actions, penalty). All chance comes from `seed`; `done` is the share of the training that
        is over."""

    def plain(self, seen: Float[Tensor, "B I"]) -> Float[Tensor, "B D"]:
        """The latent actions, without chance."""

    def codes(self, seen: Float[Tensor, "B I"]) -> Int64[Tensor, "B"] | None:
        """The latent action as one number, where there are finitely many."""


@dataclass(frozen=True)
class Continuous:
    """AdaWorld (arXiv 2503.18938) and DreamDojo (arXiv 2602.06949): numbers whose information is priced."""

    width: int = 8
    """numbers of a latent action; those that are not worth their price fall silent"""
    beta: float = 0.003
    """price of one nat, in shares of the change between the frames that could be explained"""
    rise: float = 0.3
    """share of the training over which the price rises from nothing, lest saying nothing be learned first"""

    def build(self) -> GaussianBottleneck:
        return GaussianBottleneck(self)


@dataclass(frozen=True)
class Discrete:
    """Genie (arXiv 2402.15391) and LAPA (arXiv 2410.11758): each latent action is one or several codes of one codebook.

    Rounding from the first step on settles on codes for what is easy to say, not for the motion (seen here: mutual
    information 0.4 in place of 0.9). So the numbers first pass as continuous ones do, while the codes follow them.
    """

    codes: int = 12
    tokens: int = 1
    """codes per latent action, all from the same codebook"""
    open: Continuous = Continuous()
    """the time before rounding; its width is that of a code"""
    until: float = 0.6
    """share of the training after which numbers are rounded"""
    commitment: float = 0.25
    """weight of the distance between numbers and their codes"""
    replace: float = 0.8
    """share of the training in which dead codes are replaced"""

    def build(self) -> CodeBottleneck:
        return CodeBottleneck(self)


class GaussianBottleneck(nn.Module):
    """Mean and spread per number; KL divergence from a standard normal, times beta."""

    def __init__(self, config: Continuous, tokens: int = 1):
        super().__init__()
        self.config, self.inputs, self.width = config, 2 * tokens * config.width, tokens * config.width

    def sample(self, seen: Float[Tensor, "B I"], seed: int, done: float) -> tuple[Float[Tensor, "B D"], Float[Tensor, ""]]:
        mean, log_variance = seen.chunk(2, 1)
        log_variance = log_variance.clamp(-12, 6)
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return mean + noise * (0.5 * log_variance).exp(), self.config.beta * min(1.0, done / self.config.rise) * divergence

    def plain(self, seen: Float[Tensor, "B I"]) -> Float[Tensor, "B D"]:
        return seen[:, :self.width]

    def codes(self, seen: Float[Tensor, "B I"]) -> Int64[Tensor, "B"] | None:
        return None


class CodeBottleneck(nn.Module):
    """The nearest code per token."""

    def __init__(self, config: Discrete):
        super().__init__()
        self.config, self.open = config, GaussianBottleneck(config.open, config.tokens)
        self.inputs, self.width = self.open.inputs, self.open.width
        self.book = Codebook(config.codes, config.open.width)

    def tokens(self, seen: Float[Tensor, "B I"]) -> Float[Tensor, "B n W"]:
        return self.open.plain(seen).reshape(len(seen), self.config.tokens, self.config.open.width)

    def sample(self, seen: Float[Tensor, "B I"], seed: int, done: float) -> tuple[Float[Tensor, "B D"], Float[Tensor, ""]]:
        tokens = self.tokens(seen)
        self.book.follow(tokens, seed, done < self.config.replace)
        if done < self.config.until:
            return self.open.sample(seen, seed, done)
        chosen, distance = self.book(tokens)
        return chosen.flatten(1), self.config.commitment * distance

    def plain(self, seen: Float[Tensor, "B I"]) -> Float[Tensor, "B D"]:
        return self.book.entries[self.book.nearest(self.tokens(seen))].flatten(1)

    def codes(self, seen: Float[Tensor, "B I"]) -> Int64[Tensor, "B"] | None:
        numbers = self.book.nearest(self.tokens(seen))
        return (numbers * self.config.codes ** torch.arange(self.config.tokens)).sum(1)
