"""All 50 Meta-World tasks: the contract and the experts. Writes what it found to `docs/results/`."""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wamlab.errors import WamError
from wamlab.simulators import conformance, make, tasks

pytestmark = [pytest.mark.slow, pytest.mark.sim]
RESULTS = Path(__file__).parents[1] / "docs" / "results"
META_WORLD = [task for task in tasks() if task.startswith("metaworld/")]


def keep(name: str, command: str, found: dict) -> None:
    """One JSON file with what is needed to repeat it."""
    model = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line] \
        if sys.platform.startswith("linux") else [platform.processor()]
    world = make("metaworld/reach")
    about = {"command": command, "python": platform.python_version(), "processor": model[0], "renderer": world.renderer}
    world.close()
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(about | found, indent=1) + "\n")


def test_every_task_holds_the_contract():
    failed, begin = {}, time.process_time()
    for task in META_WORLD:
        try:
            conformance.check(lambda task=task: make(task))
        except WamError as error:
            failed[task] = str(error)
    keep("simulator-conformance", "pytest -m slow tests/test_simulators_slow.py -k contract", {
        "checked": "gymnasium's checker, spec, actions, pictures, seeds; states identical to the bit after load, in two branch "
                   "orders and another instance, at the start and after 15 expert steps",
        "tasks": len(META_WORLD), "passed": len(META_WORLD) - len(failed), "failed": failed,
        "cpu_seconds": round(time.process_time() - begin)})
    assert not failed


def test_experts_solve_nine_in_ten():
    scenes, begin = range(1_000_000, 1_000_005), time.process_time()
    solved, steps, moved = {}, {}, {}
    for task in META_WORLD:
        world = make(task, renders=False)
        solved[task], taken, way = 0, [], []
        for scene in scenes:
            world.reset(seed=scene)
            act, before = world.expert(), world.truth()["object"]
            for step in range(1, world.task_spec.max_steps + 1):
                if world.step(act())[4]["success"]:
                    solved[task] += 1
                    taken.append(step)
                    way.append(float(np.linalg.norm(world.truth()["object"] - before)))
                    break
        steps[task], moved[task] = round(float(np.mean(taken)), 1) if taken else None, round(float(np.median(way or [0])), 3)
        world.close()
    rate = sum(solved.values()) / len(META_WORLD) / len(scenes)
    keep("expert-success", "pytest -m slow tests/test_simulators_slow.py -k experts", {
        "conditions": "20 Hz control (action held for 4 native steps), at most 125 control steps, hand's start varied, "
                      "success at any native step", "scenes": [scenes.start, scenes.stop - 1], "mean_success": round(rate, 4),
        "tasks": {task: {"solved": solved[task], "of": len(scenes), "mean_steps": steps[task],
                         "median_way_of_the_object_m": moved[task]} for task in META_WORLD},
        "cpu_seconds": round(time.process_time() - begin)})
    assert rate >= 0.9
    # what the truth calls the object is what has moved when the task is solved
    still = [task for task in META_WORLD if moved[task] < 0.02 and "reach" not in task]
    assert not still
