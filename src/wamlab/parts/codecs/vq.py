"""Frames as codes: an autoencoder whose few numbers per place are rounded to a grid (FSQ, arXiv 2309.15505).

A learned codebook has a known trap: codes that are not chosen do not learn, and few may be left in use. Here is nothing to
choose: each number is squeezed into a range and rounded, and a code is the cell of the grid. How many cells are in use is
measured all the same (`usage`), since an encoder may still leave a number constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor

from ...errors import SpecError
from .autoencoder import ConvBase, rebuilding

MOST = 2**16
"""codes that no codec needs"""


@dataclass(frozen=True)
class VectorQuantised:
    title: ClassVar[str] = "codes"
    levels: tuple[int, ...] = (8, 8, 8)
    """steps of each number; their product is the number of codes"""
    channels: int = 24
    """width of the first convolution"""

    def build(self, size: tuple[int, int]) -> CodeCodec:
        return CodeCodec(self, size)


class CodeCodec(ConvBase):
    """A token stands for 8 x 8 pixels."""

    trained = True
    top: Tensor
    basis: Tensor

    def __init__(self, config: VectorQuantised, size: tuple[int, int]):
        product = math.prod(config.levels)
        if not config.levels or min(config.levels) < 2 or not 2 <= product <= MOST:
            raise SpecError("a code is a cell of a grid", where="VectorQuantised.levels", got=config.levels,
                            expected=f"whole numbers from 2, whose product is at most {MOST}")
        super().__init__(len(config.levels), config.channels, size, 8)
        self.classes, self.width = product, 0
        self.register_buffer("top", torch.tensor(config.levels, dtype=torch.float32) - 1, persistent=False)
        self.register_buffer("basis", torch.tensor([math.prod(config.levels[:i]) for i in range(len(config.levels))]),
                             persistent=False)

    def cells(self, frames: Float[Tensor, "N C h w"]) -> Float[Tensor, "N n d"]:
        """Per number of each place, the step 0..levels - 1 that it falls on; gradients pass as if nothing were rounded."""
        x = rearrange(self.encoder(frames * 2 - 1), "n c y x -> n (y x) c").sigmoid() * self.top
        return x + (x.round() - x).detach()

    def raw(self, frames: Float[Tensor, "N C h w"]) -> Float[Tensor, "N n d"]:
        """Numbers in [-1, 1]."""
        return self.cells(frames) / self.top * 2 - 1

    def draw(self, latents: Float[Tensor, "N n d"], reference: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        return self.painted(rearrange(latents, "n (y x) c -> n c y x", y=self.rows), reference)

    def loss(self, frames: Float[Tensor, "N C h w"], reference: Float[Tensor, "N C h w"]) -> Tensor:
        return rebuilding(self.draw(self.raw(frames), reference), frames, reference)

    @torch.no_grad()
    def fit(self, frames: Float[Tensor, "N C h w"]) -> None:
        """Codes have no scale."""

    @torch.no_grad()
    def encode(self, frames: Float[Tensor, "N C h w"]) -> Int64[Tensor, "N n"]:
        return (self.cells(frames).round().long() * self.basis).sum(-1)

    def decode(self, latents: Int64[Tensor, "N n"], reference: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        cell = latents[..., None] // self.basis % (self.top.long() + 1)
        return self.draw(cell / self.top * 2 - 1, reference)


def usage(codes: Int64[Tensor, "..."], classes: int) -> dict[str, float]:
    """Of all codes: how many are in use, and the perplexity (the number of codes that, used equally, would say as much)."""
    share = torch.bincount(codes.flatten().cpu(), minlength=classes).double()
    share = share / share.sum()
    return {"classes": classes, "used": int((share > 0).sum()),
            "perplexity": round(torch.special.entr(share).sum().exp().item(), 1)}
