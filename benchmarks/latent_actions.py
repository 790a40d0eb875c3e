"""Latent actions on PushWorld: do they name the true actions, on clean video and before a moving background?

    python benchmarks/latent_actions.py work/latent docs/results/latent-actions.json --seeds 0 1 2

Video: `compass` play (eight directions and standing still), 32 x 32 pixels, one control step between the frames; 15 % of the
episodes are held out. On clean video and before the moving background: continuous and discrete latent actions without any
true action, and a network after one step (how much the design alone gives away). Before the background also the continuous
one with 2.5 % of the actions known during training, and the same without its pictures' part (what those labels are worth
alone). One JSON with all scores, controls and medians. Stopped at any moment, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wamlab.config import to_json
from wamlab.control.collect import collect
from wamlab.control.compass import compass_actions, compass_classes
from wamlab.data.store import EpisodeStore
from wamlab.evaluate.log import Score
from wamlab.evaluate.provenance import provenance
from wamlab.labels.bottleneck import Discrete
from wamlab.labels.latent import LatentConfig
from wamlab.labels.latent_training import LatentActions, train_latent
from wamlab.labels.pairs import Pairs, pairs_from, pairs_of
from wamlab.labels.quality.latent import MEANING, latent_quality
from wamlab.labels.quality.measures import learned_from, mutual_information, share
from wamlab.labels.quality.replay import replay, stretches
from wamlab.simulators import make

TASKS = {"clean": "pushworld", "moving": "backdrop/pushworld"}
SIZE, EPISODES, HELD_OUT, LABELS, STRETCHES = 32, 300, 0.15, 0.025, 60
SHOWN = ("latent.nmi", "latent.decoded.5%", "latent.decoded_nmi.2.5%", "latent.read_nmi", "latent.stays", "latent.leak")
PLAIN = LatentConfig()
ALONE = {"continuous": PLAIN, "discrete": replace(PLAIN, bottleneck=Discrete()),
         "untrained": replace(PLAIN, training=replace(PLAIN.training, steps=1))}
VARIANTS: dict[str, dict[str, LatentConfig]] = {
    "clean": ALONE,
    "moving": ALONE | {"2.5% known": replace(PLAIN, supervision=1.0),
                       "2.5% known, no pictures": replace(PLAIN, supervision=1.0, pictures=0.0)},
}


def one(condition: str, variant: str, seed: int, work: Path, store: EpisodeStore) -> list[dict[str, Any]]:
    """The scores of one training, from its file if it has been done."""
    file = work / f"{condition}-{variant}-{seed}.json".replace(" ", "_").replace("%", "")
    if file.exists():
        return json.loads(file.read_text())
    config = VARIANTS[condition][variant]
    pairs = pairs_from([store], (config.gap,))
    train, held = pairs.split(HELD_OUT, seed)
    hidden = np.random.default_rng([seed, 1]).random(len(train)) >= LABELS
    start = time.process_time()
    labeller = train_latent(train.without_labels(hidden), config, seed=seed, folder=file.with_suffix(""))
    scores = [Score(variant, condition, "latent.cpu_seconds", time.process_time() - start, timing=True)]
    spec = store.task_spec.action
    classes = compass_classes(np.concatenate([train.action, held.action]), spec)
    scores += latent_quality(variant, condition, labeller, train, held, classes, seed=seed)
    if config.supervision:
        scores += told(variant, condition, labeller, held, classes[len(train):], store)
    if condition == "clean" and variant != "untrained":
        scores += again(variant, condition, labeller, train, classes, store, held, seed)
    file.write_text(json.dumps([asdict(score) for score in scores]))
    return json.loads(file.read_text())


def told(variant: str, condition: str, labeller: LatentActions, held: Pairs, classes: np.ndarray,
         store: EpisodeStore) -> list[Score]:
    """What the reader that was trained along makes of held-out pairs."""
    found = compass_classes(labeller.read(labeller.of(held)), store.task_spec.action)
    rows = (("read", share(found == classes, held.episode)), ("read_nmi", mutual_information(found, classes, held.episode)))
    return [Score(variant, condition, f"latent.{name}", e.value, e.low, e.high, len(np.unique(held.episode)), "share")
            for name, e in rows]


def again(variant: str, condition: str, labeller: LatentActions, train: Pairs, classes: np.ndarray, store: EpisodeStore,
          held: Pairs, seed: int) -> list[Score]:
    """The stretches of held-out videos, decoded with 5 % of the training actions and done again in another scene."""
    spec, indices = store.task_spec.action, store.indices()
    episodes = [store[indices[number]] for number in np.unique(held.episode)]
    rows = np.random.default_rng([seed, 12]).permutation(len(train))[:round(0.05 * len(train))]
    known = labeller.of(train.rows(rows))

    def decode(episode: Any) -> np.ndarray:
        latent = np.concatenate([known, labeller.of(pairs_of([episode]))])
        names = np.concatenate([classes[:len(train)][rows], np.zeros(len(episode), np.int64)])
        return compass_actions(spec)[learned_from(latent, names, np.arange(len(rows)))[len(rows):]]

    simulator = make(TASKS[condition], size=SIZE, renders=False)
    pieces = stretches(simulator, episodes, count=STRETCHES, seed=seed)
    return [replace(score, task=condition) for score in replay(variant, simulator, pieces, decode, seed=seed)]


def kept(value: object) -> bool:
    """Leaves out what a score does not say; zero is said."""
    return value is not None and value is not False and value != ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.work.mkdir(parents=True, exist_ok=True)
    runs: dict[str, Any] = {}
    values: dict[str, list[float]] = defaultdict(list)
    renderers = []
    for condition, task in TASKS.items():
        store = collect(task, EPISODES, asked.work / condition, kind="compass", workers=1, options={"size": SIZE})
        renderers.append(store.renderer)
        for variant in VARIANTS[condition]:
            for seed in asked.seeds:
                scores = one(condition, variant, seed, asked.work, store)
                runs[f"{condition} | {variant} | seed {seed}"] = [
                    {k: round(v, 5) if isinstance(v, float) else v for k, v in score.items() if kept(v)}
                    for score in scores]
                for score in scores:
                    if score["value"] is not None and not score["timing"]:
                        who = variant if score["model"] == variant else f"{variant}, {score['model']}"
                        values[f"{condition} | {who} | {score['metric']}"].append(score["value"])
                print(f"{condition} {variant} seed {seed}: done", file=sys.stderr, flush=True)
    medians = {name: {"median": round(statistics.median(found), 4), "seeds": [round(v, 4) for v in found]}
               for name, found in values.items()}
    settings = {f"{condition} | {variant}": to_json(config)
                for condition, row in VARIANTS.items() for variant, config in row.items()}
    asked.out.write_text(json.dumps({
        "provenance": provenance(f"python benchmarks/latent_actions.py {asked.work} {asked.out}", asked.seeds, renderers),
        "data": {"episodes": EPISODES, "held out": HELD_OUT, "size": SIZE, "kind": "compass"},
        "meaning": {f"latent.{name}": text for name, text in MEANING.items()}, "medians": medians, "settings": settings,
        "runs": runs}, indent=1) + "\n")
    for name, found in medians.items():
        if "control" not in name and name.split(" | ")[2] in SHOWN:
            print(f"{name:<60} {found['median']:<8} {found['seeds']}")


if __name__ == "__main__":
    main()
