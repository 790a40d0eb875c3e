"""Which tasks need eyes? Two policies that have none, from starts that no demonstration was collected from.

    python benchmarks/perception.py docs/results/perception.json
    python benchmarks/perception.py /tmp/found.json --tasks metaworld/push --starts 20

- replay: one undisturbed demonstration's actions, played open loop.
- neighbours: actions of a random one of the 10 demonstrated moments in which the hand was in the most similar place, decided
  anew every 4 steps. It sees the hand, as every policy here does, and nothing else.

Once with the package's own starts, once with ours. Nothing is rendered.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from wamlab.control.collect import demonstrate
from wamlab.control.replay import replay_control
from wamlab.evaluate.ask.rollout import held_out
from wamlab.evaluate.provenance import provenance
from wamlab.evaluate.statistics import clopper_pearson
from wamlab.simulators import Simulator, make
from wamlab.types import Episode

TASKS = ("drawer-open", "plate-slide", "button-press-topdown", "push", "coffee-push", "dial-turn", "window-open")
CHUNK, EXECUTE, NEIGHBOURS = 8, 4, 10


def moments(episodes: Sequence[Episode]) -> tuple[ndarray, ndarray]:
    """Hand states [N, P] and the undisturbed chunks of actions [N, 8, A] that followed."""
    states, chunks = [], []
    for episode in episodes:
        assert episode.imitate is not None
        for step in range(len(episode)):
            rows = np.minimum(np.arange(step, step + CHUNK), len(episode) - 1)
            if episode.imitate[rows].all():
                states.append(episode.state[step])
                chunks.append(episode.action[rows])
    return np.array(states), np.array(chunks)


def neighbours(simulator: Simulator, episodes: Sequence[Episode], scenes: Sequence[int], steps: int = 60) -> int:
    """Starts that are solved within `steps` control steps."""
    states, chunks = moments(episodes)
    scale, solved = states.std(0) + 1e-3, 0
    for scene in scenes:
        observation, generator = simulator.reset(seed=scene)[0], np.random.default_rng(scene)
        done, step = False, 0
        while not done and step < steps:
            distance = (((states - observation["state"]) / scale) ** 2).sum(1)
            for action in chunks[generator.choice(np.argsort(distance)[:NEIGHBOURS])][:EXECUTE]:
                observation, _, _, _, info = simulator.step(action)
                step += 1
                done |= info["success"]
        solved += done
    return solved


def study(task: str, vary_start: bool, episodes: int, starts: int) -> dict[str, Any]:
    simulator, scenes = make(task, renders=False, vary_start=vary_start), held_out(starts)
    shown = [demonstrate(simulator, "expert" if i % 2 else "noisy", 0, i) for i in range(episodes)]
    solved = [episode for episode in shown if episode.solved]
    calm = [episode for episode in solved if episode.imitate is not None and episode.imitate.all()][:6]
    rates = replay_control(task, calm, scenes, options={"vary_start": vary_start, "renders": False}).rates
    found = neighbours(simulator, solved, scenes)
    simulator.close()
    return {"task": task, "starts": "ours" if vary_start else "the package's", "n": starts,
            "expert": round(len(solved) / len(shown), 3), "replay_mean": round(float(rates.mean()), 3),
            "replay_best_of": len(calm), "replay_best": round(float(rates.max()), 3), "neighbours": round(found / starts, 3),
            "neighbours_ci": [round(edge, 3) for edge in clopper_pearson(found, starts)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tasks", nargs="+", default=[f"metaworld/{task}" for task in TASKS])
    parser.add_argument("--episodes", type=int, default=112)
    parser.add_argument("--starts", type=int, default=40)
    asked = parser.parse_args()
    rows = []
    for task in asked.tasks:
        for vary_start in (False, True):
            rows.append(study(task, vary_start, asked.episodes, asked.starts))
            print(json.dumps(rows[-1]), flush=True)
    facts = provenance("python benchmarks/perception.py", seeds=[0])
    asked.out.write_text(json.dumps(facts | {"found": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
