"""Future frames as a codec's latents: each token the change of one place since the chunk's start; and what all that a codec
writes down has in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ...errors import SpecError
from ...fields import LARGEST, count, number
from ...signals import FRAMES
from ...types import Batch, Need
from ..codecs import Codec, CodecSettings, ConvAutoencoder
from ..codecs.likeness import unlikeness
from .base import Content, Moment, Site
from .senses import no_future

LATENTS = "latents/"
"""before a camera's name: what the codec makes of its frames now and ahead, where it is cached"""


@dataclass(frozen=True)
class Latents:
    """The future's frames, in units of usual motion. Each token is shown the latent of the same place now."""

    codec: CodecSettings = field(default_factory=ConvAutoencoder)
    camera: str = ""
    """one of the task's; "": the main one. All streams of frames share one codec, which is trained on all their cameras"""
    pixels: float = 0.0
    """weight of the pictures' own error (`unlikeness`) beside that of the latents; what draws in the codec learns it too"""
    pictures: int = 8
    """situations of a batch whose pictures are drawn for that"""
    ahead: ClassVar[bool] = True
    doing: ClassVar[bool] = False

    def __post_init__(self) -> None:
        number("Latents.pixels", self.pixels, 0, LARGEST)
        count("Latents.pictures", self.pictures, 2**16)

    @property
    def title(self) -> str:
        return self.codec.title

    def build(self, site: Site) -> Content:
        return LatentContent(self, site)


class FilmContent(Content):
    """Future frames of one camera, written down by a codec."""

    codec: Codec

    def __init__(self, codec: Codec, camera: str, site: Site):
        super().__init__()
        if not site.offsets:
            raise no_future(f"frames of camera {camera or site.spec.cameras[0]}")
        self.codec, self.offsets, self.camera = codec, site.offsets, camera
        self.signal = FRAMES + camera
        self.needs = {self.signal: Need((0, *site.offsets))} if camera else {}
        self.tokens, self.steps = len(site.offsets) * codec.tokens, len(site.offsets)

    def cached(self, moment: Moment) -> Tensor | None:
        """What the codec makes of now and of the future frames [B, S, n, ...], where it is kept; zeros where the camera is
        unknown."""
        if not self.camera:
            return moment.latents
        found = moment.signals.get(f"{LATENTS}{self.camera}")
        return None if found is None else found.values * like(self.known(moment), found.values)

    def present(self, moment: Moment) -> Float[Tensor, "B C h w"]:
        """The camera's frame of now; black where it is unknown."""
        if not self.camera:
            return moment.context.frames[:, -1].float() / 255
        now = moment.signal(self.signal, (0,))
        return now.values[:, 0].float() / 255 * now.known[:, :, None, None]

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        return moment.signal(self.signal, (0,)).known[:, 0] if self.camera else super().known(moment)

    def given(self, value: Tensor, moment: Moment) -> Moment:
        return super().given(value, moment) if self.camera else replace(moment, future=value)

    def later(self, moment: Moment) -> Tensor:
        """What the codec makes of the future frames [B, F, n, ...]."""
        cached = self.cached(moment)
        if cached is not None:
            return cached[:, 1:]
        future = self.coming(moment)
        return self.codec.encode(future.flatten(0, 1)).unflatten(0, future.shape[:2])

    def coming(self, moment: Moment) -> Float[Tensor, "B F C h w"]:
        """The future frames in [0, 1]; black where the camera is unknown."""
        if not self.camera:
            assert moment.future is not None
            return moment.future
        ahead = moment.signals[self.signal].at(self.offsets).values
        ahead = ahead if ahead.is_floating_point() else ahead.float() / 255
        return ahead * like(self.known(moment), ahead)

    def painted(self, written: Tensor, moment: Moment) -> Float[Tensor, "B F C h w"]:
        """The frames of what the codec wrote down [B, F, n, ...], beside the frame of now."""
        many = self.present(moment)[:, None].expand(-1, len(self.offsets), -1, -1, -1)
        return self.codec.decode(written.flatten(0, 1), many.flatten(0, 1)).unflatten(0, written.shape[:2])

    def mask(self, batch: Batch) -> Bool[Tensor, "B n"]:
        known = batch.signals[self.signal].at(self.offsets).known if self.camera else batch.future_mask
        return known.repeat_interleave(self.codec.tokens, 1)


def like(known: Bool[Tensor, "B"], values: Tensor) -> Tensor:
    """Shaped to multiply values [B, ...]."""
    return known.reshape(-1, *[1] * (values.dim() - 1))


class LatentContent(FilmContent):
    motion: Tensor

    def __init__(self, config: Latents, site: Site):
        codec = site.codec(config.codec)
        if codec.classes:
            raise SpecError("this codec makes codes, not numbers", where="Latents.codec", got=config.codec,
                            expected="a codec of numbers, as ConvAutoencoder", fix="hold its codes in Codes")
        super().__init__(codec, config.camera, site)
        self.pixels, self.pictures = config.pixels, config.pictures
        self.width = self.seen = codec.width
        self.register_buffer("motion", torch.ones(self.width))

    def now(self, moment: Moment) -> Float[Tensor, "B n c"]:
        """The latents of the chunk's first frame."""
        cached = self.cached(moment)
        return self.codec.encode(self.present(moment)) if cached is None else cached[:, 0]

    def beside(self, moment: Moment) -> Float[Tensor, "B n c"]:
        return self.now(moment).repeat(1, len(self.offsets), 1)

    def encode(self, moment: Moment) -> Float[Tensor, "B n c"]:
        return ((self.later(moment) - self.now(moment)[:, None]) / self.motion).flatten(1, 2)

    def decode(self, values: Float[Tensor, "B n c"], moment: Moment) -> Float[Tensor, "B F C h w"]:
        return self.painted(values.unflatten(1, (len(self.offsets), -1)) * self.motion + self.now(moment)[:, None], moment)

    def unlike(self, values: Float[Tensor, "B n c"], moment: Moment, rows: Int64[Tensor, "R"]) -> Float[Tensor, "R F"]:
        """How unlike the pictures of some situations are to what came: see `unlikeness`."""
        offsets = len(self.offsets)
        latents = values[rows].unflatten(1, (offsets, -1)) * self.motion + self.now(moment)[rows, None]
        now = self.present(moment)[rows, None].expand(-1, offsets, -1, -1, -1).flatten(0, 1)
        drawn = self.codec.decode(latents.flatten(0, 1), now)
        return unlikeness(drawn, self.coming(moment)[rows].flatten(0, 1), now).unflatten(0, (-1, offsets))

    def fit_signals(self, moment: Moment) -> None:
        here = self.known(moment)
        if self.camera and here.any():
            cached, inside = self.cached(moment), moment.signals[self.signal].at(self.offsets).known.all(1)
            latents = torch.stack([self.now(moment), *self.later(moment).unbind(1)], 1) if cached is None else cached
            self.fit_latents(latents[inside if inside.any() else here])

    def fit_latents(self, latents: Float[Tensor, "N S n c"]) -> None:
        self.motion.copy_((latents[:, 1:] - latents[:, :1]).pow(2).mean((0, 1, 2)).sqrt().clamp_min(1e-3))
