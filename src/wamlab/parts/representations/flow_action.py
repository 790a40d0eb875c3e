"""What is seen to be done: optical flow between now and each future frame as a few numbers, known in every video."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ...errors import SpecError
from ...fields import count
from ...types import Batch
from ..optical_flow import optical_flow
from .base import Content, Moment, Site

GRID = 4
"""cells along each side of the picture over which the flow is averaged"""


@dataclass(frozen=True)
class FlowAction:
    """A token for each future frame: the flow from now to it, averaged over cells, by its smoothest patterns (cosines of the
    lowest frequencies, in both directions by turns). Its stream is called "motion"; it is asked and answered as the flow over
    cells [B, F, 2, 4, 4], in pixels to the right and down.

    Raises:
        SpecError: for more numbers than there are patterns.
    """

    numbers: int = 14
    title: ClassVar[str] = "flow"
    ahead: ClassVar[bool] = True
    doing: ClassVar[bool] = False

    def __post_init__(self) -> None:
        count("FlowAction.numbers", self.numbers, 2 * GRID * GRID)

    def build(self, site: Site) -> Content:
        return FlowActionContent(self, site)


def patterns(count: int) -> Float[Tensor, "count d"]:
    """Orthonormal patterns of a flow over cells, the smoothest first."""
    cell = (torch.arange(GRID) + 0.5) * math.pi / GRID
    wave = torch.stack([torch.cos(k * cell) * math.sqrt((1 if k == 0 else 2) / GRID) for k in range(GRID)])
    order = sorted(((i, j) for i in range(GRID) for j in range(GRID)), key=lambda one: (sum(one), one))
    found = torch.zeros(2 * GRID * GRID, 2, GRID, GRID)
    for number, (i, j) in enumerate(order):
        for way in range(2):
            found[2 * number + way, way] = wave[i][:, None] * wave[j][None]
    return found.flatten(1)[:count]


class FlowActionContent(Content):
    called = "motion"
    basis: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, config: FlowAction, site: Site):
        super().__init__()
        if not site.offsets:
            raise SpecError("motion is seen between now and future frames", where="FlowAction", expected="a stream future",
                            got="no future frames")
        self.tokens, self.width, self.steps = len(site.offsets), config.numbers, len(site.offsets)
        self.register_buffer("basis", patterns(config.numbers), persistent=False)
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))

    def flows(self, now: Float[Tensor, "B C h w"], future: Float[Tensor, "B F C h w"]) -> Float[Tensor, "B F 2 g g"]:
        """The flow over cells, frame by frame: what is said of one frame depends on no other."""
        many = now[:, None].expand_as(future)
        flow = optical_flow(many.flatten(0, 1), future.flatten(0, 1))
        return F.adaptive_avg_pool2d(flow, GRID).unflatten(0, future.shape[:2])

    def encode(self, moment: Moment) -> Float[Tensor, "B F n"]:
        flow = moment.others.get("motion")
        if flow is None:
            assert moment.future is not None
            flow = self.flows(moment.context.frames[:, -1].float() / 255, moment.future)
        return (flow.flatten(2) @ self.basis.T - self.mean) / self.scale

    def decode(self, values: Float[Tensor, "B F n"], moment: Moment) -> Float[Tensor, "B F 2 g g"]:
        return ((values * self.scale + self.mean) @ self.basis).unflatten(-1, (2, GRID, GRID))

    def mask(self, batch: Batch) -> Bool[Tensor, "B F"]:
        return batch.future_mask

    def fit_frames(self, now: Float[Tensor, "N C h w"], future: Float[Tensor, "N F C h w"]) -> None:
        flows = (self.flows(now, future).flatten(2) @ self.basis.T).flatten(0, 1)
        deviation = flows.std(0, correction=min(1, len(flows) - 1))
        self.mean.copy_(flows.mean(0))
        # Patterns that hardly occur are not blown up.
        self.scale.copy_(torch.maximum(deviation, 0.05 * deviation.max()).clamp_min(1e-3))
