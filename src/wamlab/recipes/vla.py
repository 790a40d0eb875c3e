"""A reactive policy with a flow-matching action head, as in π0: no future at all. The baseline.

    wam train vla --data data/drawer --out checkpoints/vla
"""

from ..models.streams import Streams
from ..parts.vocabulary import CONDITIONS, actions
from ..recipe import Recipe

vla = Recipe(
    name="vla",
    summary="reactive: actions straight from the observation, no future",
    paper="the flow action head of π0 (arXiv 2410.24164), without its language model",
    differs="no pretrained vision-language backbone",
    model=Streams(streams={"action": actions()}, reads={"action": (*CONDITIONS, "action")}),
)
