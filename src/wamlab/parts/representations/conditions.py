"""What is given in every question: the instruction, proprioception, frames seen so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...fields import count
from ...signals import FRAMES, STATE
from ...types import Need
from ..conditioning import FrameEncoder, hashed_words
from .base import Content, Moment, Site
from .senses import OutlookContent, spread


@dataclass(frozen=True)
class Words:
    """The instruction, hashed: one token."""

    title: ClassVar[str] = "words"
    ahead: ClassVar[bool] = False
    doing: ClassVar[bool] = False

    def build(self, site: Site) -> Content:
        return WordsContent()


class WordsContent(Content):
    tokens, width = 1, 256

    def encode(self, moment: Moment) -> Float[Tensor, "B 1 w"]:
        rows = torch.tensor([hashed_words(said, self.width) for said in moment.context.instruction])
        # The vectors have unit length over many buckets; the factor brings each entry near unit size.
        return rows.to(moment.context.state.device)[:, None] * 8


@dataclass(frozen=True)
class State:
    """Proprioception, a token for each step of history; or ahead, a token for each of the future's offsets: the change since
    the chunk's start, in units of usual change."""

    ahead: bool = False
    title: ClassVar[str] = "state"
    doing: ClassVar[bool] = False

    def build(self, site: Site) -> Content:
        return OutlookContent(site, STATE, (len(site.spec.state),), None) if self.ahead else StateContent(site)


class StateContent(Content):
    mean: Tensor
    scale: Tensor

    def __init__(self, site: Site):
        super().__init__()
        self.tokens, self.width = site.history, len(site.spec.state)
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))

    def encode(self, moment: Moment) -> Float[Tensor, "B H P"]:
        """Zeros where it is unknown."""
        return (moment.context.state - self.mean) / self.scale * moment.context.known[:, None, None]

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        return moment.context.known

    def fit(self, action: Float[Tensor, "N A"], state: Float[Tensor, "M P"]) -> None:
        if len(state):
            self.mean.copy_(state.mean(0))
            self.scale.copy_(spread(state, None))


@dataclass(frozen=True)
class Registers:
    """Tokens that hold nothing: what they say is learned, as their places are."""

    number: int = 8
    title: ClassVar[str] = "registers"
    ahead: ClassVar[bool] = False
    doing: ClassVar[bool] = False

    def __post_init__(self) -> None:
        count("Registers.number", self.number, 1024)

    def build(self, site: Site) -> Content:
        return RegistersContent(self)


class RegistersContent(Content):
    width = 1

    def __init__(self, config: Registers):
        super().__init__()
        self.tokens = config.number

    def encode(self, moment: Moment) -> Float[Tensor, "B n 1"]:
        return torch.ones(len(moment.context), self.tokens, 1, device=moment.context.state.device)


@dataclass(frozen=True)
class Seen:
    """The frames of the context, through a convolutional encoder that is trained with the model."""

    camera: str = ""
    """one of the task's; "": the main one"""
    title: ClassVar[str] = "frames"
    ahead: ClassVar[bool] = False
    doing: ClassVar[bool] = False

    def build(self, site: Site) -> Content:
        return SeenContent(site, self.camera)


class SeenContent(Content):
    def __init__(self, site: Site, camera: str):
        super().__init__()
        self.size, self.signal = site.spec.image_size, FRAMES + camera if camera else ""
        self.past = site.past
        self.needs = {self.signal: Need(site.past)} if camera else {}
        self.tokens = site.history * ((self.size[0] // 16) * (self.size[1] // 16) + 1)

    def encode(self, moment: Moment) -> Float[Tensor, "B H C h w"]:
        """Black where the camera is unknown."""
        if not self.signal:
            return moment.context.frames.float() / 255
        found = moment.signal(self.signal, self.past)
        return found.values.float() / 255 * found.known[:, :, None, None, None]

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        return moment.signal(self.signal, self.past).known.all(1) if self.signal else super().known(moment)

    def embedding(self, width: int) -> nn.Module:
        return SeenEmbedding(width, self.size)


class SeenEmbedding(nn.Module):
    def __init__(self, width: int, size: tuple[int, int]):
        super().__init__()
        self.encoder = FrameEncoder(width, size)

    def forward(self, values: Float[Tensor, "B H C h w"], beside: None) -> Float[Tensor, "B n d"]:
        return self.encoder(values)

