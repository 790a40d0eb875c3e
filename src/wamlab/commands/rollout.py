"""`wam rollout`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from .console import print_json, progress, say
from .options import Count, Workers


@dataclass(frozen=True)
class Command:
    """Let a trained model act in closed loop, from starts that no demonstration was collected from.

    Every episode is kept with all that the model imagined on the way. Episode i starts from scene 1000000 + i for every
    model, so that two models meet the same starts. A stopped rollout goes on; --workers changes no number. What a model did is
    nobody's example: trained on (wam train --data DEMONSTRATIONS ROLLOUTS), it teaches what actions cause, and is not imitated.

    examples:
      wam rollout checkpoints/uwm/model metaworld/drawer-open --episodes 25 --out rollouts/uwm
      wam rollout checkpoints/cosmos_policy/model pushworld --best-of 8 --out rollouts/planned
      wam rollout checkpoints/mine/model pushworld --recipe my_wam.py --out rollouts/mine
      wam rollout checkpoints/mine/model my_simulator.py:MyWorld --out rollouts/mine
    """

    checkpoint: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """folder of a trained model (wam train)"""
    task: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK")]
    """task as `wam list --tasks` prints it, or path.py:Class of a simulator of your own"""
    out: Path
    """folder of the dataset of rollouts"""
    episodes: Count = 25
    """starts"""
    execute: Count = 4
    """actions executed of each predicted chunk before the model decides again"""
    best_of: Count = 1
    """answers per decision, of which the one is done that the model values most; needs a model that says values"""
    recipe: str | None = None
    """file of the recipe, where it is not part of the package"""
    workers: Workers = 2
    """processes"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        from ..control.sensing import options_for
        from ..evaluate.ask.rollout import held_out, rollout
        from ..evaluate.metrics import Evidence, get
        from ..job.run import executor_for
        from ..learn.checkpoint import read_header
        from ..learn.diagnosis import unlike
        from .acting import digest

        make = partial(executor_for, self.checkpoint, self.execute, self.recipe, self.best_of)
        executor = make()  # here, so that what is wrong with the checkpoint is said before any process starts
        with progress(f"rollout {self.task}") as tick:
            store = rollout(make, self.task, held_out(self.episodes), self.out, workers=self.workers, progress=tick,
                            provenance={"checkpoint": digest(self.checkpoint), "execute": self.execute}
                            | ({"best_of": self.best_of} if self.best_of > 1 else {}),
                            expects=executor.expects, options=options_for(executor.needs))
        evidence = Evidence(self.checkpoint.name, store.task_spec,
                            tuple(store.load(index, frames=False) for index in range(self.episodes)))
        score = get("success")(evidence)[0]
        if self.json:
            print_json({"task": self.task, "out": self.out, "success": score.value, "ci": [score.low, score.high],
                        "episodes": score.n, "unavailable": score.unavailable})
        elif score.value is None:
            say(f"{self.task}: success is unavailable: {score.unavailable}")
        else:
            interval = f"95 % interval {score.low:.0%} to {score.high:.0%}"
            say(f"{self.task}: solved {score.value:.0%} of {score.n} starts, {interval}")
            for line in unlike(read_header(self.checkpoint), evidence.episodes or (), store.task_spec):
                say(f"note: unlike the data of training: {line}")
            say(f"episodes: {self.out}; next: wam eval {self.out}")
