"""How unlike a picture is to what really came, as a model of the future learns it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

FLOOR = 1e-4
"""squared error (range 0 to 1) below which a picture is not made better: 40 dB"""
LEAST = 10
"""pixels that count as changed at least, so that two or three do not outweigh a picture"""


def unlikeness(painted: Float[Tensor, "N C h w"], true: Float[Tensor, "N C h w"],
               now: Float[Tensor, "N C h w"]) -> Float[Tensor, "N"]:
    """The logarithm of the squared error over all pixels, plus half of that over those that changed since `now`.

    A mean of logarithms is a mean in decibels: a still picture, in which any stain is seen, counts as much as one in which all
    moves, and whose error is far larger.
    """
    error = (painted - true) ** 2
    changed = ((true - now).abs().amax(1, keepdim=True) > 0.05).float()
    moving = (error.mean(1, keepdim=True) * changed).sum((1, 2, 3)) / changed.sum((1, 2, 3)).clamp_min(LEAST)
    return torch.log(error.mean((1, 2, 3)) + FLOOR) + torch.log(moving + 10 * FLOOR) / 2
