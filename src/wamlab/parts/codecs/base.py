"""The contract of a codec and of its settings."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Codec(nn.Module):
    """Frames to latents and back.

    Latents are whitened per channel by `mean` and `scale`, which `fit` sets, so every process sees unit variance. A codec of
    codes has no numbers to whiten: it encodes to [N, n] codes, and decodes those.
    """

    tokens: int
    """tokens per frame"""
    width: int
    """numbers per token"""
    classes: int = 0
    """codes that a token may be; 0: it is numbers"""
    trained: bool
    """whether weights have to be learned before the latents mean anything"""

    mean: Tensor
    scale: Tensor

    def prepare(self, width: int) -> None:
        self.width = width
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    @abstractmethod
    def raw(self, frames: Float[Tensor, "N C h w"]) -> Float[Tensor, "N n c"]:
        """Frames in [0, 1] to latents before whitening."""

    @abstractmethod
    def draw(self, latents: Float[Tensor, "N n c"], reference: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        """Raw latents to frames in [0, 1]. `reference` is a frame already seen: what has not moved may be taken from it."""

    def loss(self, frames: Float[Tensor, "N C h w"], reference: Float[Tensor, "N C h w"]) -> Tensor:
        """Reconstruction error, for representations that are trained."""
        raise AssertionError("only called where `trained` is True")

    def freeze(self, drawing: bool = False) -> None:
        """No weight is learned any more; with `drawing`, those that only draw still are: latents stay what they are."""
        self.requires_grad_(False)

    @torch.no_grad()
    def fit(self, frames: Float[Tensor, "N C h w"]) -> None:
        """Set the whitening from a sample of frames. Near-constant channels are left unscaled."""
        flat = self.raw(frames).flatten(0, 1)
        self.mean.copy_(flat.mean(0))
        deviation = flat.std(0)
        self.scale.copy_(torch.where(deviation > 1e-4, deviation, torch.ones_like(deviation)))

    def encode(self, frames: Float[Tensor, "N C h w"]) -> Float[Tensor, "N n c"]:
        return (self.raw(frames) - self.mean) / self.scale

    def decode(self, latents: Float[Tensor, "N n c"], reference: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        return self.draw(latents * self.scale + self.mean, reference)


@runtime_checkable
class CodecSettings(Protocol):
    title: ClassVar[str]

    def build(self, size: tuple[int, int]) -> Codec:
        """The weights, for frames of height and width. Raises SpecError if they cannot be cut that way."""
        ...
