"""LPIPS (Zhang et al., CVPR 2018, arXiv 1801.03924; version 0.1) from its formula, with weights that the user supplies.

d(x, y) = sum over layers l of the mean over positions of sum over channels c of w_lc (x_lc - y_lc)^2, where x_l are the
features after layer l's ReLU, scaled to unit length over channels, and w_l >= 0 the published linear head. Two files are
needed: the backbone (a torchvision state dict of AlexNet or VGG-16, ImageNet weights for the official number) and the
heads (`lpips/weights/v0.1/alex.pth` or `vgg.pth` of the package lpips 0.1.4). Frames below 64 pixels are outside what
it was made for, and 32 are the least.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from ....errors import WamError
from .weights import Weights

Net = Literal["alex", "vgg"]
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""per channel, of frames in [-1, 1]"""
LEAST = 32


@dataclass(frozen=True)
class Plan:
    """What a state dict does not say of a backbone: strides and paddings."""

    convolutions: tuple[tuple[int, int, int], ...]
    """number in torchvision's `features`, stride, padding"""
    taps: tuple[int, ...]
    """convolutions (by their number) whose ReLU is looked at"""
    pools: tuple[int, ...]
    """convolutions after whose ReLU there is max pooling"""
    pool: tuple[int, int]
    """size and stride of the pooling"""


PLANS: Mapping[str, Plan] = {
    "alex": Plan(((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)), (0, 3, 6, 8, 10), (0, 3), (3, 2)),
    "vgg": Plan(tuple((n, 1, 1) for n in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)), (2, 7, 14, 21, 28), (2, 7, 14, 21),
                (2, 2)),
}


@dataclass(frozen=True, eq=False)
class Lpips:
    """The distance. Lower is closer; 0 for equal frames."""

    net: Net
    backbone: Mapping[str, Tensor]
    heads: tuple[Float[Tensor, "_"], ...]
    label: str = ""
    """where the weights came from, with both digests"""

    def __call__(self, one: UInt8[ndarray, "N h w 3"], two: UInt8[ndarray, "N h w 3"],
                 batch: int = 32) -> Float64[ndarray, "N"]:
        """Raises WamError for frames below 32 pixels."""
        if min(one.shape[1:3]) < LEAST:
            raise WamError(f"LPIPS needs frames of at least {LEAST} pixels", where="lpips", expected=f">= {LEAST}",
                           got=one.shape[1:3], fix="render larger frames")
        out = [np.zeros(0)]
        with torch.inference_mode():
            for start in range(0, len(one), batch):
                a, b = (self.features(x[start:start + batch]) for x in (one, two))
                layers = (((unit(x) - unit(y)) ** 2 * head[:, None, None]).sum(1).mean((1, 2))
                          for x, y, head in zip(a, b, self.heads, strict=True))
                out.append(torch.stack(tuple(layers)).sum(0).double().numpy())
        return np.concatenate(out)

    def features(self, frames: UInt8[ndarray, "N h w 3"]) -> Iterator[Tensor]:
        """After each tapped ReLU: [N, C, m, n]."""
        plan, x = PLANS[self.net], torch.from_numpy(np.array(frames)).movedim(-1, 1).float()
        shift, scale = (torch.tensor(values)[:, None, None] for values in (SHIFT, SCALE))
        x = (x / 127.5 - 1 - shift) / scale
        for number, stride, padding in plan.convolutions:
            weight, bias = (self.backbone[f"features.{number}.{part}"] for part in ("weight", "bias"))
            x = functional.relu(functional.conv2d(x, weight, bias, stride, padding))
            if number in plan.taps:
                yield x
            if number in plan.pools:
                x = functional.max_pool2d(x, *plan.pool)


def unit(x: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
    """Scaled to length 1 over channels, as the reference does it (1e-10 is added to the length)."""
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)


def load(net: Net, backbone: Weights, heads: Weights) -> Lpips:
    """The distance with these weights.

    Raises:
        WamError: if a file is missing, is another one than its digest says, or does not hold the weights of this net.
    """
    trunk, linear = backbone.tensors(), heads.tensors()
    taps = PLANS[net].taps
    for number, _, _ in PLANS[net].convolutions:
        for part in ("weight", "bias"):
            _demand(f"features.{number}.{part}", trunk, backbone, net)
    names = [f"lin{layer}.model.1.weight" for layer in range(len(taps))]
    for name, tap in zip(names, taps, strict=True):
        _demand(name, linear, heads, net)
        channels = len(trunk[f"features.{tap}.weight"])
        if linear[name].numel() != channels:
            raise WamError("the heads belong to another backbone", where=heads.path, expected=f"{channels} weights in {name}",
                           got=tuple(linear[name].shape), fix=f"give the heads of {net!r}")
    label = f"LPIPS({net}) v0.1, backbone {backbone.label}, heads {heads.label}"
    return Lpips(net, trunk, tuple(linear[name].flatten().float() for name in names), label)


def _demand(name: str, tensors: Mapping[str, Tensor], weights: Weights, net: str) -> None:
    if name not in tensors:
        raise WamError(f"the file holds no weights of {net!r}", where=weights.path, expected=f"a tensor {name}",
                       got=", ".join(list(tensors)[:4]) or "nothing", fix="give torchvision's state dict as the backbone and "
                       "the file of the package lpips as the heads")
