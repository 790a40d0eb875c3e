"""Future frames as a codec's codes: what each place will look like, one of so many."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float, Int64
from torch import Tensor

from ...errors import SpecError
from ..codecs import CodecSettings, VectorQuantised
from .base import Content, Moment, Site
from .frames import FilmContent


@dataclass(frozen=True)
class Codes:
    """The future's frames as codes of their own, frame after frame and row after row; a frame is a run of its own."""

    codec: CodecSettings = field(default_factory=VectorQuantised)
    camera: str = ""
    """one of the task's; "": the main one"""
    ahead: ClassVar[bool] = True
    doing: ClassVar[bool] = False

    @property
    def title(self) -> str:
        return self.codec.title

    def build(self, site: Site) -> Content:
        return CodeContent(self, site)


class CodeContent(FilmContent):
    def __init__(self, config: Codes, site: Site):
        codec = site.codec(config.codec)
        if not codec.classes:
            raise SpecError("this codec makes numbers, not codes", where="Codes.codec", got=config.codec,
                            expected="a codec of codes, as VectorQuantised", fix="hold its numbers in Latents")
        super().__init__(codec, config.camera, site)
        self.classes = codec.classes

    def encode(self, moment: Moment) -> Int64[Tensor, "B n"]:
        return self.later(moment).flatten(1)

    def decode(self, values: Int64[Tensor, "B n"], moment: Moment) -> Float[Tensor, "B F C h w"]:
        return self.painted(values.unflatten(1, (len(self.offsets), -1)), moment)

    def fit_latents(self, latents: Int64[Tensor, "N S n"]) -> None:
        """Codes have no scale."""
