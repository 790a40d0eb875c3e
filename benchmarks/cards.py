"""The causal cards of a finished run's models and of further recipes, trained on its demonstrations, for docs/results.

    python benchmarks/cards.py runs/first runs/cards docs/results/cards.json --recipes unipi=700 fast_wam=150

The data, the held-out starts, the branches and the readouts are the run's; recipes are trained for the steps given. The
control is the joint model with its future taken off its action after training (examples/decoupled.py). Stopped at any moment,
the same command goes on where it was.
"""

from __future__ import annotations

import json
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("LP_NUM_THREADS", "0")

import argparse
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from wamlab import recipe
from wamlab.config import from_json
from wamlab.data.store import EpisodeStore, store_name
from wamlab.evaluate.ask.rollout import held_out, rollout
from wamlab.evaluate.card.card import HEADLINES, SIBLINGS, from_log
from wamlab.evaluate.log import EvalLog, Score
from wamlab.evaluate.provenance import provenance
from wamlab.job.cards import Asking, judged
from wamlab.job.run import executor_for
from wamlab.job.run_config import RunConfig
from wamlab.learn.train import train
from wamlab.report import html
from wamlab.userfile import load_file

DECOUPLED = Path(__file__).parents[1] / "examples" / "decoupled.py"


def folder_of(run: Path, out: Path, recipes: dict[str, int]) -> Path:
    """A folder like a run's, with the run's models and the further ones, all having acted from the same starts."""
    settings = json.loads((run / "run.json").read_text())
    fields = {name: value for name, value in settings.items() if name != "wamlab"}
    config = from_json(RunConfig, fields | {"class": "RunConfig", "out": "", "workers": 1}, str(run))
    out.mkdir(parents=True, exist_ok=True)
    for part in ("branches", "readouts", "models", "rollouts"):
        if not (out / part).exists():
            shutil.copytree(run / part, out / part)
    stores = [EpisodeStore.open(run / "data" / store_name(task)) for task in config.tasks]
    for name, steps in recipes.items():
        sized = recipe.load(name).sized(config.size)
        made = replace(sized, training=replace(sized.training, steps=steps))
        home = train(made, stores, out / "models" / made.name, seed=config.seed)
        for task in config.tasks:
            rollout(partial(executor_for, home, config.execute, name), task, held_out(config.starts),
                    out / "rollouts" / made.name / store_name(task), workers=1, provenance={"model": made.name})
    decouple(out, config, DECOUPLED)
    log = EvalLog.load(run / "log")
    acted = (*settings["models"], *recipes, "decoupled")
    places = {f"{name}/{task}": f"../rollouts/{name}/{store_name(task)}" for name in acted for task in config.tasks}
    (out / "run.json").write_text(json.dumps(settings | {"models": [*settings["models"], *recipes, str(DECOUPLED)]}))
    shutil.rmtree(out / "log", ignore_errors=True)
    replace(log, episodes=places).save(out / "log")
    return out


def decouple(out: Path, config: RunConfig, example: Path) -> None:
    """The control: the joint model with its future taken off its action after training."""
    home = out / "models" / "decoupled" / "model"
    if not home.exists():
        load_file(str(example), "decouple").decouple(out / "models" / "uwm" / "model", home)
    for task in config.tasks:
        rollout(partial(executor_for, home, config.execute, str(example)), task, held_out(config.starts),
                out / "rollouts" / "decoupled" / store_name(task), workers=1, provenance={"model": "decoupled"})


def told(score: Score) -> dict[str, Any]:
    return {name: value for name, value in score.told().items() if name not in ("model", "task")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipes", nargs="+", default=["unipi=700", "fast_wam=150"], help="NAME=STEPS")
    parser.add_argument("--starts", type=int, default=20)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    recipes = {name: int(steps) for name, _, steps in (word.partition("=") for word in asked.recipes)}
    folder = folder_of(asked.run, asked.folder, recipes)
    log = EvalLog.load(judged(folder, Asking(starts=asked.starts)))
    html(log, folder / "log", folder / "card.html")
    cards = from_log(log)
    command = " ".join(["python benchmarks/cards.py RUN FOLDER OUT --recipes", *asked.recipes, "--starts", str(asked.starts)])
    settings = json.loads((asked.run / "run.json").read_text())
    facts = provenance(command, seeds=[settings["seed"]], run=settings, renderer=log.provenance.get("renderer", ""))
    asked.out.write_text(json.dumps(facts | {"trained steps": recipes, "cards": [
        {"model": card.model, "task": card.task, "verdict": card.verdict.words, "reasons": card.verdict.reasons,
         "capabilities": {c.name: c.available for c in card.capabilities},
         "protocol": None if card.terms is None else card.terms.digest,
         "scores": [told(score) for score in card.rows([*HEADLINES, *SIBLINGS])]} for card in cards]}, indent=1) + "\n")
    for card in cards:
        print(f"{card.model:<10} {card.task:<24} {card.verdict.words}")


if __name__ == "__main__":
    main()
