"""A convolutional autoencoder whose decoder also sees a reference frame.

The latent has to carry only what cannot be copied: the decoder mixes, pixel by pixel, what it paints with what the
reference shows. A static background then costs nothing and stays sharp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import SpecError
from .base import Codec


@dataclass(frozen=True)
class ConvAutoencoder:
    title: ClassVar[str] = "latents"
    latent: int = 16
    """numbers per token; a token stands for 16 x 16 pixels"""
    channels: int = 24
    """width of the first convolution"""

    def build(self, size: tuple[int, int]) -> ConvCodec:
        return ConvCodec(self, size)


def down(a: int, b: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 4, 2, 1), nn.GELU())


def up(a: int, b: int) -> nn.Sequential:
    """Pixel shuffle instead of transposed convolution: fewer operations, no checkerboard at this size."""
    return nn.Sequential(nn.Conv2d(a, 4 * b, 3, 1, 1), nn.PixelShuffle(2), nn.GELU())


class ConvCodec(Codec):
    trained = True

    def __init__(self, config: ConvAutoencoder, size: tuple[int, int]):
        super().__init__()
        if size[0] % 16 or size[1] % 16:
            raise SpecError("the autoencoder halves the image four times", where="TaskSpec.image_size",
                            expected="multiples of 16", got=size)
        c = config.channels
        widths = (c, 2 * c, 3 * c, 4 * c)
        self.encoder = nn.Sequential(down(3, widths[0]), down(widths[0], widths[1]), down(widths[1], widths[2]),
                                     down(widths[2], widths[3]), nn.Conv2d(widths[3], config.latent, 1))
        # The reference's own pyramid, so that the decoder knows what is already in the picture.
        self.seen = nn.ModuleList([down(3, c // 2), down(c // 2, c), down(c, c)])
        self.open = nn.Sequential(nn.Conv2d(config.latent, widths[3], 3, 1, 1), nn.GELU())
        self.ups = nn.ModuleList([up(widths[3], widths[2]), up(widths[2] + c, widths[1]), up(widths[1] + c, widths[0])])
        self.paint = nn.Sequential(nn.Conv2d(widths[0] + c // 2, 4 * 4, 3, 1, 1), nn.PixelShuffle(2))
        self.rows, self.columns = size[0] // 16, size[1] // 16
        self.tokens = self.rows * self.columns
        self.prepare(config.latent)

    def raw(self, frames: Float[Tensor, "N C h w"]) -> Float[Tensor, "N n c"]:
        return self.encoder(frames * 2 - 1).flatten(2).transpose(1, 2)

    def draw(self, latents: Float[Tensor, "N n c"], reference: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        h = reference * 2 - 1
        seen = []
        for layer in self.seen:
            h = layer(h)
            seen.append(h)
        x = self.open(latents.transpose(1, 2).unflatten(2, (self.rows, self.columns)))
        x = self.ups[0](x)
        x = self.ups[1](torch.cat([x, seen[2]], 1))
        x = self.ups[2](torch.cat([x, seen[1]], 1))
        painted = self.paint(torch.cat([x, seen[0]], 1))
        keep = painted[:, 3:].sigmoid()
        return (keep * reference + (1 - keep) * painted[:, :3].sigmoid()).clamp(0, 1)

    def loss(self, frames: Float[Tensor, "N C h w"], reference: Float[Tensor, "N C h w"]) -> Tensor:
        """Squared error with a bonus on pixels that differ from the reference, which are few and are what matters.
        A small penalty keeps raw latents near unit size."""
        latents = self.raw(frames)
        error = (self.draw(latents, reference) - frames) ** 2
        changed = ((frames - reference).abs().amax(1, keepdim=True) > 0.05).float()
        return (error * (1 + 4 * changed)).mean() + 1e-4 * (latents**2).mean()
