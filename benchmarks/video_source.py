"""What video without actions adds to a few labelled episodes, on PushWorld: imagination on held-out scenes, and success.

    python benchmarks/video_source.py WORK docs/results/video-source.json --seeds 0 1 2 3

Every seed has labelled episodes, videos and initial weights of its own. All arms take the same number of steps and differ in
what they see; with a second source, half of each batch comes from it:

    labelled         a few episodes of the robot, no wall on the table
    own video        and the robot's own rollouts with actions and proprioception withheld
    own labels       and the same rollouts with them: what the video could give at most
    others' video    and 7 minutes of another body's video of a task that no labelled episode shows (a wall is in the way): the
                     experiment of DreamZero (arXiv 2602.15922) on 10 to 20 minutes of other robots and of people, made small

Imagination is judged on the true futures of several actions from saved states of held-out scenes: PSNR over the pixels that
really change, against copying the frame of now. Stopped at any moment, the same command goes on with the next cell.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from scipy import stats

from wamlab import recipe
from wamlab.control.collect import collect
from wamlab.data.atomic import write_whole
from wamlab.data.mixture import Mixture
from wamlab.data.store import EpisodeStore
from wamlab.evaluate.ask.branches import Branches, Protocol, imagine_branches, make_branches
from wamlab.evaluate.ask.rollout import held_out, rollout
from wamlab.evaluate.metrics.visual import changed, psnr, squared_error
from wamlab.evaluate.provenance import provenance
from wamlab.job.run import executor_for
from wamlab.learn.checkpoint import load_model, read_header
from wamlab.learn.train import train
from wamlab.simulators import Observation, make
from wamlab.simulators.pushworld import PushWorld
from wamlab.simulators.pushworld_law import GOAL
from wamlab.types import Context, Episode, as_image

LABELLED, VIDEO, OTHERS = 8, 80, 130
"""episodes of each source"""
WORLDS: dict[str, dict[str, Any]] = {"plain": {"size": 48}, "wall": {"size": 48, "wall": True}}
"""what `simulators.make` is told: small pictures, and where the task is another one a wall"""
MEASURES = {
    "action given": "dB over copying the frame of now, over pixels that change; nine actions from each state",
    "action absent": "the same without an action, against the expert's own continuation",
    "success": "share of held-out starts solved, from where the expert has begun to push",
    "progress": "share of the way to the goal that the disc came, from there",
    "success from the start": "share of held-out starts solved", "progress from the start": "share of the way, from the start"}
ARMS = {"labelled": ("plain", "wall"), "own video": ("plain",), "own labels": ("plain",), "others' video": ("wall",)}
"""arm -> the worlds that it is judged in"""


def settings(steps: int) -> recipe.Recipe:
    """UWM, made small enough that all cells together take less than half an hour of one core."""
    made = recipe.load("uwm")
    training = replace(made.training, steps=steps, codec_steps=240, codec_batch=16, warmup=40, ema=0.99, validate_every=10**6,
                       checkpoint_every=10**6)
    return replace(made, model=replace(made.model, width=64, depth=2), training=training)


def sources(arm: str, seed: int, work: Path) -> list[EpisodeStore]:
    """The arm's datasets; scenes of different seeds and sources never meet."""
    make_own = partial(collect, "pushworld", kind="mixed", workers=1, options=WORLDS["plain"])
    labelled = make_own(LABELLED, work / f"labelled-{seed}", seed=3 * seed)
    match arm:
        case "own video":
            return [labelled, make_own(VIDEO, work / f"video-{seed}", seed=3 * seed + 1, video=True)]
        case "own labels":
            return [labelled, make_own(VIDEO, work / f"labels-{seed}", seed=3 * seed + 1)]
        case "others' video":
            return [labelled, collect("other-body/pushworld", OTHERS, work / f"others-{seed}", seed=3 * seed + 2, kind="expert",
                                      video=True, workers=1, options=WORLDS["wall"])]
        case _:
            return [labelled]


def gains(real: np.ndarray, imagined: np.ndarray, now: np.ndarray) -> list[float]:
    """dB that the imagination is better than a copy of now over pixels that change; per context, the mean over its frames
    [C, ..., h, w, 3] in which enough pixels do."""
    found = []
    for true, dreamt, seen in zip(real, imagined, now, strict=True):
        flat, copy = true.reshape(-1, *seen.shape), np.broadcast_to(seen, true.shape).reshape(-1, *seen.shape)
        mask = changed(flat, copy)
        difference = psnr(squared_error(dreamt.reshape(flat.shape), flat), mask) - psnr(squared_error(copy, flat), mask)
        found.append(float(np.nanmean(difference)) if np.isfinite(difference).any() else float("nan"))
    return found


class AtContact(PushWorld):
    """PushWorld from where the expert's tip has begun to push: finding its way behind the disc is more than so few episodes
    teach, and success from there on would be 0 for every arm."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        draws, self.renders = self.renders, False
        expert, before = self.expert(), self.truth()["object"]
        while np.abs(self.truth()["object"] - before).max() < 0.01 and self._steps < self.task_spec.max_steps:
            self.step(expert())
        self._steps, self.renders = 0, draws
        return self.observe(), {"success": False}


def progress(episode: Episode) -> float:
    """Share of the disc's way to the goal that was behind it when it was nearest, 0 to 1."""
    away = np.linalg.norm(episode.truth["object"] - episode.truth["goal"], axis=1) - GOAL
    return float(np.clip(1 - away.min() / away[0], 0, 1))


