"""Pseudo-actions by inverse dynamics: error on scenes that were not seen, by the number of episodes with known actions.

    python benchmarks/inverse_actions.py work/inverse docs/results/inverse-actions.json --seeds 0 1 2

PushWorld and Meta-World's drawer-open, disturbed demonstrations and play (`mixed`), 64 x 64 pixels; neighbouring frames. Every
number of known episodes is judged on the same 20 others. Beside it stands what the true motion would tell: a linear fit of the
actions to the change of the robot's state between the two frames, which no reader of pictures knows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wamlab.config import to_json
from wamlab.control.collect import collect
from wamlab.data.store import EpisodeStore
from wamlab.evaluate.provenance import provenance
from wamlab.labels.inverse import InverseConfig, train_inverse
from wamlab.labels.pairs import Pairs, pairs_from
from wamlab.labels.quality.inverse import MEANING, inverse_quality

TASKS = ("pushworld", "metaworld/drawer-open")
KNOWN, HELD = (10, 40), 20
CONFIG = InverseConfig()


def by_motion(store: EpisodeStore, pairs: Pairs, known: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The held pairs' actions by a linear fit to the change of the state, learned from the known ones (all with gap 1)."""
    way = np.concatenate([np.diff(episode.state, axis=0) for episode in store])
    design = np.concatenate([np.ones((len(way), 1)), way / (way.std(0) + 1e-9)], 1)
    return design[held] @ np.linalg.lstsq(design[known], pairs.action[known], rcond=None)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    runs: dict[str, Any] = {}
    values: dict[str, list[float]] = defaultdict(list)
    renderers = []
    for task in TASKS:
        store = collect(task, max(KNOWN) + HELD, asked.work / task.replace("/", "-"), kind="mixed", workers=1)
        renderers.append(store.renderer)
        pairs = pairs_from([store], CONFIG.gaps)
        for known in KNOWN:
            for seed in asked.seeds:
                order = np.random.default_rng([seed, 19]).permutation(max(KNOWN) + HELD)
                learned = train_inverse(pairs.rows(np.isin(pairs.episode, order[HELD:HELD + known])), CONFIG, seed=seed,
                                        folder=asked.work / f"{task.replace('/', '-')}-{known}-{seed}")
                near = pairs.rows(pairs.gap == 1)
                taught, asked_of = np.isin(near.episode, order[HELD:HELD + known]), np.isin(near.episode, order[:HELD])
                scores = inverse_quality("inverse", task, learned, near.rows(asked_of), seed=seed, beside={
                    "reference/true motion": by_motion(store, near, taught, asked_of)})
                runs[f"{task} | {known} episodes | seed {seed}"] = [
                    {k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(score).items() if v not in ("", None)}
                    for score in scores]
                for score in scores:
                    values[f"{task} | {known} episodes | {score.model} | {score.metric}"].append(float(score.value or 0.0))
                print(f"{task} {known} seed {seed}: {scores[0].value:.3f}", file=sys.stderr, flush=True)
    medians = {name: {"median": round(statistics.median(found), 4), "seeds": [round(v, 4) for v in found]}
               for name, found in values.items()}
    asked.out.write_text(json.dumps({
        "provenance": provenance(f"python benchmarks/inverse_actions.py {asked.work} {asked.out}", asked.seeds, renderers),
        "meaning": {f"inverse.{name}": text for name, text in MEANING.items()}, "held out": HELD, "settings": to_json(CONFIG),
        "medians": medians, "runs": runs}, indent=1) + "\n")
    for name, found in medians.items():
        print(f"{name:<80} {found['median']:<8} {found['seeds']}")


if __name__ == "__main__":
    main()
