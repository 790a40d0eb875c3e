"""Train recipes on the demonstrations of finished runs, and judge them on those runs' starts and branches.

    wam run --out runs/first
    wam run --out runs/push --tasks pushworld --minutes 10 --episodes 300
    python benchmarks/recipes.py runs/first runs/push --out docs/results/recipes.json
    python benchmarks/recipes.py runs/first --out docs/results/seeds.json --recipes uwm --seeds 1 2
    python benchmarks/recipes.py runs/first --out docs/results/blind.json --recipes examples/blind.py

The data, the held-out starts, the branches, the readouts and the controls are the run's, and so are its minutes of training;
only the recipe and the training seed differ. The run's own models are taken as they stand. What is found goes into the file at
once, beside what stands there already, with its own commit and hardware. Stopped at any moment, the same command goes on where
it was, and skips what the file has.
"""

from __future__ import annotations

import json
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("LP_NUM_THREADS", "0")

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from wamlab import recipe
from wamlab.config import from_json
from wamlab.data.atomic import write_whole
from wamlab.data.store import EpisodeStore, store_name
from wamlab.evaluate.ask.branches import Branches
from wamlab.evaluate.ask.rollout import held_out, rollout
from wamlab.evaluate.eyes.readout import Readout
from wamlab.evaluate.log import EvalLog, Score
from wamlab.evaluate.provenance import provenance
from wamlab.evaluate.scoring.score import score_model, score_rollouts
from wamlab.job.chores import recipe_of
from wamlab.job.run import executor_for
from wamlab.job.run_config import RunConfig
from wamlab.learn.checkpoint import load_model, read_header
from wamlab.learn.train import train

FACTS = ("seeds", "renderer", "date", "wamlab", "commit", "python", "packages", "system", "cpu", "cores", "threads", "run")
KEPT = ("success", "psnr.changed.gain", "branch.psnr.changed.gain", "psnr.gain", "fcs", "cc.robot", "cc.object")


def ends(curve: list[list[float]]) -> list[float]:
    """Mean loss over the first and over the last five points of a curve."""
    first, last = (sum(point[-1] for point in part) / len(part) for part in (curve[:5], curve[-5:]))
    return [round(first, 4), round(last, 4)]


def done(run: Path, config: RunConfig, name: str, seed: int) -> dict[str, Any]:
    """One recipe, trained with one seed on a run's data."""
    made = recipe_of(name, config)
    home = run / "again" / f"{made.name}-seed{seed}"
    stores = {task: EpisodeStore.open(run / "data" / store_name(task)) for task in config.tasks}
    begun = time.perf_counter()
    folder = train(made, list(stores.values()), home, seed=seed)
    spent, header = time.perf_counter() - begun, read_header(folder)
    branches = {b.spec.task: b for b in map(Branches.load, (run / "branches").glob("*.safetensors"))}
    scores: list[Score] = []
    for task in config.tasks:
        readout = Readout.load(run / "readouts" / f"{store_name(task)}.safetensors")
        episodes = rollout(partial(executor_for, folder, config.execute, name), task, held_out(config.starts),
                           home / "rollouts" / store_name(task), workers=config.workers)
        scores += score_rollouts(made.name, episodes.task_spec, tuple(episodes), readout=readout,
                                 scales=branches[task].scales())
        scores += score_model(made.name, load_model(folder, recipe.load(name)), branches[task], readout=readout)[0]
    return row(made, seed, list(config.tasks), spent, header, scores)


def already(run: Path, config: RunConfig) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What the run itself found: of its own models, and of blind replay of demonstrations from the same starts."""
    log, seed, tasks = EvalLog.load(run / "log"), config.seed, list(config.tasks)
    rows: list[dict[str, Any]] = [{"recipe": "control/replay", "seed": seed, "tasks": tasks, "scores": [
        log.find("control/replay", task, "success").told() for task in tasks]}]
    for made in (recipe_of(name, config) for name in config.models):
        header = read_header(run / "models" / made.name / "model")
        rows.append(row(made, seed, tasks, log.timings.get(f"of which train {made.name}"), header,
                        [score for score in log.scores if score.model == made.name]))
    facts = {k: log.provenance[k] for k in FACTS if k in log.provenance}
    return rows, {"command": replace(config, out=RunConfig().out, workers=RunConfig().workers).command()} | facts


def row(made: recipe.Recipe, seed: int, tasks: list[str], seconds: float | None, header: dict[str, Any],
        scores: list[Score]) -> dict[str, Any]:
    return {"recipe": made.name, "seed": seed, "tasks": tasks, "steps": made.training.steps,
            "seconds of training": seconds and round(seconds), "loss, first and last": ends(header["curves"]["train"]),
            "action ratio": header.get("diagnosis", {}).get("action_ratio"),
            "scores": [s.told() for s in scores if s.value is not None and s.metric in KEPT]}


def key(row: dict[str, Any]) -> tuple[str, int, str]:
    return row["recipe"], row["seed"], " ".join(row["tasks"])


def put(out: Path, rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    """Add to the file, in the place of rows of the same recipe, seed and tasks."""
    old = json.loads(out.read_text())["results"] if out.exists() else []
    new = [row | {"made": facts} for row in rows]
    kept = [row for row in old if key(row) not in {key(one) for one in new}]
    whole = {"command": "python benchmarks/recipes.py RUN... --out OUT", "results": sorted(kept + new, key=key)}
    write_whole(out, (json.dumps(whole, indent=1) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipes", nargs="+", default=list(recipe.names()))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--minutes", type=float, help="of training, as of wam run; default: the run's")
    parser.add_argument("--workers", type=int, default=2, help="processes for rollouts")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # as a run learns
    told = [] if asked.recipes == list(recipe.names()) else ["--recipes", *asked.recipes]
    told += ["--minutes", f"{asked.minutes:g}"] if asked.minutes else []
    command = " ".join(["python benchmarks/recipes.py", *["RUN"] * len(asked.runs), "--out OUT", *told, "--seeds",
                        *map(str, asked.seeds)])
    for run in asked.runs:
        settings = {k: v for k, v in json.loads((run / "run.json").read_text()).items() if k != "wamlab"}
        config = from_json(RunConfig, settings | {"class": "RunConfig", "out": "", "workers": asked.workers}, str(run))
        facts = provenance(command, seeds=asked.seeds, run=settings)
        put(asked.out, *already(run, config))
        if asked.minutes:
            config = replace(config, minutes=asked.minutes)
        there = {key(row) for row in json.loads(asked.out.read_text())["results"]}
        for name in asked.recipes:
            for seed in asked.seeds:
                if (recipe.load(name).name, seed, " ".join(config.tasks)) in there:
                    continue
                found = done(run, config, name, seed)
                put(asked.out, [found], facts)
                for score in found["scores"]:
                    print(found["recipe"], seed, score["task"], score["metric"], score.get("value"), score.get("low"),
                          score.get("high"), flush=True)


if __name__ == "__main__":
    main()
