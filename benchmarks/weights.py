"""Group-robust weights on three sources of PushWorld, one of which is noise: the same pictures with actions by chance.

    python benchmarks/weights.py runs/weights docs/results/weights.json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from wamlab import recipe
from wamlab.control.collect import collect
from wamlab.curate.remix import source_weights
from wamlab.data.store import EpisodeStore
from wamlab.evaluate.provenance import provenance
from wamlab.evaluate.statistics import mean_of_runs


def noise(store: EpisodeStore, out: Path) -> EpisodeStore:
    made = EpisodeStore.open_or_create(out, store.task_spec, store.renderer)
    for index in store.indices():
        if not made.has(index):
            episode = store[index]
            action = np.random.default_rng(index).uniform(-1, 1, episode.action.shape).astype(np.float32)
            made.put(index, replace(episode, action=action))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=200)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    options = {"size": 32}
    noisy = collect("pushworld", 30, asked.run / "noisy", seed=50, kind="noisy", workers=1, options=options)
    expert = collect("pushworld", 30, asked.run / "expert", seed=51, kind="expert", workers=1, options=options)
    sources = {"noisy": noisy, "expert": expert, "noise": noise(noisy, asked.run / "noise")}
    made = recipe.load(str(Path(__file__).with_name("keypoints.py")))
    made = replace(made, training=replace(made.training, steps=asked.steps))
    found = [source_weights(made, sources, asked.run / f"seed{seed}", seed=seed) for seed in asked.seeds]
    share = mean_of_runs(np.array([one.weights["noise"] / one.start["noise"] for one in found]))
    facts = provenance("python benchmarks/weights.py RUN OUT", seeds=asked.seeds, renderer=noisy.renderer)
    document = facts | {
        "noise's weight over its share": {key: round(value, 4) for key, value in share._asdict().items()},
        "note": "the smoothing was chosen on seed 0 of a smaller set",
        "results": [{"seed": seed, "weights": dict(one.weights), "start": dict(one.start), "excess": dict(one.excess)}
                    for seed, one in zip(asked.seeds, found, strict=True)]}
    asked.out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
