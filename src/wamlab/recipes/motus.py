"""Motus: three experts of different width under one attention, a clock each, and latent actions that every video shows.

    wam train motus --data data/drawer --out checkpoints/motus

One set of weights is a policy, a world model, inverse dynamics, a video model, and imagines and acts. Optical flow stands in
for actions where nobody recorded any: the action's expert generates it too, so that video without actions teaches that expert.
"""

from ..models.streams import Streams
from ..parts.processes import FlowMatching
from ..parts.representations import FlowAction, Registers
from ..parts.streams import Stream
from ..parts.vocabulary import CONDITIONS, actions, frames, given
from ..queries import INVERSE_DYNAMICS, POLICY, WORLD_MODEL, query
from ..recipe import Recipe

BASE = (*CONDITIONS, "understanding")
ALL = (*BASE, "future", "motion", "action")
JOINT, VIDEO = query("future motion action"), query("future motion")

motus = Recipe(
    name="motus",
    summary="joint, three experts of different width: future, action and latent action (optical flow), each on its own clock",
    paper="Motus (arXiv 2512.13030)",
    differs="the understanding expert is 8 learned tokens instead of a frozen vision-language model; latent actions are a "
            "coarse flow's 14 smoothest cosine patterns, fitted in mean and scale alone, instead of a trained autoencoder "
            "of 14 numbers over flow of a network; they stand beside the actions instead of in their place; one training "
            "instead of three stages; half of the samples seek everything, the rest one of four modes",
    model=Streams(
        streams={"understanding": given(Registers(8), once=True, expert="understanding"), "future": frames(),
                 "motion": Stream(FlowAction(14), FlowMatching(), expert="action"), "action": actions(expert="action")},
        experts={"action": 0.5, "understanding": 0.25},
        reads={"understanding": BASE, "future": ALL, "motion": ALL, "action": ALL},
        practice=(JOINT, JOINT, JOINT, JOINT, POLICY, WORLD_MODEL, INVERSE_DYNAMICS, VIDEO)),
)
