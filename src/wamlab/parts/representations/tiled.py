"""A signal as one more latent frame: its numbers are repeated until they fill the frame's tokens (latent injection, as in
Cosmos Policy, arXiv 2601.16163)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...errors import SpecError
from ...types import Batch
from ..codecs import CodecSettings, ConvAutoencoder
from .base import Content, Moment, Representation, Site


@dataclass(frozen=True)
class Tiled:
    """Another representation of numbers, repeated to fill one latent frame, and averaged over its copies when decoded.

    Every token of the frame holds one of the signal's tokens (or, where it has more than the frame, a few that follow one
    another), so that what is unknown of the signal is unknown of whole tokens.
    """

    holds: Representation
    """the signal"""
    frame: CodecSettings = field(default_factory=ConvAutoencoder)
    """the codec whose frame is filled: that of the future"""
    ahead: ClassVar[bool] = True

    @property
    def title(self) -> str:
        return f"tiled {self.holds.title}"

    @property
    def doing(self) -> bool:
        return self.holds.doing

    def build(self, site: Site) -> Content:
        return TiledContent(self, site)


class TiledContent(Content):
    """Raises SpecError if the signal is made of codes or does not fit into the frame."""

    place: Tensor
    """[n * w], for each number of the frame: its place among the signal's numbers"""
    whose: Tensor
    """[n, k], for each token of the frame: the signal's tokens that it holds"""

    def __init__(self, config: Tiled, site: Site):
        super().__init__()
        self.inner = config.holds.build(site)
        self.needs, self.called = self.inner.needs, self.inner.called
        with torch.device("meta"):  # its sizes alone are wanted
            frame = config.frame.build(site.spec.image_size)
        self.tokens, self.width = frame.tokens, frame.width
        many, wide = self.inner.tokens, self.inner.width
        each = -(-many // self.tokens)
        if self.inner.classes or not 0 < each * wide <= self.width:
            raise SpecError("the signal does not fit into a latent frame", where=f"Tiled, {config.holds.title}",
                            expected=f"at most {self.tokens} tokens of {self.width} numbers",
                            got=f"{many} tokens of {wide} numbers" if not self.inner.classes else "codes",
                            fix="give it a stream of its own without Tiled, or a codec with wider tokens")
        groups = -(-many // each)
        whose = ((torch.arange(self.tokens) % groups * each)[:, None] + torch.arange(each)) % many
        held = (whose[:, :, None] * wide + torch.arange(wide)).flatten(1)
        self.register_buffer("whose", whose, persistent=False)
        self.register_buffer("place", held[:, torch.arange(self.width) % held.shape[1]].flatten(), persistent=False)

    def encode(self, moment: Moment) -> Float[Tensor, "B n w"]:
        return self.inner.encode(moment).flatten(1)[:, self.place].unflatten(1, (self.tokens, self.width))

    def decode(self, values: Float[Tensor, "B n w"], moment: Moment) -> Tensor:
        total = values.new_zeros(len(values), self.inner.tokens * self.inner.width)
        copies = torch.bincount(self.place, minlength=total.shape[1])
        mean = total.index_add(1, self.place, values.flatten(1)) / copies
        return self.inner.decode(mean.unflatten(1, (self.inner.tokens, self.inner.width)), moment)

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        return self.inner.known(moment)

    def mask(self, batch: Batch) -> Bool[Tensor, "B n"]:
        return self.inner.mask(batch)[:, self.whose].all(-1)

    def given(self, value: Tensor, moment: Moment) -> Moment:
        return self.inner.given(value, moment)

    def fit_signals(self, moment: Moment) -> None:
        self.inner.fit_signals(moment)

    def fit(self, action: Float[Tensor, "N A"], state: Float[Tensor, "M P"]) -> None:
        self.inner.fit(action, state)
