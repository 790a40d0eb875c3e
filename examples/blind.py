"""The control against tasks that need no eyes: the reactive baseline, trained and run with a black picture.

    wam train examples/blind.py --data runs/first/data/metaworld-drawer-open --out checkpoints/blind

Whatever it reaches is owed to proprioception and habit alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from wamlab import recipe
from wamlab.models.streams import Streams
from wamlab.parts.representations import Moment, Seen, Site
from wamlab.parts.representations.conditions import SeenContent
from wamlab.parts.vocabulary import CONDITIONS, actions, given


class BlackContent(SeenContent):
    def encode(self, moment: Moment) -> torch.Tensor:
        return torch.zeros_like(super().encode(moment))


@dataclass(frozen=True)
class Black(Seen):
    """The context's frames with the light off, in training and at run time."""

    def build(self, site: Site) -> BlackContent:
        return BlackContent(site, self.camera)


blind = replace(recipe.load("vla"), name="blind", summary="the reactive baseline with its eyes shut", paper="none: a control",
                differs="the context frames are black, in training and at run time",
                model=Streams(streams={"context": given(Black(), once=True), "action": actions()},
                              reads={"action": (*CONDITIONS, "action")}))
