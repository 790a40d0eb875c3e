"""UWM: one transformer denoises future and action together, each on its own clock.

    wam train uwm --data data/drawer --out checkpoints/uwm

Setting a clock to its end turns the same weights into a policy, a world model, inverse dynamics or a video model.
"""

from ..models.streams import Streams
from ..parts.vocabulary import CONDITIONS, actions, frames
from ..recipe import Recipe

ALL = (*CONDITIONS, "future", "action")

uwm = Recipe(
    name="uwm",
    summary="joint: future and action denoised together in one stream, each with its own noise level",
    paper="Unified World Models (arXiv 2504.02792)",
    differs="context frames are tokens instead of adaptive normalisation; small convolutional latents instead of the "
            "SDXL autoencoder; data prediction with 5 steps instead of 10 of DDIM; no register tokens",
    model=Streams(streams={"future": frames(), "action": actions()}, reads={"future": ALL, "action": ALL}),
)
