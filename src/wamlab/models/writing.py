"""Writing a stream token by token: one token of each run per pass, from the keys and values of those before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..parts.memory import Memory
from ..parts.streams import Node
from .knowledge import Known

if TYPE_CHECKING:
    from .stream import StreamWAM


def write(model: StreamWAM, node: Node, known: Known, noise: Tensor, memory: Memory,
          beside: Iterable[Node] | None) -> Tensor:
    """The codes [B, n] of a stream whose runs are written side by side. What is being written stands at the level of what is
    finished, as in training.

    Args:
        known: everything that it reads; it is left as it is.
        noise: [B, n, classes].
        memory: keys and values of what it reads, in the order in which they are read; it is left as it is.
        beside: None, or, without any memory: what is computed anew in every pass.
    """
    number, process, now = model.table.home(node), model.process(node.stream), known.copy()
    network, before = model.networks[number], list(memory.slots)
    runs = network.starts[node.stream]
    draws = noise.unflatten(1, (runs, -1))
    codes = torch.full(draws.shape[:3], noise.shape[-1] + 1, dtype=torch.long, device=noise.device)
    scratch = Memory({node: gathered}) if (gathered := memory.gather(before)) is not None else Memory()
    active = [one for one in network.nodes if one == node or one in (beside or ())]
    for place in range(codes.shape[2]):
        now.put(node, codes.flatten(1))
        if beside is None:
            hidden = model.run(number, [node], now, scratch, further=(place, before))[node]
            output = network.speak(node.stream, hidden[-1])
        else:
            output = network.read(node, model.run(number, active, now)[node]).unflatten(1, (runs, -1))[:, :, place]
        # Every run has one token more: to the process, each is a run of one.
        one = process.step(codes[:, :, place].flatten()[:, None], output.flatten(0, 1)[:, None],
                           draws[:, :, place].flatten(0, 1)[:, None], 0.0, 1.0)
        codes = torch.cat([codes[:, :, :place], one.unflatten(0, (-1, runs)), codes[:, :, place + 1 :]], 2)
    return codes.flatten(1)
