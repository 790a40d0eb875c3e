"""What is given in every question: the instruction, proprioception, frames seen so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...data.transforms import floors
from ...fields import whole
from ..conditioning import FrameEncoder, hashed_words
from .base import Content, Moment, Site


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
    """Proprioception, a token for each step of history."""

    title: ClassVar[str] = "state"
    ahead: ClassVar[bool] = False
    doing: ClassVar[bool] = False

    def build(self, site: Site) -> Content:
        return StateContent(site)


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
        whole("Registers.number", self.number, 1024)

    def build(self, site: Site) -> Content:
        return RegistersContent(self)


class RegistersContent(Content):
    width = 1

    def __init__(self, config: Registers):
        super().__init__()
        self.tokens = config.number

    def encode(self, moment: Moment) -> Float[Tensor, "B n 1"]:
        return torch.ones(len(moment.context), self.tokens, 1, device=moment.context.state.device)


def spread(values: Float[Tensor, "N c"], limits: tuple[tuple[float, ...], tuple[float, ...]] | None) -> Float[Tensor, "c"]:
    """Standard deviation per channel, the same in every unit; channels that hardly vary are not blown up."""
    least = torch.from_numpy(floors(values.cpu().numpy(), limits)).to(values)
    return torch.maximum(values.std(0, correction=min(1, len(values) - 1)), least)


@dataclass(frozen=True)
class Seen:
    """The frames of the context, through a convolutional encoder that is trained with the model."""

    title: ClassVar[str] = "frames"
    ahead: ClassVar[bool] = False
    doing: ClassVar[bool] = False

    def build(self, site: Site) -> Content:
        return SeenContent(site)


class SeenContent(Content):
    def __init__(self, site: Site):
        super().__init__()
        self.size = site.spec.image_size
        self.tokens = site.history * ((self.size[0] // 16) * (self.size[1] // 16) + 1)

    def encode(self, moment: Moment) -> Float[Tensor, "B H C h w"]:
        return moment.context.frames.float() / 255

    def embedding(self, width: int) -> nn.Module:
        return SeenEmbedding(width, self.size)


class SeenEmbedding(nn.Module):
    def __init__(self, width: int, size: tuple[int, int]):
        super().__init__()
        self.encoder = FrameEncoder(width, size)

    def forward(self, values: Float[Tensor, "B H C h w"], beside: None) -> Float[Tensor, "B n d"]:
        return self.encoder(values)

