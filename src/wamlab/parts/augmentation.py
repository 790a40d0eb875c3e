"""Disturbing what a model sees in training, so that it does not lean on exact pixels."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..types import Context


def shifted(context: Context, pixels: int, generator: torch.Generator) -> Context:
    """Move each sample's frames by a random whole number of pixels, up to `pixels` each way, repeating the border
    (arXiv 2004.13649)."""
    if not pixels:
        return context
    size, (h, w) = len(context), context.frames.shape[-2:]
    move = torch.randint(-pixels, pixels + 1, (size, 2), generator=generator).to(context.frames.device)
    rows = (torch.arange(h, device=move.device) + move[:, :1]).clamp(0, h - 1)
    columns = (torch.arange(w, device=move.device) + move[:, 1:]).clamp(0, w - 1)
    samples = torch.arange(size, device=move.device)[:, None, None]
    moved = context.frames.permute(0, 3, 4, 1, 2)[samples, rows[:, :, None], columns[:, None, :]]
    return replace(context, frames=moved.permute(0, 3, 4, 1, 2).contiguous())
