"""Future frames as a codec's latents: each token the change of one place since the chunk's start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...types import Batch
from ..codecs import Codec, CodecSettings, ConvAutoencoder
from .base import Content, Moment, Site


@dataclass(frozen=True)
class Latents:
    """The future's frames, in units of usual motion. Each token is shown the latent of the same place now."""

    codec: CodecSettings = field(default_factory=ConvAutoencoder)
    ahead: ClassVar[bool] = True
    doing: ClassVar[bool] = False

    @property
    def title(self) -> str:
        return self.codec.title

    def build(self, site: Site) -> Content:
        return LatentContent(self, site)


class LatentContent(Content):
    motion: Tensor

    def __init__(self, config: Latents, site: Site):
        super().__init__()
        codec = config.codec.build(site.spec.image_size)
        self.codec, self.offsets = codec, site.offsets
        self.tokens, self.width, self.steps = len(site.offsets) * codec.tokens, codec.width, len(site.offsets)
        self.seen = self.width
        self.register_buffer("motion", torch.ones(self.width))

    @property
    def frozen(self) -> Codec:
        assert self.codec is not None
        return self.codec

    def now(self, moment: Moment) -> Float[Tensor, "B n c"]:
        """The latents of the chunk's first frame."""
        if moment.latents is not None:
            return moment.latents[:, 0]
        return self.frozen.encode(moment.context.frames[:, -1].float() / 255)

    def beside(self, moment: Moment) -> Float[Tensor, "B n c"]:
        return self.now(moment).repeat(1, len(self.offsets), 1)

    def encode(self, moment: Moment) -> Float[Tensor, "B n c"]:
        if moment.latents is not None:
            return ((moment.latents[:, 1:] - moment.latents[:, :1]) / self.motion).flatten(1, 2)
        future = moment.future
        assert future is not None
        latents = self.frozen.encode(future.flatten(0, 1)).unflatten(0, future.shape[:2])
        return ((latents - self.now(moment)[:, None]) / self.motion).flatten(1, 2)

    def decode(self, values: Float[Tensor, "B n c"], moment: Moment) -> Float[Tensor, "B F C h w"]:
        count, reference = len(self.offsets), moment.context.frames[:, -1].float() / 255
        latents = values.unflatten(1, (count, -1)) * self.motion + self.now(moment)[:, None]
        many = reference[:, None].expand(-1, count, -1, -1, -1)
        return self.frozen.decode(latents.flatten(0, 1), many.flatten(0, 1)).unflatten(0, latents.shape[:2])

    def mask(self, batch: Batch) -> Bool[Tensor, "B n"]:
        return batch.future_mask.repeat_interleave(self.frozen.tokens, 1)

    def fit_latents(self, latents: Float[Tensor, "N S n c"]) -> None:
        self.motion.copy_((latents[:, 1:] - latents[:, :1]).pow(2).mean((0, 1, 2)).sqrt().clamp_min(1e-3))
