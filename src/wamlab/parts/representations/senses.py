"""What else was measured, as numbers: force, touch, poses; what is seen of it, or what lies ahead."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...data.transforms import floors
from ...errors import SpecError
from ...fields import count
from ...signals import MODALITIES, STATE
from ...types import Batch, Need
from .base import Content, Moment, Site


def spread(values: Float[Tensor, "N c"], limits: tuple[tuple[float, ...], tuple[float, ...]] | None) -> Float[Tensor, "c"]:
    """Standard deviation per channel, the same in every unit; channels that hardly vary are not blown up."""
    least = torch.from_numpy(floors(values.cpu().numpy(), limits)).to(values)
    return torch.maximum(values.std(0, correction=min(1, len(values) - 1)), least)


@dataclass(frozen=True)
class Sense:
    """Numbers measured at every observation (`Episode.modalities`), a token for each step of history by their mean and
    deviation; or ahead, a token for each of the future's offsets: the change since the chunk's start, in units of usual change.

    Raises:
        SpecError: for a shape that is none.
    """

    name: str
    shape: tuple[int, ...]
    """numbers per step, such as (6,) for forces and torques; a table of numbers is read as one row"""
    ahead: bool = False
    doing: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for size in self.shape:
            count(f"Sense {self.name!r}, shape", size, 4096)

    @property
    def title(self) -> str:
        return self.name

    def build(self, site: Site) -> Content:
        kind = OutlookContent if self.ahead else SenseContent
        return kind(site, MODALITIES + self.name, self.shape, self.shape)


def no_future(name: str) -> SpecError:
    """Why nothing can lie ahead where the model has no offsets."""
    return SpecError("what lies ahead has no place in time", where=name, expected="Streams.offsets", got="none",
                     fix="call one stream of the model \"future\", or leave this one out")


class SignalContent(Content):
    """Numbers of one signal.

    Args:
        shape: of one step. told: the same, where the data is to be held to it.
    """

    def __init__(self, site: Site, name: str, shape: tuple[int, ...], told: tuple[int, ...] | None):
        super().__init__()
        self.name, self.shape, self.width = name, shape, math.prod(shape)
        self.past, self.offsets = site.past, site.offsets
        self.needs = {name: Need(self.steps_read, (), told)}

    @property
    def steps_read(self) -> tuple[int, ...]:
        return self.past

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        return moment.signal(self.name, self.past).known.all(1)


class SenseContent(SignalContent):
    """What was seen of it."""

    mean: Tensor
    scale: Tensor

    def __init__(self, site: Site, name: str, shape: tuple[int, ...], told: tuple[int, ...] | None):
        super().__init__(site, name, shape, told)
        self.tokens = site.history
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))

    def encode(self, moment: Moment) -> Float[Tensor, "B H c"]:
        """Zeros where it is unknown."""
        found = moment.signal(self.name, self.past)
        return (found.values.flatten(2) - self.mean) / self.scale * found.known[..., None]

    def fit_signals(self, moment: Moment) -> None:
        found = moment.signal(self.name, self.past)
        if found.known.any():
            values = found.values.flatten(2)[found.known]
            self.mean.copy_(values.mean(0))
            self.scale.copy_(spread(values, None))


class OutlookContent(SignalContent):
    """What lies ahead of it: each token the change since the chunk's start, shown what is now."""

    mean: Tensor
    scale: Tensor
    usual: Tensor

    def __init__(self, site: Site, name: str, shape: tuple[int, ...], told: tuple[int, ...] | None):
        super().__init__(site, name, shape, told)
        self.tokens = self.steps = len(site.offsets)
        self.seen = self.width
        if not site.offsets:
            raise no_future(name)
        for buffer, start in (("mean", 0.0), ("scale", 1.0), ("usual", 1.0)):
            self.register_buffer(buffer, torch.full((self.width,), start))

    @property
    def steps_read(self) -> tuple[int, ...]:
        """The context's proprioception is at hand in any case."""
        return self.offsets if self.name == STATE else (0, *self.offsets)

    def now(self, moment: Moment) -> Float[Tensor, "B c"]:
        """Zeros where it is unknown."""
        if self.name == STATE:
            return moment.context.state[:, -1] * moment.context.known[:, None]
        found = moment.signal(self.name, (0,))
        return found.values.flatten(2)[:, 0] * found.known

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        return moment.context.known if self.name == STATE else moment.signal(self.name, (0,)).known[:, 0]

    def beside(self, moment: Moment) -> Float[Tensor, "B F c"]:
        now = (self.now(moment) - self.mean) / self.scale * self.known(moment)[:, None]
        return now[:, None].expand(-1, self.tokens, -1)

    def encode(self, moment: Moment) -> Float[Tensor, "B F c"]:
        ahead = moment.signals[self.name].at(self.offsets)
        changed = (ahead.values.flatten(2) - self.now(moment)[:, None]) / self.usual
        return changed * self.known(moment)[:, None, None]

    def decode(self, values: Float[Tensor, "B F c"], moment: Moment) -> Tensor:
        """[B, F, *shape]."""
        return (values * self.usual + self.now(moment)[:, None]).unflatten(2, self.shape)

    def mask(self, batch: Batch) -> Bool[Tensor, "B F"]:
        return batch.signals[self.name].at(self.offsets).known

    def fit_signals(self, moment: Moment) -> None:
        ahead, here = moment.signals[self.name].at(self.offsets), self.known(moment)
        if not here.any():
            return
        now = self.now(moment)
        self.mean.copy_(now[here].mean(0))
        self.scale.copy_(spread(now[here], None))
        known = ahead.known & here[:, None]
        if known.any():
            changes = (ahead.values.flatten(2) - now[:, None])[known]
            # What never changes is measured by its own spread: a change of that size is no small one.
            usual = changes.pow(2).mean(0).sqrt()
            self.usual.copy_(torch.maximum(usual, 1e-3 * self.scale))
