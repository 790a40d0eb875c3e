"""Fast-WAM's joint variant, but actions take the future up by cross-attention at every second block.

    wam train cross_wam --data data/drawer --out checkpoints/cross_wam

Against fast_wam_joint it asks one thing: whether actions should read the future in the attention in which they also read
everything else, or in one of its own. As many parameters as there: the action's expert is narrower by what its cross-attention
needs.
"""

from ..models.streams import Streams
from ..parts.vocabulary import CONDITIONS, actions, frames
from ..recipe import Recipe

cross_wam = Recipe(
    name="cross_wam",
    summary="joint, a stream each: the action reads the future by cross-attention at several layers",
    paper="Fast-WAM (arXiv 2603.16666), joint variant, with the cross-attention of many two-tower designs",
    differs="no paper's model: a comparison at equal size; the cross-attention's keys and values are those that the "
            "future's own blocks make, with queries and a gate of the action's; it stands beside the joint attention over "
            "the rest",
    model=Streams(
        streams={"future": frames(taken="cross"), "action": actions(expert="action")}, experts={"action": 0.9375},
        reads={"future": (*CONDITIONS, "future"), "action": (*CONDITIONS, "future", "action")}),
)
