"""VPP: a policy reads the hidden states of a video network after one pass, without finishing the video.

    wam train vpp --data data/drawer --out checkpoints/vpp
"""

from ..models.streams import Streams
from ..parts.vocabulary import CONDITIONS, actions, frames
from ..recipe import Recipe

vpp = Recipe(
    name="vpp",
    summary="cascaded, implicit: the action reads the video network's hidden states after a single un-denoised pass",
    paper="Video Prediction Policy (arXiv 2412.14803)",
    differs="both networks are trained together (no gradient crosses) instead of one after the other; all blocks' states "
            "are read instead of resampled up-block features; the imagined future is what the single pass expects",
    model=Streams(
        streams={"future": frames(), "action": actions()},
        reads={"future": (*CONDITIONS, "future"), "action": (*CONDITIONS, "future@hidden", "action")},
        networks=((*CONDITIONS, "future"), (*CONDITIONS, "future@hidden", "action"))),
)
