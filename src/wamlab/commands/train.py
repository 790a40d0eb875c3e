"""`wam train`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from ..recipe import Size, load
from .console import print_json, progress, say
from .options import Count, Positive, Seed


@dataclass(frozen=True)
class Command:
    """Train a recipe on collected episodes.

    Stopped at any moment (Ctrl-C, kill, power), the same command goes on where it was and ends in the same weights.
    Of each dataset's episodes 5 % are held out for the validation curve. A recipe of your own is a Python
    file with one Recipe in it. With several GPUs: torchrun --nproc-per-node 4 -m wamlab train ...

    Several datasets: without --mix all their windows count alike. --mix 3,1 takes three quarters of each batch from the first
    of two. --mix 0:0,1 0.5:1,1 1:1,0 begins with the second alone, is half and half at half time and ends with the first alone,
    linear in between. How often each was seen is printed, and kept with the checkpoint.

    At the end it tells by how much the future's loss grows with another situation's actions (1: it does not follow them), and
    which weights never had a gradient.

    examples:
      wam train uwm --data data/drawer --out checkpoints/uwm
      wam train uwm --data data/drawer data/plate --out checkpoints/both --seed 1
      wam train uwm --data data/drawer data/video --mix 0:0,1 0.4:1,1 --out checkpoints/video_first
      wam train uwm --data data/sweep --from checkpoints/both/model --steps 400 --out checkpoints/sweep
      wam train my_wam.py --data data/mine --out checkpoints/mine --size debug
    """

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """name of a recipe (wam list), path.py or path.py:variable"""
    data: tuple[Path, ...]
    """folders of datasets (wam collect)"""
    out: Path
    """folder of this training; the finished model lies in its subfolder model"""
    size: Size = "small"
    """debug: seconds, learns nothing much; small: minutes on a laptop; base: for a GPU"""
    start: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """folder of a trained model to begin with: what of it means the same here is taken over, the rest is named"""
    steps: Count | None = None
    """optimiser steps, in place of the recipe's"""
    mix: tuple[str, ...] = ()
    """weights of the datasets, WEIGHT,WEIGHT,... or at points of the training PROGRESS:WEIGHT,WEIGHT,... (0 to 1)"""
    temperature: Positive = 1.0
    """share of a dataset: its weight (without --mix: its number of windows) to the power of 1 / temperature"""
    mixed_renderers: bool = False
    """accept datasets whose pictures were drawn in different ways"""
    seed: Seed = 0
    """initial weights, order of the data and noise"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        from ..data.mixture import Mixture
        from ..data.store import EpisodeStore
        from ..learn.checkpoint import load_model, read_header
        from ..learn.diagnosis import told
        from ..learn.start import told as begun
        from ..learn.train import train

        recipe = load(self.recipe).sized(self.size)
        if self.steps is not None:
            recipe = replace(recipe, training=replace(recipe.training, steps=self.steps))
        stores = [EpisodeStore.open(folder) for folder in self.data]
        mixture = Mixture.parse(self.mix, self.temperature) if self.mix or self.temperature != 1 else None
        with progress(f"train {recipe.name}") as tick:
            model = train(recipe, stores, self.out, seed=self.seed, mixture=mixture,
                          mixed_renderers=self.mixed_renderers, progress=tick, begin=self.start)
        header = read_header(model)
        seen = header.get("sources", [])
        if self.json:
            print_json({"checkpoint": model, "recipe": recipe.name, "steps": recipe.training.steps, "seed": self.seed,
                        "sources": seen, "diagnosis": header.get("diagnosis", {})})
        else:
            say(f"trained {recipe.name}: {model}")
            if header.get("start"):
                say(f"  {begun(header['start'])}")
            for part in seen:
                say(f"  {part['source']}, {part['part']}: {part['windows']} windows seen {part['epochs']:.2f} times")
            say(*(f"  {line}" for line in told(header)))
            task = stores[0].provenance.get("simulator", stores[0].task_spec.task)
            acts = any(query.action == "sought" and not query.given for query in load_model(model, recipe).answers())
            say(f"next: wam rollout {model} {task} --out rollouts/{recipe.name}" if acts else
                f"next: wam imagine {model} --data {self.data[0]}")
