"""Fast-WAM and its two variants: separate experts for video and action, one switch in who reads whom.

    wam train fast_wam --data data/drawer --out checkpoints/fast_wam

The base variant learns from video but never imagines when it acts; "joint" denoises both; "idm" imagines, then acts.
"""

from ..models.stream import Streams
from ..parts.coupling import CONDITIONS, Coupling
from ..recipe import Recipe

PAPER = "Fast-WAM (arXiv 2603.16666)"
DIFFERS = ("two experts of equal width instead of 5B and 1B; the instruction is a token instead of cross-attention; "
           "levels u ** 1.5 instead of a shifted schedule")
BASE = {name: CONDITIONS for name in CONDITIONS} | {"future": (*CONDITIONS, "future")}
EXPERTS = {"action": "action"}

fast_wam = Recipe(
    name="fast_wam",
    summary="representation only: video is predicted in training, never read by the action",
    paper=PAPER, differs=DIFFERS,
    model=Streams(
        coupling=Coupling(reads=BASE | {"action": (*CONDITIONS, "action")}, networks=((*CONDITIONS, "future", "action"),)),
        experts=EXPERTS),
)

fast_wam_joint = Recipe(
    name="fast_wam_joint",
    summary="joint, a stream each: the action reads the future while both are denoised",
    paper=PAPER, differs=DIFFERS,
    model=Streams(
        coupling=Coupling(reads=BASE | {"action": (*CONDITIONS, "future", "action")},
                          networks=((*CONDITIONS, "future", "action"),)),
        experts=EXPERTS),
)

fast_wam_idm = Recipe(
    name="fast_wam_idm",
    summary="imagine, then act: the action reads the finished future",
    paper=PAPER, differs=DIFFERS,
    model=Streams(
        coupling=Coupling(
            reads=BASE | {"future@clean": (*CONDITIONS, "future@clean"), "action": (*CONDITIONS, "future@clean", "action")},
            networks=((*CONDITIONS, "future@clean", "future", "action"),), teacher_noise=0.5),
        experts=EXPERTS),
)
