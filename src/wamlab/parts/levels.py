"""Which noise levels training sees."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool
from torch import Tensor

from .coupling import Coupling
from .processes import Process


def training_levels(coupling: Coupling, processes: Mapping[str, Process], imitate: Bool[Tensor, "B"],
                    has_action: Bool[Tensor, "B"], generator: torch.Generator, *, tied: float,
                    corners: float) -> dict[str, Tensor]:
    """A level in [0, 1] per stream and sample.

    Args:
        imitate: False where the actions are disturbed or playful. Those are never imitated, but what they cause is worth
            learning: a future that reads the action is given them.
        has_action: False where the actions are unknown, as in a video. They are absent: at level 0, which is noise alone
            (as in UWM, arXiv 2504.02792).
        tied: share of samples in which future and action have the same level, as they have when sampled together.
        corners: share of samples in which one stream is fully given or fully absent.
    """
    size = len(imitate)
    levels = {name: processes[name].draw(size, generator) for name in coupling.streams}
    reads_action = coupling.directly("future", "action")
    if coupling.levels == "shared" and len(levels) == 2:
        levels["action"] = levels["future"]
    elif coupling.directly("action", "future") or reads_action:
        same = torch.rand(size, generator=generator) < tied
        levels["action"] = torch.where(same, levels["future"], levels["action"])
        corner = torch.rand(size, generator=generator) < corners
        which = torch.randint(4, (size,), generator=generator)
        for number, (name, value) in enumerate([("future", 0.0), ("future", 1.0), ("action", 0.0), ("action", 1.0)]):
            levels[name] = torch.where(corner & (which == number), torch.tensor(value), levels[name])
    if reads_action:
        levels["action"] = torch.where(imitate.cpu(), levels["action"], torch.ones(()))
    if "action" in levels:
        levels["action"] = torch.where(has_action.cpu(), levels["action"], torch.zeros(()))
    return levels
