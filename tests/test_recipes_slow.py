"""Every recipe at its small size, on Meta-World: it learns. Writes what it found to `docs/results/recipes.json`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wamlab import recipe
from wamlab.evaluate.log import EvalLog
from wamlab.job.run import run
from wamlab.job.run_config import RunConfig

pytestmark = [pytest.mark.slow, pytest.mark.sim, pytest.mark.timeout(5400)]
RESULTS = Path(__file__).parents[1] / "docs" / "results"
KEPT = ("success", "psnr.changed.gain", "branch.psnr.changed.gain", "cc.robot", "cc.object", "latency")


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> EvalLog:
    """One run of all recipes together, at half the usual number of steps."""
    config = RunConfig(out=tmp_path_factory.mktemp("recipes") / "run", models=recipe.names(), minutes=2.5)
    log = run(config)
    scores = [s.told() for s in log.scores if s.metric in KEPT and s.model in (*recipe.names(), "control/replay")]
    facts = {k: v for k, v in log.provenance.items() if k not in ("recipes", "counterfactual")}
    command = "pytest -m slow tests/test_recipes_slow.py"
    (RESULTS / "recipes.json").write_text(json.dumps(
        facts | {"command": command, "run": " ".join(["wam run --minutes 2.5 --models", *recipe.names()]),
                 "seconds": {k: round(v) for k, v in log.timings.items()}, "scores": scores}, indent=1) + "\n")
    return log


@pytest.mark.parametrize("name", recipe.names())
def test_it_solves_a_task_that_blind_replay_does_not(log, name):
    task = "metaworld/drawer-open"
    blind = log.find("control/replay", task, "success")
    solved = log.find(name, task, "success")
    assert solved.low > blind.value, (solved, blind)


@pytest.mark.parametrize("name", recipe.names())
def test_its_losses_fell(log, name):
    curve = log.curves[name]["train"]
    start, end = (sum(loss for _, loss in part) / len(part) for part in (curve[:5], curve[-5:]))
    assert end < 0.5 * start
