"""What else was measured, as pictures: depth; what is seen of it, or what lies ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...errors import SpecError
from ...fields import count
from ...signals import MODALITIES
from ...types import Batch
from ..conditioning import FrameEncoder
from .base import Content, Moment, Site
from .senses import SignalContent, no_future, spread


@dataclass(frozen=True)
class Picture:
    """A picture of numbers measured at every observation, such as "depth" in metres: as large as the task's frames, through a
    convolutional encoder of its own, by the mean and deviation of all its numbers; or ahead, a token for each patch of each
    future picture: the change since the chunk's start, in units of usual change. Labels (segmentation) are no numbers.

    Raises:
        SpecError: if pictures ahead cannot be cut into such patches.
    """

    name: str
    ahead: bool = False
    patch: int = 8
    """pixels along a side of what one token ahead holds"""
    doing: ClassVar[bool] = False

    def __post_init__(self) -> None:
        count(f"Picture {self.name!r}, patch", self.patch, 1024)

    @property
    def title(self) -> str:
        return self.name

    def build(self, site: Site) -> Content:
        if self.ahead:
            return PatchContent(site, MODALITIES + self.name, self.patch)
        return PictureContent(site, MODALITIES + self.name, site.spec.image_size, site.spec.image_size)


class PatchContent(SignalContent):
    """What lies ahead of a picture: each token the change of a patch, shown the same patch now."""

    mean: Tensor
    scale: Tensor
    usual: Tensor

    def __init__(self, site: Site, name: str, patch: int):
        size = site.spec.image_size
        super().__init__(site, name, size, size)
        if any(side % patch for side in size):
            raise SpecError("the picture is no whole number of patches", where=f"{name}, Picture.patch",
                            expected=f"a divisor of {size[0]} and {size[1]}", got=patch)
        if not site.offsets:
            raise no_future(name)
        self.patch, self.width, self.steps = patch, patch * patch, len(site.offsets)
        self.tokens = self.steps * (size[0] // patch) * (size[1] // patch)
        self.seen = self.width
        for buffer, start in (("mean", 0.0), ("scale", 1.0), ("usual", 1.0)):
            self.register_buffer(buffer, torch.full((1,), start))

    @property
    def steps_read(self) -> tuple[int, ...]:
        return (0, *self.offsets)

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        return moment.signal(self.name, (0,)).known[:, 0]

    def now(self, moment: Moment) -> Float[Tensor, "B 1 h w"]:
        """Zeros where it is unknown."""
        found = moment.signal(self.name, (0,))
        return found.values * found.known[:, :, None, None]

    def cut(self, pictures: Float[Tensor, "B S h w"]) -> Float[Tensor, "B n c"]:
        p = self.patch
        return pictures.unflatten(3, (-1, p)).unflatten(2, (-1, p)).permute(0, 1, 2, 4, 3, 5).flatten(4).flatten(1, 3)

    def beside(self, moment: Moment) -> Float[Tensor, "B n c"]:
        now = (self.now(moment) - self.mean) / self.scale * self.known(moment)[:, None, None, None]
        return self.cut(now).repeat(1, self.steps, 1)

    def encode(self, moment: Moment) -> Float[Tensor, "B n c"]:
        ahead = moment.signals[self.name].at(self.offsets).values
        return self.cut((ahead - self.now(moment)) / self.usual * self.known(moment)[:, None, None, None])

    def decode(self, values: Float[Tensor, "B n c"], moment: Moment) -> Float[Tensor, "B F h w"]:
        (h, w), p = self.shape, self.patch
        rows = values.unflatten(1, (self.steps, h // p, w // p)).unflatten(4, (p, p)).permute(0, 1, 2, 4, 3, 5)
        return rows.flatten(4).flatten(2, 3) * self.usual + self.now(moment)

    def mask(self, batch: Batch) -> Bool[Tensor, "B n"]:
        return batch.signals[self.name].at(self.offsets).known.repeat_interleave(self.tokens // self.steps, 1)

    def fit_signals(self, moment: Moment) -> None:
        ahead, here, now = moment.signals[self.name].at(self.offsets), self.known(moment), self.now(moment)
        if not here.any():
            return
        values = now[here].flatten()[:, None]
        self.mean.copy_(values.mean(0))
        self.scale.copy_(spread(values, None))
        known = ahead.known & here[:, None]
        if known.any():
            usual = (ahead.values - now)[known].pow(2).mean().sqrt()
            self.usual.copy_(torch.maximum(usual, 1e-3 * self.scale))


class PictureContent(SignalContent):
    mean: Tensor
    scale: Tensor

    def __init__(self, site: Site, name: str, shape: tuple[int, ...], told: tuple[int, ...] | None):
        super().__init__(site, name, shape, told)
        self.tokens = site.history * ((shape[0] // 16) * (shape[1] // 16) + 1)
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("scale", torch.ones(1))

    def encode(self, moment: Moment) -> Float[Tensor, "B H 1 h w"]:
        """Zeros where it is unknown."""
        found = moment.signal(self.name, self.past)
        return ((found.values - self.mean) / self.scale * found.known[..., None, None])[:, :, None]

    def embedding(self, width: int) -> nn.Module:
        return PictureEmbedding(width, (self.shape[0], self.shape[1]))

    def fit_signals(self, moment: Moment) -> None:
        found = moment.signal(self.name, self.past)
        if found.known.any():
            values = found.values[found.known].flatten()[:, None]
            self.mean.copy_(values.mean(0))
            self.scale.copy_(spread(values, None))


class PictureEmbedding(nn.Module):
    def __init__(self, width: int, size: tuple[int, int]):
        super().__init__()
        self.encoder = FrameEncoder(width, size, planes=1)

    def forward(self, values: Float[Tensor, "B H 1 h w"], beside: None) -> Float[Tensor, "B n d"]:
        return self.encoder((values + 1) / 2)  # it takes the middle of its range to be 1/2
