"""What a chunk leads to, beside frames: where the body will be, and how near success is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...fields import number
from ...types import Batch
from .base import Content, Moment, Site
from .senses import spread


@dataclass(frozen=True)
class After:
    """Proprioception at the future's last offset: one token. Its stream is called "after"; asked and answered as [B, P]."""

    title: ClassVar[str] = "state after"
    ahead: ClassVar[bool] = True
    doing: ClassVar[bool] = False

    def build(self, site: Site) -> Content:
        return AfterContent(site)


class AfterContent(Content):
    tokens, called = 1, "after"
    mean: Tensor
    scale: Tensor

    def __init__(self, site: Site):
        super().__init__()
        self.width = len(site.spec.state)
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))

    def told(self, moment: Moment) -> Float[Tensor, "B P"]:
        """NaN where it is unknown."""
        unknown = torch.full((len(moment.context), self.width), torch.nan, device=moment.context.state.device)
        return moment.others.get("after", unknown)

    def encode(self, moment: Moment) -> Float[Tensor, "B 1 P"]:
        """Zeros where it is unknown."""
        return ((self.told(moment) - self.mean) / self.scale).nan_to_num(0.0)[:, None]

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        return ~self.told(moment).isnan().any(-1)

    def decode(self, values: Float[Tensor, "B 1 P"], moment: Moment) -> Float[Tensor, "B P"]:
        return values[:, 0] * self.scale + self.mean

    def mask(self, batch: Batch) -> Bool[Tensor, "B 1"]:
        return batch.future_mask[:, -1:] & batch.context.known[:, None]

    def fit(self, action: Float[Tensor, "N A"], state: Float[Tensor, "M P"]) -> None:
        if len(state):
            self.mean.copy_(state.mean(0))
            self.scale.copy_(spread(state, None))


@dataclass(frozen=True)
class Value:
    """Discounted success to go at the chunk's end, in [0, 1]: one token. Its stream is called "value"; asked and answered
    as [B].

    `discount` to the power of the steps until the episode's first success; 1 once it has succeeded, 0 if it never does within
    its record; unknown where nobody said how it ended. It is what was reached by whoever acted, so playful episodes are worth
    what they stumble upon, mostly 0.

    Raises:
        SpecError: for a discount that is none.
    """

    title: ClassVar[str] = "value"
    ahead: ClassVar[bool] = True
    doing: ClassVar[bool] = False
    discount: float = 0.97
    """per control step"""

    def __post_init__(self) -> None:
        number("Value.discount", self.discount, 0.0, 1.0, "give a factor per control step, such as 0.97", above=True)

    def build(self, site: Site) -> Content:
        return ValueContent(self)


class ValueContent(Content):
    tokens = width = 1
    called = "value"

    def __init__(self, config: Value):
        super().__init__()
        self.discount = config.discount

    def told(self, moment: Moment) -> Float[Tensor, "B"]:
        """NaN where it is unknown."""
        if "value" in moment.others:
            return moment.others["value"]
        unknown = torch.full((len(moment.context),), torch.nan, device=moment.context.state.device)
        return self.worth(moment.others.get("to_success", unknown))

    def worth(self, steps: Float[Tensor, "B"]) -> Float[Tensor, "B"]:
        """The value so many steps before success."""
        return torch.where(steps.isinf(), 0.0, self.discount**steps)

    def encode(self, moment: Moment) -> Float[Tensor, "B 1 1"]:
        """From -1 to 1; 0 where it is unknown."""
        return (2 * self.told(moment) - 1).nan_to_num(0.0)[:, None, None]

    def known(self, moment: Moment) -> Bool[Tensor, "B"]:
        return ~self.told(moment).isnan()

    def decode(self, values: Float[Tensor, "B 1 1"], moment: Moment) -> Float[Tensor, "B"]:
        return (values[:, 0, 0] + 1) / 2

    def mask(self, batch: Batch) -> Bool[Tensor, "B 1"]:
        if batch.to_success is None:
            return torch.zeros(len(batch), 1, dtype=torch.bool, device=batch.action.device)
        return ~batch.to_success[:, None].isnan()
