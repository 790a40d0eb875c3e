"""The contract of a representation: named signals to tokens and back.

A representation is a frozen dataclass of settings that builds a `Content` (its weights and statistics). It owns its
normalisation: what comes in and goes out is in physical units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...errors import SpecError
from ...signals import joined
from ...spec import TaskSpec
from ...types import Batch, Context, Need, Signal
from ..codecs import Codec, CodecSettings


@dataclass(frozen=True)
class Site:
    """What a representation is built for."""

    spec: TaskSpec
    history: int
    """frames of context"""
    chunk: int
    """actions per chunk"""
    offsets: tuple[int, ...]
    """steps ahead of a chunk's start that its future frames show"""
    codecs: dict[CodecSettings, Codec] = field(default_factory=dict)
    """those built so far: streams of frames share one"""

    @property
    def past(self) -> tuple[int, ...]:
        """The steps of the context."""
        return tuple(range(1 - self.history, 1))

    def codec(self, settings: CodecSettings) -> Codec:
        """The codec of these settings, one for all streams.

        Raises:
            SpecError: if another stream of frames has other settings: a model has one codec.
        """
        if self.codecs and settings not in self.codecs:
            raise SpecError("two streams of frames have different codecs", where="Latents.codec",
                            expected=next(iter(self.codecs)), got=settings, fix="give every stream of frames the same codec")
        if settings not in self.codecs:
            self.codecs[settings] = settings.build(self.spec.image_size)
        return self.codecs[settings]


@dataclass(frozen=True, eq=False)
class Moment:
    """All that is known of one chunk of time, for B situations: what was seen at its start, and what followed."""

    context: Context
    future: Float[Tensor, "B F C h w"] | None = None
    """frames in [0, 1]"""
    action: Float[Tensor, "B K A"] | None = None
    """physical units"""
    latents: Tensor | None = None
    """what the codec makes of the frame at the start and of the future ones, where it is cached: [B, 1 + F, n, c] numbers or
    [B, 1 + F, n] codes"""
    others: Mapping[str, Tensor] = field(default_factory=dict)
    """further signals by name, in physical units; NaN where they are unknown"""
    signals: Mapping[str, Signal] = field(default_factory=dict)
    """what else lies ahead of the chunk's start; what was seen until then is the context's"""

    def signal(self, name: str, steps: Iterable[int]) -> Signal:
        """A further signal at steps from the chunk's start."""
        return joined(self.context.signals.get(name), self.signals.get(name)).at(steps)


class Embedding(nn.Module):
    """Numbers (and what each token is shown beside its own) to the width of an expert."""

    def __init__(self, numbers: int, width: int):
        super().__init__()
        self.linear = nn.Linear(numbers, width)

    def forward(self, values: Float[Tensor, "B n c"], beside: Float[Tensor, "B n k"] | None) -> Float[Tensor, "B n d"]:
        return self.linear(values if beside is None else torch.cat([values, beside], -1))


class Content(nn.Module):
    """What one stream holds. Subclasses set the sizes and implement `encode`; the rest as far as it is asked of them."""

    tokens: int
    """tokens of one chunk"""
    width: int = 0
    """numbers per token"""
    classes: int = 0
    """codes that a token may be; 0: it is numbers"""
    steps: int = 1
    """control steps that the tokens stand for, in equal runs"""
    seen: int = 0
    """numbers that each token is shown beside its own"""
    codec: Codec | None
    """what is trained first and then frozen"""
    called: str = ""
    """the only name that its stream may have, where it is found by it; "": any"""
    camera: str = ""
    """whose frames the codec writes down; "": the main one"""
    needs: Mapping[str, Need]
    """further signals that it is made of: see `wamlab.signals`"""

    def __init__(self) -> None:
        super().__init__()
        self.codec, self.needs = None, {}

    def encode(self, moment: Moment) -> Tensor:
        """[B, n, w] numbers near unit size, or [B, n] codes. Raises nothing: whoever asks has seen that the signal is there."""
        raise NotImplementedError

    def given(self, value: Tensor, moment: Moment) -> Moment:
        """The moment with what somebody gives of this stream in physical units, where it is a signal of `needs`."""
        for name, need in self.needs.items():
            if steps := tuple(step for step in need.steps if step > 0):
                known = torch.ones(len(value), len(steps), dtype=torch.bool, device=value.device)
                return replace(moment, signals={**moment.signals, name: Signal(value, known, steps)})
        return moment

    def beside(self, moment: Moment) -> Float[Tensor, "B n k"] | None:
        """What each token is shown beside its own value, known at the chunk's start; None if nothing."""
        return None

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        """In which situations the signal is known; elsewhere it is absent."""
        return torch.ones(len(moment.context), dtype=torch.bool, device=moment.context.state.device)

    def decode(self, values: Tensor, moment: Moment) -> Tensor:
        """The signal in physical units."""
        raise NotImplementedError

    def mask(self, batch: Batch) -> Bool[Tensor, "B n"]:
        """Which tokens of a training batch are within the episode and known."""
        raise NotImplementedError

    def embedding(self, width: int) -> nn.Module:
        """A module from (values, beside) to tokens [B, n, width]."""
        return Embedding(self.width + self.seen, width)

    def fit(self, action: Float[Tensor, "N A"], state: Float[Tensor, "M P"]) -> None:
        """Set the normalisation from known actions and proprioception, of which there may be none."""

    def fit_signals(self, moment: Moment) -> None:
        """Set what depends on the signals of `needs`, from many windows of training data."""

    def fit_latents(self, latents: Float[Tensor, "N S n c"]) -> None:
        """Set what depends on the codec, from latents of now and of the future frames of whole windows."""

    def fit_frames(self, now: Float[Tensor, "N C h w"], future: Float[Tensor, "N F C h w"]) -> None:
        """Set what depends on pictures in [0, 1], from those of now and of the future of whole windows."""


@runtime_checkable
class Representation(Protocol):
    @property
    def title(self) -> str:
        """One word for the table of designs."""
        ...

    @property
    def ahead(self) -> bool:
        """It tells of what lies ahead of the chunk's start."""
        ...

    @property
    def doing(self) -> bool:
        """It tells what is done: learned only from what is worth imitating."""
        ...

    def build(self, site: Site) -> Content: ...
