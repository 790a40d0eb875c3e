"""What an asker hands over, looked at before it is computed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import SpecError
from ..types import Given

if TYPE_CHECKING:
    from .base import WorldActionModel


def check_asked(model: WorldActionModel, size: int, given: Given, seeds: Sequence[int] | None) -> None:
    """Raises SpecError for seeds or given streams that do not fit `size` situations of this model."""
    if seeds is not None and len(seeds) != size:
        raise SpecError("the seeds do not fit the situations", where="seeds", expected=f"{size}, one per situation",
                        got=len(seeds), fix="give as many, or none: then all are 0")
    spec = model.task_spec
    _fits("Given.future", given.future, (size, len(model.offsets), 3, *spec.image_size), "frames at the model's offsets")
    _fits("Given.action", given.action, (size, model.chunk, spec.action.width), "a chunk of actions in physical units")
    for name, value in given.others.items():
        if not len(value) == size:
            raise SpecError(f"what is given of {name} does not fit the situations", where=f"Given.others[{name!r}]",
                            expected=f"{size} rows, one per situation", got=tuple(value.shape), fix="give one for each")


def _fits(where: str, value: Tensor | None, shape: tuple[int, ...], what: str) -> None:
    if value is None:
        return
    if tuple(value.shape) != shape or not value.is_floating_point():
        raise SpecError("what is given does not fit the model", where=where, expected=f"{what}: floats {list(shape)}",
                        got=f"{value.dtype} {list(value.shape)}".removeprefix("torch."),
                        fix="one row per situation; frames in bytes are divided by 255")
    if not torch.isfinite(value).all():
        raise SpecError("what is given is not finite", where=where, expected=f"{what}, finite",
                        got=f"{int((~torch.isfinite(value)).sum())} numbers that are not",
                        fix="leave out what is unknown: seek it, or ask about it as absent")
