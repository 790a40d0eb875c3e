"""Train recipes again with other seeds on a finished run's demonstrations, and judge them on its starts and branches.

    python benchmarks/seeds.py runs/first docs/results/seeds.json --recipes uwm --seeds 1 2
    python benchmarks/seeds.py runs/first docs/results/blind.json --recipes examples/blind.py --seeds 0

The data, the held-out starts, the branches and the readouts are the run's; only the training seed (and the recipe) differ.
Stopped at any moment, the same command goes on where it was.
"""

from __future__ import annotations

import json
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("LP_NUM_THREADS", "0")

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import torch

from wamlab import recipe
from wamlab.config import from_json
from wamlab.data.store import EpisodeStore, store_name
from wamlab.evaluate.ask.branches import Branches
from wamlab.evaluate.ask.rollout import held_out, rollout
from wamlab.evaluate.eyes.readout import Readout
from wamlab.evaluate.provenance import provenance
from wamlab.evaluate.scoring.score import score_model, score_rollouts
from wamlab.job.chores import recipe_of
from wamlab.job.run import executor_for
from wamlab.job.run_config import RunConfig
from wamlab.learn.checkpoint import load_model
from wamlab.learn.train import train


def again(run: Path, config: RunConfig, name: str, seed: int) -> dict[str, Any]:
    made = recipe_of(name, config)
    home = run / "again" / f"{made.name}-seed{seed}"
    stores = {task: EpisodeStore.open(run / "data" / store_name(task)) for task in config.tasks}
    folder = train(made, list(stores.values()), home, seed=seed)
    branches = {b.spec.task: b for b in map(Branches.load, (run / "branches").glob("*.safetensors"))}
    scores = []
    for task in config.tasks:
        readout = Readout.load(run / "readouts" / f"{store_name(task)}.safetensors")
        episodes = rollout(partial(executor_for, folder, config.execute, name), task, held_out(config.starts),
                           home / "rollouts" / store_name(task), workers=config.workers)
        scores += score_rollouts(made.name, episodes.task_spec, tuple(episodes), readout=readout,
                                 scales=branches[task].scales())
        scores += score_model(made.name, load_model(folder, recipe.load(name)), branches[task], readout=readout)[0]
    return {"recipe": made.name, "seed": seed, "steps": made.training.steps,
            "scores": [s.told() for s in scores if s.value is not None]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipes", nargs="+", default=["uwm"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    asked = parser.parse_args()
    torch.set_num_threads(1)  # as a run learns
    settings = json.loads((asked.run / "run.json").read_text())
    config = from_json(RunConfig, settings | {"class": "RunConfig", "out": "", "workers": 2}, str(asked.run))
    found = [again(asked.run, config, name, seed) for name in asked.recipes for seed in asked.seeds]
    command = " ".join(["python benchmarks/seeds.py RUN OUT --recipes", *asked.recipes, "--seeds", *map(str, asked.seeds)])
    facts = provenance(command, seeds=asked.seeds, run=settings)
    asked.out.write_text(json.dumps(facts | {"results": found}, indent=1) + "\n")
    for one in found:
        for score in one["scores"]:
            if score["metric"] in ("success", "cc.robot", "cc.object", "psnr.changed.gain", "psnr.gain", "fcs"):
                print(one["recipe"], one["seed"], score["task"], score["metric"], score.get("value"), score.get("low"),
                      score.get("high"))


if __name__ == "__main__":
    main()
