"""UniPi: a video model plans, inverse dynamics reads the actions off the finished plan.

    wam train unipi --data data/drawer --out checkpoints/unipi
"""

from ..models.streams import Streams
from ..parts.vocabulary import CONDITIONS, actions, frames
from ..recipe import Recipe

SEEN = ("state", "context")

unipi = Recipe(
    name="unipi",
    summary="cascaded, explicit: a video network, then an inverse-dynamics network that never sees the instruction",
    paper="UniPi (arXiv 2302.00111)",
    differs="both networks are trained together, on a short future of two frames instead of a whole plan; the "
            "inverse dynamics reads latents, which decode to the frames shown; a quarter of what it learns from is noised",
    model=Streams(
        streams={"future": frames(), "action": actions()},
        reads={"future": (*CONDITIONS, "future"), "future@clean": (*SEEN, "future@clean"),
               "action": (*SEEN, "future@clean", "action")},
        networks=((*CONDITIONS, "future"), (*SEEN, "future@clean", "action")), blur=0.25),
)
