"""Which noise levels training sees."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool
from torch import Tensor

from ..queries import INVERSE_DYNAMICS
from .streams import Node
from .table import Table


def training_levels(table: Table, doing: frozenset[str], imitate: Bool[Tensor, "B C"], has_action: Bool[Tensor, "B C"],
                    generator: torch.Generator, *, tied: float, corners: float,
                    backward: float = 0.0) -> dict[Node, Tensor]:
    """A level in [0, 1] per sample for each generated stream of each chunk.

    Args:
        doing: streams that hold actions.
        imitate: False where the actions are disturbed or playful. Those are never imitated, but what they cause is worth
            learning: what reads the actions is given them.
        has_action: False where the actions are unknown, as in a video. They are absent: at level 0, which is noise alone
            (as in UWM, arXiv 2504.02792).
        tied: share of samples in which streams that read one another have the same level, as they have when sampled together.
        corners: share of samples in which one stream is fully given or fully absent.
        backward: share of playful samples in which the future is given and the action sought: an action that nobody should
            imitate tells all the same which action a future takes. Without it that is learned from demonstrations alone, in
            which the action can be told without looking at the future.
    """
    shape, streams = tuple(imitate.shape), table.streams
    levels = {name: process.draw(shape, generator) for name, process in
              ((name, streams[name].process) for name in table.generated) if process is not None}
    joint = [name for name in table.generated if not table.ordered(name)
             and any(table.directly(name, other) or table.directly(other, name) for other in table.generated if other != name)]
    if table.clock == "shared":
        first = next((name for name in table.generated if not table.ordered(name)), None)
        levels |= {name: levels[first] for name in levels if first is not None and not table.ordered(name)}
    elif len(joint) > 1:
        same = torch.rand(shape, generator=generator) < tied
        levels |= {name: torch.where(same, levels[joint[0]], levels[name]) for name in joint[1:]}
        corner = torch.rand(shape, generator=generator) < corners
        which = torch.randint(2 * len(joint), shape, generator=generator)
        for number, (name, value) in enumerate((name, value) for name in joint for value in (0.0, 1.0)):
            levels[name] = torch.where(corner & (which == number), torch.tensor(value), levels[name])
    levels |= practised(table, levels, generator) if table.practice else {}
    turned = torch.zeros(shape, dtype=torch.bool)
    if backward and INVERSE_DYNAMICS in table.answers and "future" in levels:
        turned = ~imitate.cpu() & has_action.cpu() & (torch.rand(shape, generator=generator) < backward)
        levels["future"] = torch.where(turned, torch.ones(()), levels["future"])
    for name in doing & levels.keys():
        if any(table.directly(other, name) for other in table.generated if other not in doing):
            levels[name] = torch.where(imitate.cpu() | turned, levels[name], torch.ones(()))
        levels[name] = torch.where(has_action.cpu(), levels[name], torch.zeros(()))
    return {Node(name, "", chunk): level[:, chunk] for name, level in levels.items() for chunk in range(shape[1])}


def practised(table: Table, levels: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Each sample is asked one of the questions that are practised: what it gives is at level 1, what it leaves out at 0. What
    is written token by token learns from every sample: to be given is to have been written."""
    size = len(next(iter(levels.values())))
    which = torch.randint(len(table.practice), (size,), generator=generator)[:, None]
    found = {}
    for name, level in levels.items():
        if table.ordered(name):
            continue
        for number, query in enumerate(table.practice):
            if query.role(name) != "sought":
                told = torch.tensor(1.0 if query.role(name) == "given" else 0.0)
                level = torch.where(which == number, told, level)
        found[name] = level
    return found
