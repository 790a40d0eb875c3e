"""Disturbing what a model sees in training, so that it does not lean on exact pixels."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..signals import FRAMES
from ..types import Context


def shifted(context: Context, pixels: int, generator: torch.Generator) -> Context:
    """Move each sample's frames by a random whole number of pixels, up to `pixels` each way, repeating the border
    (arXiv 2004.13649); those of every camera by another."""
    if not pixels:
        return context
    frames = _moved(context.frames, pixels, generator)
    signals = {name: replace(signal, values=_moved(signal.values, pixels, generator)) if name.startswith(FRAMES) else signal
               for name, signal in context.signals.items()}
    return replace(context, frames=frames, signals=signals)


def _moved(frames: UInt8[Tensor, "B H C h w"], pixels: int, generator: torch.Generator) -> UInt8[Tensor, "B H C h w"]:
    size, (h, w) = len(frames), frames.shape[-2:]
    move = torch.randint(-pixels, pixels + 1, (size, 2), generator=generator).to(frames.device)
    rows = (torch.arange(h, device=move.device) + move[:, :1]).clamp(0, h - 1)
    columns = (torch.arange(w, device=move.device) + move[:, 1:]).clamp(0, w - 1)
    samples = torch.arange(size, device=move.device)[:, None, None]
    moved = frames.permute(0, 3, 4, 1, 2)[samples, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 4, 1, 2).contiguous()
