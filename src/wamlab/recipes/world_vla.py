"""WorldVLA: one network writes actions and frames token by token, as a policy in one question and as a world model in another.

    wam train world_vla --data data/drawer --out checkpoints/world_vla

Its action mask: tokens of one control step never read those of earlier steps, so that an error does not spread along the chunk.
Steps are then independent given the observation. Where demonstrations do the same thing in two ways, each step of a chunk takes
its own way, and chunks mix them: that is the design, not a fault of this version.
"""

from ..models.streams import Streams
from ..parts.processes import NextToken
from ..parts.representations import Bins, Codes
from ..parts.vocabulary import CONDITIONS, actions, frames
from ..recipe import Recipe, Training
from ..types import POLICY, WORLD_MODEL

world_vla = Recipe(
    name="world_vla",
    summary="joint, autoregressive: actions as bins, then the frame they lead to as codes, token by token in one network",
    paper="WorldVLA (arXiv 2506.21539)",
    differs="trained from nothing instead of from a language model of 7 billion weights; the observation is numbers through a "
            "convolutional encoder instead of codes; a frame of 64 x 64 is 64 codes of 512 (FSQ) instead of 256 of 8192; "
            "both questions are learned from every sample in one pass instead of from samples of two formats; no earlier "
            "frames are read (the paper's policy reads two); bins beside the true one are nearly right",
    model=Streams(
        streams={"future": frames(Codes(), NextToken(), within="causal", weight=0.04),
                 "action": actions(Bins(256), NextToken(temperature=0.0, spread=4.0), within="step", weight=1.0)},
        reads={"future": (*CONDITIONS, "action", "future"), "action": (*CONDITIONS, "action")},
        clock="shared", practice=(POLICY, WORLD_MODEL), offsets=(8,)),
    training=Training(steps=2400),  # words say less of an action per step than numbers do
)
