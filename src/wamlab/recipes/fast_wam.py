"""Fast-WAM and its two variants: separate experts for video and action, one switch in who reads whom.

    wam train fast_wam --data data/drawer --out checkpoints/fast_wam

The base variant learns from video but never imagines when it acts; "joint" denoises both; "idm" imagines, then acts.
"""

from ..models.streams import Streams
from ..parts.vocabulary import CONDITIONS, actions, frames
from ..recipe import Recipe

PAPER = "Fast-WAM (arXiv 2603.16666)"
DIFFERS = ("two experts of equal width instead of 5B and 1B; the instruction is a token instead of cross-attention; "
           "levels u ** 1.5 instead of a shifted schedule")


def variant(name: str, summary: str, *future: str, blur: float = 0.0) -> Recipe:
    """One of three: what the action reads of the future."""
    return Recipe(name=name, summary=summary, paper=PAPER, differs=DIFFERS, model=Streams(
        streams={"future": frames(), "action": actions(expert="action")}, blur=blur,
        reads={"future": (*CONDITIONS, "future"), "action": (*CONDITIONS, *future, "action")}))


fast_wam = variant("fast_wam", "representation only: video is predicted in training, never read by the action")
fast_wam_joint = variant("fast_wam_joint", "joint, a stream each: the action reads the future while both are denoised",
                         "future")
fast_wam_idm = variant("fast_wam_idm", "imagine, then act: the action reads the finished future", "future@clean", blur=0.5)
