"""A convolutional autoencoder whose decoder also sees a reference frame.

The latent has to carry only what cannot be copied: the decoder mixes, pixel by pixel, what it paints with what the
reference shows. A static background then costs nothing and stays sharp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import SpecError
from .base import Codec


@dataclass(frozen=True)
class ConvAutoencoder:
    title: ClassVar[str] = "latents"
    latent: int = 8
    """numbers per 8 x 8 pixels; a token stands for 16 x 16 pixels, so it holds four times as many"""
    channels: int = 24
    """width of the first convolution"""

    def build(self, size: tuple[int, int]) -> ConvCodec:
        return ConvCodec(self, size)


def down(a: int, b: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 4, 2, 1), nn.GELU())


def up(a: int, b: int) -> nn.Sequential:
    """Pixel shuffle instead of transposed convolution: fewer operations, no checkerboard at this size."""
    return nn.Sequential(nn.Conv2d(a, 4 * b, 3, 1, 1), nn.PixelShuffle(2), nn.GELU())


class ConvBase(Codec):
    """Frames to `latent` numbers per 8 x 8 pixels, and back beside a reference; a token stands for `side` x `side` pixels."""

    def __init__(self, latent: int, channels: int, size: tuple[int, int], side: int):
        super().__init__()
        if size[0] % side or size[1] % side:
            raise SpecError(f"the autoencoder's tokens stand for {side} x {side} pixels", where="TaskSpec.image_size",
                            expected=f"multiples of {side}", got=size)
        c = channels
        self.encoder = nn.Sequential(down(3, c), down(c, 2 * c), down(2 * c, 4 * c),
                                     nn.Conv2d(4 * c, 4 * c, 3, 1, 1), nn.GELU(), nn.Conv2d(4 * c, latent, 1))
        # The reference's own pyramid, so that the decoder knows what is already in the picture.
        self.seen = nn.ModuleList([down(3, c // 2), down(c // 2, c), down(c, c)])
        self.open = nn.Sequential(nn.Conv2d(latent + c, 4 * c, 3, 1, 1), nn.GELU())
        self.ups = nn.ModuleList([up(4 * c, 2 * c), up(3 * c, c)])
        self.paint = nn.Sequential(nn.Conv2d(c + c // 2, 4 * 4, 3, 1, 1), nn.PixelShuffle(2))
        self.rows, self.columns = size[0] // side, size[1] // side
        self.tokens = self.rows * self.columns

    def freeze(self, drawing: bool = False) -> None:
        super().freeze()
        for name, part in self.named_children():
            part.requires_grad_(drawing and name != "encoder")

    def painted(self, grid: Float[Tensor, "N c y x"], reference: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        """The frame of which `grid` tells, a place for every 8 x 8 pixels."""
        h = reference * 2 - 1
        seen = []
        for layer in self.seen:
            h = layer(h)
            seen.append(h)
        x = self.ups[0](self.open(torch.cat([grid, seen[2]], 1)))
        x = self.ups[1](torch.cat([x, seen[1]], 1))
        painted = self.paint(torch.cat([x, seen[0]], 1))
        keep = painted[:, 3:].sigmoid()
        return (keep * reference + (1 - keep) * painted[:, :3].sigmoid()).clamp(0, 1)


def rebuilding(painted: Float[Tensor, "N C h w"], frames: Float[Tensor, "N C h w"],
               reference: Float[Tensor, "N C h w"]) -> Tensor:
    """Squared error over all pixels, plus squared error over those that differ from the reference, however few: what moves may
    be small, and an error averaged over the whole picture would let it vanish."""
    error = (painted - frames) ** 2
    changed = ((frames - reference).abs().amax(1, keepdim=True) > 0.05).float()
    return error.mean() + (error * changed).sum() / (3 * changed.sum()).clamp_min(1)


class ConvCodec(ConvBase):
    trained = True

    def __init__(self, config: ConvAutoencoder, size: tuple[int, int]):
        super().__init__(config.latent, config.channels, size, 16)
        self.prepare(4 * config.latent)

    def raw(self, frames: Float[Tensor, "N C h w"]) -> Float[Tensor, "N n c"]:
        return rearrange(self.encoder(frames * 2 - 1), "n c (y p) (x q) -> n (y x) (p q c)", p=2, q=2)

    def draw(self, latents: Float[Tensor, "N n c"], reference: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        return self.painted(rearrange(latents, "n (y x) (p q c) -> n c (y p) (x q)", p=2, q=2, y=self.rows), reference)

    def loss(self, frames: Float[Tensor, "N C h w"], reference: Float[Tensor, "N C h w"]) -> Tensor:
        """A small penalty keeps raw latents near unit size."""
        latents = self.raw(frames)
        return rebuilding(self.draw(latents, reference), frames, reference) + 1e-4 * (latents**2).mean()
