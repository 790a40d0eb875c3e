"""What `docs/results/recipes.json` says of the recipes: each learned, solves what blind replay does not, and says so itself."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from pathlib import Path

import pytest

import wamlab.recipes
from wamlab import recipe

ROWS = json.loads((Path(__file__).parents[1] / "docs" / "results" / "recipes.json").read_text())["results"]
METAWORLD = ("metaworld/drawer-open", "metaworld/plate-slide")
TASKS = (*METAWORLD, "pushworld")
MODULES = [importlib.import_module(f"wamlab.recipes.{m.name}") for m in pkgutil.iter_modules(wamlab.recipes.__path__)]


def rows(name: str) -> list[dict]:
    return [row for row in ROWS if row["recipe"] == name]


def success(name: str, task: str) -> dict:
    found = [score for row in rows(name) for score in row["scores"] if (score["task"], score["metric"]) == (task, "success")]
    assert found, f"no success of {name} on {task}: run `python benchmarks/recipes.py RUN... --out docs/results/recipes.json`"
    return found[0]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", recipe.names())
def test_it_solves_a_task_that_blind_replay_does_not(name, task):
    solved, blind = success(name, task), success("control/replay", task)
    assert solved["low"] > blind["value"], (solved, blind)
    assert all("loss, first and last" in row for row in rows(name)), "a row of before losses were kept: measure it again"


@pytest.mark.parametrize("name", recipe.names())
def test_its_losses_fell(name):
    for row in (row for row in rows(name) if "loss, first and last" in row):
        first, last = row["loss, first and last"]
        assert last < 0.5 * first, row["tasks"]


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_its_file_says_what_it_scored(module):
    text = " ".join(inspect.getdoc(module).split())
    for name in {value.name for value in vars(module).values() if isinstance(value, recipe.Recipe)}:
        drawer, plate, push = (f"{100 * success(name, task)['value']:.0f} %" for task in TASKS)
        assert f"{name}: drawer-open {drawer}, plate-slide {plate}, PushWorld {push}" in text
