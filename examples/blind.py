"""The control against tasks that need no eyes: the reactive baseline, trained and run with a black picture.

    wam train examples/blind.py --data runs/first/data/metaworld-drawer-open --out checkpoints/blind

Whatever it reaches is owed to proprioception and habit alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from wamlab import recipe
from wamlab.models.stream import Streams, StreamWAM
from wamlab.spec import TaskSpec
from wamlab.types import Context


class BlindWAM(StreamWAM):
    def _conditions(self, network: torch.nn.Module, context: Context) -> dict[str, torch.Tensor]:
        return super()._conditions(network, replace(context, frames=torch.zeros_like(context.frames)))


@dataclass(frozen=True)
class BlindStreams(Streams):
    def build(self, task_spec: TaskSpec) -> BlindWAM:
        return BlindWAM(self, task_spec)


vla = recipe.load("vla")
blind = replace(vla, name="blind", summary="the reactive baseline with its eyes shut", paper="none: a control",
                differs="the context frames are black, in training and at run time",
                model=BlindStreams(coupling=vla.model.coupling))
del vla
