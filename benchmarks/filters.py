"""What quality filters see and what they are worth: PushWorld demonstrations of which 30 % are wrong in known ways.

    python benchmarks/filters.py runs/filters docs/results/filters.json

For each seed: demonstrations, a copy with planted faults (`wamlab.curate.filters.planted`), every filter's AUROC over all
faults and per kind, alone and together; then a reactive recipe (`benchmarks/keypoints.py`) trained on clean and on spoilt
data, as they are and as the filters leave them, with the same steps, and its success from the same held-out starts.
Three sets of filters are judged: those that see nothing but what a robot records (*plain*), with some episodes labelled by
hand (*labels*), with the simulator's truth (*truth*). Beside them two bounds: seven tenths of the spoilt data by chance, which
must not help (*chance*), and all that was not spoilt (*unspoilt*). Stopped at any moment, the same command goes on where it
was; trainings that are done are not repeated.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wamlab import recipe, simulators
from wamlab.control.collect import collect
from wamlab.curate.filters import Corpus, discover
from wamlab.curate.filters.outcome import closed
from wamlab.curate.filters.planted import KINDS, plant
from wamlab.curate.filters.ranking import LIMIT, rank, usable
from wamlab.data.store import EpisodeStore
from wamlab.evaluate.ask.lockstep import successes
from wamlab.evaluate.ask.rollout import held_out
from wamlab.evaluate.provenance import provenance
from wamlab.evaluate.statistics import mean_of_runs, tango
from wamlab.learn.checkpoint import load_model
from wamlab.learn.train import train

TASK, SIZE = "pushworld", 48
LABELLED = 40
"""episodes that somebody watched"""
ALWAYS = ("jerk", "follows", "frozen", "alignment", "information", "value", "duplicates")
SETS = {"plain": ALWAYS, "labels": (*ALWAYS, "success"), "truth": (*ALWAYS, "progress")}

Judged = tuple[dict[str, np.ndarray], np.ndarray]


def world() -> simulators.Simulator:
    return simulators.make(TASK, size=SIZE)


def labels(corpus: Corpus, seed: int) -> dict[int, bool]:
    """What somebody who watches some episodes would say of their ends."""
    drawn = np.random.default_rng([seed, 40]).permutation(len(corpus))[:LABELLED]
    return {corpus.records[i].index: closed(corpus, corpus.records[i]) > 0.8 for i in drawn}


def judged(store: EpisodeStore, wrong: dict[int, str], seed: int, file: Path) -> tuple[dict[str, list[int]], Judged]:
    """What each set keeps, and (badness by each filter and set, kind) per episode; what was found is kept in a file."""
    if not file.exists():
        corpus = Corpus.read(store, seed=seed)
        corpus = replace(corpus, labels=labels(corpus, seed))
        filters, _ = usable(corpus, list(discover().values()))
        ranking = rank(corpus, filters)
        column = {one.name: np.nan_to_num(ranking.deviations[:, n], nan=0.0) for n, one in enumerate(filters)}
        for name, members in SETS.items():
            column[name] = np.max([column[member] for member in members if member in column], 0)
        file.write_text(json.dumps({name: values.tolist() for name, values in column.items()}))
    column = {name: np.array(values) for name, values in json.loads(file.read_text()).items()}
    indices, share = store.indices(), round(0.7 * len(store))
    by_chance = np.random.default_rng([seed, 70]).permutation(indices)[:share]
    kept = {"chance keep 0.7": sorted(int(index) for index in by_chance),
            "unspoilt": [index for index in indices if index not in wrong]}
    for name in SETS:
        kept[f"{name} limit"] = [index for index, bad in zip(indices, column[name], strict=True) if bad < LIMIT]
        kept[f"{name} keep 0.7"] = sorted(indices[i] for i in np.argsort(column[name], kind="stable")[:share])
    return kept, (column, np.array([wrong.get(index, "good") for index in indices]))


def pooled(parts: Sequence[Judged], name: str, kind: str | None) -> dict[str, float]:
    """AUROC over the episodes of all seeds, and its interval by drawing episodes of each class with replacement."""
    bad = np.concatenate([column[name][(kinds != "good") if kind is None else (kinds == kind)] for column, kinds in parts])
    good = np.concatenate([column[name][kinds == "good"] for column, kinds in parts])
    above = (bad[:, None] > good[None]) + 0.5 * (bad[:, None] == good[None])
    generator = np.random.default_rng(0)
    draws = [above[generator.integers(len(bad), size=len(bad))][:, generator.integers(len(good), size=len(good))].mean()
             for _ in range(300)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"auroc": round(float(above.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4),
            "bad": len(bad), "good": len(good)}


def success_of(store: EpisodeStore, kept: list[int], folder: Path, steps: int, starts: int, seed: int) -> dict[str, Any]:
    """Train on some episodes and act; what was found is kept in a file."""
    file = folder.with_name(f"{folder.name}.json")
    if not file.exists():
        made = recipe.load(str(Path(__file__).with_name("keypoints.py")))
        made = replace(made, training=replace(made.training, steps=steps))
        model = load_model(train(made, [store], folder, seed=seed, episodes=[kept]), made)
        solved = successes(model, world, held_out(starts))
        file.write_text(json.dumps({"episodes": len(kept), "success": float(solved.mean()),
                                    "solved": [int(s) for s in solved]}))
    return dict(json.loads(file.read_text()))


def compared(one: Sequence[dict[str, Any]], two: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """First minus second, in points: over training seeds, and over all (seed, start) pairs."""
    by_seed = np.array([100 * (a["success"] - b["success"]) for a, b in zip(one, two, strict=True)])
    a, b = (np.concatenate([r["solved"] for r in side]).astype(bool) for side in (one, two))
    pairs = tango(int((a & ~b).sum()), int((b & ~a).sum()), len(a))
    runs = mean_of_runs(by_seed)
    return {"points": round(runs.value, 2), "over seeds": [round(runs.low, 2), round(runs.high, 2)],
            "over starts": [round(100 * pairs.low, 2), round(100 * pairs.high, 2)], "each seed": by_seed.round(2).tolist(),
            "pairs": len(a)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--episodes", type=int, default=150)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--train", nargs="*", default=["plain limit", "plain keep 0.7"], help="choices that are trained on")
    bounds = ("chance keep 0.7", "unspoilt")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    parts, clean_kept, spoilt_kept = list[Judged](), {}, {}
    runs: dict[str, list[dict[str, Any]]] = {}
    for seed in asked.seeds:
        home = asked.run / f"seed{seed}"
        clean = collect(TASK, asked.episodes, home / "clean", seed=80 + seed, kind="noisy", workers=1,
                        options={"size": SIZE})
        spoilt, wrong = plant(clean, home / "spoilt", seed=seed)
        kept, part = judged(spoilt, wrong, seed, home / "spoilt-judged.json")
        parts.append(part)
        of_kind = dict(zip(spoilt.indices(), part[1].tolist(), strict=True))
        spoilt_kept[seed] = {name: dict(Counter(of_kind[index] for index in indices)) for name, indices in kept.items()}
        kept_clean, _ = judged(clean, {}, seed, home / "clean-judged.json")
        clean_kept[seed] = {name: len(indices) for name, indices in kept_clean.items() if name.partition(" ")[0] in SETS}
        for name in asked.train:
            for data, store, choice in (("spoilt", spoilt, kept), ("clean", clean, kept_clean)):
                whole = len(choice[name]) == len(store)
                place = home / (f"{data}-all" if whole else f"{data} {name}".replace(" ", "-"))
                done = success_of(store, choice[name], place, asked.steps, asked.starts, seed)
                runs.setdefault(f"{data}, {name}", []).append(done)
        for name in bounds if asked.train else ():
            done = success_of(spoilt, kept[name], home / f"spoilt {name}".replace(" ", "-"), asked.steps, asked.starts, seed)
            runs.setdefault(f"spoilt, {name}", []).append(done)
        for data, store in (("spoilt", spoilt), ("clean", clean)) if asked.train else ():
            done = success_of(store, store.indices(), home / f"{data}-all", asked.steps, asked.starts, seed)
            runs.setdefault(f"{data}, all", []).append(done)
    names = list(parts[0][0])
    facts = provenance("python benchmarks/filters.py RUN OUT " + " ".join(
        f"--{k} {' '.join(map(str, v)) if isinstance(v, list) else v}" for k, v in vars(asked).items()
        if k not in ("run", "out", "train")), seeds=asked.seeds, renderer=clean.renderer)
    document = facts | {
        "sets": SETS, "labelled": LABELLED, "limit": LIMIT,
        "note": "limit and floors were chosen on seed 9, the recipe's settings too",
        "auroc": {name: {"all": pooled(parts, name, None)} | {kind: pooled(parts, name, kind) for kind in KINDS}
                  for name in names},
        "kept of clean": clean_kept, "kept of spoilt": spoilt_kept,
        "success": {name: [{k: v for k, v in r.items() if k != "solved"} for r in rows] for name, rows in runs.items()},
        "differences": {f"{data}: {name} minus all": compared(runs[f"{data}, {name}"], runs[f"{data}, all"])
                        for data, names_of in (("spoilt", (*asked.train, *bounds)), ("clean", asked.train))
                        for name in (names_of if asked.train else ())}}
    asked.out.write_text(json.dumps(document, indent=1) + "\n")
    for name in names:
        print(f"{name:12}", *(f"{kind} {found['auroc']:.2f}" for kind, found in document["auroc"][name].items()))
    print(json.dumps({k: document[k] for k in ("kept of clean", "kept of spoilt", "success", "differences")}, indent=1))


if __name__ == "__main__":
    main()
