"""DreamZero: video and action are denoised together, chunk after chunk; what happened takes the place of what was imagined.

    wam train dreamzero --data data/drawer --out checkpoints/dreamzero

Earlier chunks are read as finished frames only, never as actions. "flash" draws the two levels apart, the frames' mostly near
noise, so that one step from noise to an action is what it was trained on.
"""

from dataclasses import replace

from ..models.streams import Streams
from ..parts.processes import FlowMatching
from ..parts.vocabulary import CONDITIONS, actions, frames, state
from ..recipe import Recipe, Training

JOINT = (*CONDITIONS, "future", "action", "future@past")
CHAIN = Streams(
    streams={"state": state(once=False), "future": frames(), "action": actions()}, chunks=4, clock="shared",
    reads={"state": ("state",), "future@clean": ("text", "context", "future@clean", "future@past"),
           "future": JOINT, "action": JOINT})

dreamzero = Recipe(
    name="dreamzero",
    summary="joint, autoregressive over chunks: reads finished frames of earlier chunks, imagined or real",
    paper="DreamZero (arXiv 2602.15922)",
    differs="two frames of 16 tokens a chunk instead of 2 latent frames of 880; data prediction with 5 steps instead of 16 of "
            "UniPC; no guidance; trained from nothing instead of from a video model of 14 billion weights",
    model=CHAIN,
    training=Training(batch_size=8, steps=2400),  # a window is four chunks, as many tokens as a batch of 32; but of one episode
)

dreamzero_flash = replace(
    dreamzero, name="dreamzero_flash", summary="the same with decoupled noise levels, so that it acts after one step",
    differs=dreamzero.differs + "; levels u ** 7 for frames in place of 1 - Beta(7, 1): finished frames beside an action are "
                                "hardly ever seen, so that its inverse dynamics is barely trained",
    model=replace(CHAIN, clock="independent", tied=0.0, corners=0.0, streams={
        **CHAIN.streams, "future": frames(process=FlowMatching(power=7.0, steps=1)),
        "action": actions(process=FlowMatching(power=1.0, steps=1))}),
)