def judged(folder: Path, branches: Branches, world: str, work: Path, starts: int) -> dict[str, Any]:
    model = load_model(folder)
    now = branches.context_frames[:, -1]
    given = gains(branches.frames, imagine_branches(model, branches).frames, now)
    frames, states = (torch.from_numpy(seen[:, -model.history:]) for seen in (branches.context_frames, branches.context_state))
    context = Context(frames.movedim(-1, -3).contiguous(), states, (branches.spec.instruction,) * len(branches))
    with torch.inference_mode():
        answer = model.predict(context, want={"future"}, seeds=list(range(len(branches)))).future
    assert answer is not None
    factual = branches.protocol.actions.index("factual")
    absent = gains(branches.frames[:, factual], as_image(answer), now)
    said: dict[str, Any] = {"action given": given, "action absent": absent}
    for name, kind, count in (("", AtContact, starts), (" from the start", PushWorld, starts // 3)):
        episodes = rollout(partial(executor_for, folder, 4), "pushworld", held_out(count), work / "rollouts" / f"{world}{name}",
                           workers=1, make_simulator=partial(kind, **WORLDS[world]))
        solved, way = zip(*((float(e.solved), progress(e)) for e in episodes), strict=True)
        said |= {f"success{name}": list(solved), f"progress{name}": list(way)}
    return said


def cell(arm: str, seed: int, work: Path, steps: int, contexts: int, starts: int) -> dict[str, Any]:
    path = work / "cells" / f"{arm.replace(' ', '-')}-{seed}.json"
    if path.exists():
        return json.loads(path.read_text())
    start = time.process_time()
    stores = sources(arm, seed, work)
    folder = train(settings(steps), stores, work / "models" / f"{arm}-{seed}", seed=seed,
                   mixture=Mixture.parse(["1,1"]) if len(stores) > 1 else None)
    found = {}
    for world in ARMS[arm]:
        protocol = Protocol("pushworld", (4, 8), contexts=contexts, options=WORLDS[world])
        branches = make_branches(protocol, work / "branches", workers=1)
        found[world] = judged(folder, branches, world, work / f"{arm}-{seed}", starts)
    minutes = sum(len(store.load(i, frames=False)) for store in stores[1:] for i in store.indices()) / 600
    result = {"arm": arm, "seed": seed, "worlds": found, "minutes_of_the_second_source": round(minutes, 2),
              "sources": read_header(folder)["sources"], "cpu_seconds": round(time.process_time() - start, 1)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(result).encode())
    return result


def compared(one: np.ndarray, two: np.ndarray) -> dict[str, Any]:
    """Second minus first [seeds, units], the same units. Two intervals: drawing seeds and units anew (10,000 times), and
    Student's over the seeds' means."""
    difference = two - one
    means = np.nanmean(difference, 1)
    generator = np.random.default_rng(0)
    rows, columns = (generator.integers(n, size=(10_000, n)) for n in difference.shape)
    drawn = np.nanmean(difference[rows[:, :, None], columns[:, None, :]], axis=(1, 2))
    half = stats.t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
    return {"first": round(float(np.nanmean(one)), 4), "second": round(float(np.nanmean(two)), 4),
            "difference": round(float(means.mean()), 4), "bootstrap": np.quantile(drawn, [0.025, 0.975]).round(4).tolist(),
            "student": [round(float(means.mean() - half), 4), round(float(means.mean() + half), 4)],
            "per_seed": means.round(4).tolist(), "units": int(difference.shape[1])}


def summary(cells: list[dict[str, Any]], seeds: list[int]) -> dict[str, Any]:
    table = {(c["arm"], c["seed"]): c["worlds"] for c in cells}
    pairs = [("labelled", "own video", "plain"), ("labelled", "own labels", "plain"), ("labelled", "others' video", "wall")]
    out: dict[str, Any] = {}
    for first, second, world in pairs:
        for measure in MEASURES:
            if all((arm, seed) in table for arm in (first, second) for seed in seeds):
                values = [np.array([table[arm, seed][world][measure] for seed in seeds]) for arm in (first, second)]
                out[f"{second} against {first}, {world} table: {measure}"] = compared(*values)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--contexts", type=int, default=24)
    parser.add_argument("--starts", type=int, default=30)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cells = []
    for seed in asked.seeds:
        for arm in asked.arms:
            cells.append(cell(arm, seed, asked.work, asked.steps, asked.contexts, asked.starts))
            print(arm, seed, cells[-1]["cpu_seconds"], {w: {m: round(float(np.nanmean(v)), 3) for m, v in found.items()}
                                                        for w, found in cells[-1]["worlds"].items()}, flush=True)
    found = summary(cells, asked.seeds)
    simulator = make("pushworld")
    command = f"python benchmarks/video_source.py WORK OUT --seeds {' '.join(map(str, asked.seeds))}"
    facts = provenance(command, seeds=asked.seeds, renderer=simulator.renderer, steps=asked.steps,
                       contexts=asked.contexts, starts=asked.starts,
                       episodes={"labelled": LABELLED, "own": VIDEO, "others": OTHERS}, measures=MEASURES)
    write_whole(asked.out, (json.dumps(facts | {"compared": found, "cells": cells}, indent=1) + "\n").encode())
    for name, row in found.items():
        print(f"{name}: {row['first']} -> {row['second']}, {row['difference']} {row['bootstrap']} {row['student']}")


if __name__ == "__main__":
    main()
