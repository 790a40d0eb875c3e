"""Frames of models as images."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from .errors import WamError


def as_image(frames: Tensor) -> UInt8[ndarray, "... h w C"]:
    """Model frames (float in [0, 1], channels first) to images at rest (uint8, channels last).

    Raises:
        WamError: if a pixel is not finite; rounded to an image it would look like an imagined one.
    """
    if not torch.isfinite(frames).all():
        raise WamError("the imagined frames are not finite", where="future", expected="numbers in [0, 1]",
                       got=f"{int((~torch.isfinite(frames)).sum())} of {frames.numel()} are not",
                       fix="look at the model's training curves; train it again")
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).cpu().numpy()
