"""Pixels themselves, cut into patches: lossless, nothing to train, many numbers per token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from ...errors import SpecError
from .base import Codec


@dataclass(frozen=True)
class PixelPatches:
    title: ClassVar[str] = "pixels"
    patch: int = 16
    """side of a patch in pixels"""

    def build(self, size: tuple[int, int]) -> PatchCodec:
        return PatchCodec(self, size)


class PatchCodec(Codec):
    trained = False

    def __init__(self, config: PixelPatches, size: tuple[int, int]):
        super().__init__()
        if size[0] % config.patch or size[1] % config.patch:
            raise SpecError("patches do not tile the image", where="PixelPatches.patch",
                            expected=f"a divisor of {size}", got=config.patch, fix="choose another patch size")
        self.patch, self.rows = config.patch, size[0] // config.patch
        self.tokens = self.rows * (size[1] // config.patch)
        self.prepare(3 * config.patch**2)

    def raw(self, frames: Float[Tensor, "N C h w"]) -> Float[Tensor, "N n c"]:
        return rearrange(frames, "n c (y p) (x q) -> n (y x) (c p q)", p=self.patch, q=self.patch)

    def draw(self, latents: Float[Tensor, "N n c"], reference: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        return rearrange(latents, "n (y x) (c p q) -> n c (y p) (x q)", p=self.patch, q=self.patch, y=self.rows).clamp(0, 1)
