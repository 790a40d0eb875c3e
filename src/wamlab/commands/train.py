"""`wam train`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import WamError
from ..recipe import Size, load
from .console import print_json, progress


@dataclass(frozen=True)
class Command:
    """Train a recipe on collected episodes.

    Stopped at any moment (Ctrl-C, kill, power), the same command goes on where it was and ends in the same weights.
    Of each dataset's episodes 5 % are held out for the validation curve. A recipe of your own is a Python
    file with one Recipe in it. With several GPUs: torchrun --nproc-per-node 4 -m wamlab train ...

    examples:
      wam train uwm --data data/drawer --out checkpoints/uwm
      wam train uwm --data data/drawer data/plate --out checkpoints/both --seed 1
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
    steps: int | None = None
    """optimiser steps, in place of the recipe's"""
    seed: int = 0
    """initial weights, order of the data and noise"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        from ..data.store import EpisodeStore
        from ..train import train

        recipe = load(self.recipe).sized(self.size)
        if self.steps is not None:
            if self.steps < 1:
                raise WamError("no steps to train", where="--steps", expected="1 or more", got=self.steps)
            recipe = replace(recipe, training=replace(recipe.training, steps=self.steps))
        stores = [EpisodeStore.open(folder) for folder in self.data]
        with progress(f"train {recipe.name}") as tick:
            model = train(recipe, stores, self.out, seed=self.seed, progress=tick)
        if self.json:
            print_json({"checkpoint": model, "recipe": recipe.name, "steps": recipe.training.steps, "seed": self.seed})
        else:
            print(f"trained {recipe.name}: {model}")
            task = stores[0].provenance.get("simulator", stores[0].task_spec.task)
            print(f"next: wam rollout {model} {task} --out rollouts/{recipe.name}")
