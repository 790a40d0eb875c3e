"""A chunk of actions, a token for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...types import Batch
from .base import Content, Moment, Site
from .senses import spread


@dataclass(frozen=True)
class Actions:
    """Actions by the mean and deviation of those trained on."""

    title: ClassVar[str] = "actions"
    ahead: ClassVar[bool] = True
    doing: ClassVar[bool] = True

    def build(self, site: Site) -> Content:
        return ActionContent(site)


class ActionContent(Content):
    mean: Tensor
    scale: Tensor

    def __init__(self, site: Site):
        super().__init__()
        self.limits = (site.spec.action.low, site.spec.action.high)
        self.tokens, self.width, self.steps = site.chunk, site.spec.action.width, site.chunk
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))

    def encode(self, moment: Moment) -> Float[Tensor, "B K A"]:
        assert moment.action is not None
        return self.scaled(moment.action)

    def scaled(self, action: Float[Tensor, "... A"]) -> Float[Tensor, "... A"]:
        return (action - self.mean) / self.scale

    def given(self, value: Tensor, moment: Moment) -> Moment:
        return replace(moment, action=value)

    def decode(self, values: Float[Tensor, "B K A"], moment: Moment) -> Float[Tensor, "B K A"]:
        return values * self.scale + self.mean

    def mask(self, batch: Batch) -> Bool[Tensor, "B K"]:
        return batch.action_mask

    def fit(self, action: Float[Tensor, "N A"], state: Float[Tensor, "M P"]) -> None:
        if len(action):
            self.mean.copy_(action.mean(0))
            self.scale.copy_(spread(action, self.limits))
