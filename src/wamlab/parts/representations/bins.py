"""A chunk of actions as codes: each channel of each action one of so many bins (as in RT-2, arXiv 2307.15818)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ...data.transforms import floors
from ...fields import count
from ...types import Batch
from .base import Content, Moment, Site

WIDER = 0.05
"""by which share of the training data's range the bins reach beyond it on either side"""


@dataclass(frozen=True)
class Bins:
    """Equal bins over the range of the actions trained on, widened a little; what lies beyond counts to the last bin."""

    title: ClassVar[str] = "bins"
    ahead: ClassVar[bool] = True
    doing: ClassVar[bool] = True
    count: int = 256
    """bins per channel"""

    def __post_init__(self) -> None:
        count("Bins.count", self.count, 2**16)

    def build(self, site: Site) -> Content:
        return BinContent(self, site)


class BinContent(Content):
    low: Tensor
    step: Tensor

    def __init__(self, config: Bins, site: Site):
        super().__init__()
        self.limits = (site.spec.action.low, site.spec.action.high)
        self.channels, self.classes = site.spec.action.width, config.count
        self.tokens, self.steps = site.chunk * self.channels, site.chunk
        low, high = (torch.tensor(side, dtype=torch.float32) for side in self.limits)
        self.register_buffer("low", low)
        self.register_buffer("step", (high - low) / self.classes)

    def given(self, value: Tensor, moment: Moment) -> Moment:
        return replace(moment, action=value)

    def encode(self, moment: Moment) -> Int64[Tensor, "B n"]:
        assert moment.action is not None
        return ((moment.action - self.low) / self.step).floor().long().clamp(0, self.classes - 1).flatten(1)

    def decode(self, values: Int64[Tensor, "B n"], moment: Moment) -> Float[Tensor, "B K A"]:
        """The middle of each bin."""
        return (values.unflatten(1, (-1, self.channels)) + 0.5) * self.step + self.low

    def mask(self, batch: Batch) -> Bool[Tensor, "B n"]:
        return batch.action_mask.repeat_interleave(self.channels, 1)

    def fit(self, action: Float[Tensor, "N A"], state: Float[Tensor, "M P"]) -> None:
        if len(action):
            low, high = action.amin(0), action.amax(0)
            # A channel that hardly varies still has bins of some width.
            least = torch.from_numpy(floors(action.cpu().numpy(), self.limits)).to(action)
            reach = torch.maximum(high - low, least) * (0.5 + WIDER)
            self.low.copy_((low + high) / 2 - reach)
            self.step.copy_(2 * reach / self.classes)
