"""Three claims about world action models, each as an ablation with several training seeds and a verdict.

    wam run --out runs/first
    python benchmarks/ablations.py runs/first runs/ablations docs/results/ablations.json --seeds 0 1 2

*mask* (WorldVLA, arXiv 2506.21539): in a chunk of actions written token by token, those of one step should not read those of
earlier steps; against plain causal order, on plate-slide, whole chunks executed. *one step* (DreamZero-Flash, arXiv
2602.15922): levels of frames and action drawn apart should save most of what one step of sampling costs a model of one shared
level. *write-back* (DreamZero): after each chunk what really happened takes the place of what was imagined; against going on
with the imagination for four chunks. All act in closed loop from the same held-out starts; the imagination of the third is
also held against what its own actions led to.

A claim is *reproduced* where the interval over all pairs of (seed, start) lies on its side of zero and no seed points away,
*not reproduced here* where it lies on the other side or within ten points of zero on both, else *inconclusive*. Trainings and
rollouts that are done are not repeated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wamlab import simulators
from wamlab.control.executor import Executor, run_episode
from wamlab.control.gate import Gate
from wamlab.control.policy import ModelPolicy
from wamlab.data.store import EpisodeStore, store_name
from wamlab.evaluate.ask.lockstep import successes
from wamlab.evaluate.ask.rollout import held_out
from wamlab.evaluate.provenance import provenance
from wamlab.evaluate.statistics import mean_of_runs, tango
from wamlab.learn.checkpoint import load_model
from wamlab.learn.train import train
from wamlab.models.base import Running, WorldActionModel
from wamlab.models.streams import Streams
from wamlab.recipe import Recipe
from wamlab.recipes.dreamzero import dreamzero, dreamzero_flash
from wamlab.recipes.world_vla import world_vla
from wamlab.types import POLICY, Episode, Prediction

FILM = "mean squared error of the film where something moves, by chunk"
MASKED = "metaworld/plate-slide"
"""the task on which masks are compared: both solve drawer-open nearly always"""
LONGER = 3
"""by which factor actions without frames are trained longer"""
MARGIN = 10.0
"""points of success that are as good as none"""


def streams(made: Recipe) -> Streams:
    assert isinstance(made.model, Streams)
    return made.model


def changed(made: Recipe, name: str, **words: Any) -> Recipe:
    """The recipe with other words for one stream."""
    settings = streams(made)
    return replace(made, model=replace(settings, streams={**settings.streams, name: replace(settings.streams[name], **words)}))


def alone(made: Recipe, name: str) -> Recipe:
    """The actions without the frames, which they never read; they are learned three times as long in the same time."""
    settings = streams(made)
    return replace(made, name=name, model=replace(settings, practice=(POLICY,), **{
        key: {"action": getattr(settings, key)["action"]} for key in ("streams", "reads")}))


step = alone(world_vla, "world_vla_step")
causal = alone(changed(world_vla, "action", within="causal"), "world_vla_causal")


def in_one_step(model: WorldActionModel, made: Recipe) -> WorldActionModel:
    """The same weights, asked with a single step of sampling."""
    for name in ("future", "action"):
        made = changed(made, name, process=replace(streams(made).streams[name].process, steps=1))
    other = made.model.build(model.task_spec)
    other.load_state_dict(model.state_dict())
    return other.eval().requires_grad_(False)


class Dreaming(ModelPolicy):
    """Goes on with what it imagined, as far as its memory reaches, before it looks again."""

    last: Prediction

    def answer(self, session: Running, seed: int) -> Prediction:
        self.last = super().answer(session, seed)
        return self.last

    def session(self, instruction: str) -> Running:
        if self._session is None or (self._step // self.model.chunk) % self.model.chunks == 0:
            return super().session(instruction)
        self._session.adopt(self.last)
        return self._session


def in_batches(model: WorldActionModel, task: str, starts: int, execute: int = 4) -> dict[str, Any]:
    return {"solved": [int(s) for s in successes(model, partial(simulators.make, task), held_out(starts), execute=execute)]}


def whole_chunks(model: WorldActionModel, task: str, starts: int) -> dict[str, Any]:
    """Nothing is looked at between a chunk's steps, so that they have to hang together."""
    return in_batches(model, task, starts, model.chunk)


def one_by_one(policy: type[ModelPolicy], model: WorldActionModel, task: str, starts: int) -> dict[str, Any]:
    """Whole chunks are executed. Also how far each chunk's imagination is from what its actions led to."""
    world, solved = simulators.make(task), []
    errors: list[list[float]] = [[] for _ in range(model.chunks)]
    executor = Executor(policy(model), Gate(world.task_spec.action), model.chunk, expects=model.task_spec, needs=model.needs)
    for seed in held_out(starts):
        episode = run_episode(world, executor, seed)
        solved.append(int(episode.success.any()))
        for one in episode.imagined:
            errors[one.step // model.chunk % model.chunks] += off(episode, one.step, one.offsets, one.frames)
    world.close()
    return {"solved": solved, "error": [round(float(np.mean(row)), 6) for row in errors if row]}


def off(episode: Episode, step: int, offsets: Sequence[int], frames: np.ndarray | None) -> list[float]:
    """Mean squared error of imagined frames (range 0 to 1) over the pixels that changed since the frame at `step`."""
    real, found = next(iter(episode.frames.values())), []
    for offset, frame in zip(offsets, () if frames is None else frames, strict=False):
        if step + offset < len(real):
            now, then = (real[i].astype(np.float32) / 255 for i in (step, step + offset))
            moved = np.abs(then - now).max(-1) > 12 / 255
            if moved.any():
                found.append(float(((frame.astype(np.float32) / 255 - then)[moved] ** 2).mean()))
    return found


Asked = Callable[[WorldActionModel, str, int], dict[str, Any]]
ARMS: dict[str, tuple[Recipe, Asked]] = {
    "mask: step": (step, whole_chunks),
    "mask: causal": (causal, whole_chunks),
    "one step: flash": (dreamzero_flash, in_batches),
    "one step: shared": (dreamzero, lambda model, task, starts: in_batches(in_one_step(model, dreamzero), task, starts)),
    "one step: shared, five steps": (dreamzero, in_batches),
    "write-back: reality": (dreamzero, partial(one_by_one, ModelPolicy)),
    "write-back: imagination": (dreamzero, partial(one_by_one, Dreaming)),
}
CLAIMS = {"mask": ("mask: step", "mask: causal"), "one step": ("one step: flash", "one step: shared"),
          "write-back": ("write-back: reality", "write-back: imagination")}


def compared(first: Sequence[Sequence[int]], second: Sequence[Sequence[int]]) -> dict[str, Any]:
    """First minus second in points of success, per seed, over seeds and over all pairs; and what that says of the claim."""
    a, b = np.array(first, bool), np.array(second, bool)
    each = 100 * (a.mean(1) - b.mean(1))
    pairs = tango(int((a & ~b).sum()), int((b & ~a).sum()), a.size)
    low, high = 100 * pairs.low, 100 * pairs.high
    runs = mean_of_runs(each) if len(each) > 1 else None
    away = high < 0 or (low > -MARGIN and high < MARGIN)
    verdict = "reproduced" if low > 0 and (each >= 0).all() else "not reproduced here" if away else "inconclusive"
    return {"points": round(float(each.mean()), 2), "over pairs": [round(low, 2), round(high, 2)],
            "over seeds": runs and [round(runs.low, 2), round(runs.high, 2)], "each seed": each.round(2).tolist(),
            "pairs": a.size, "verdict": verdict}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run, for its demonstrations")
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--task", default="metaworld/drawer-open", help="of one step and write-back")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS), help="do these now; others as they stand")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for seed in asked.seeds:
        for arm, (made, ask) in ARMS.items():
            file = asked.work / f"{arm.replace(': ', '-').replace(', ', '-').replace(' ', '_')}-{seed}.json"
            task = MASKED if arm.startswith("mask") else asked.task
            store = EpisodeStore.open(asked.run / "data" / store_name(task))
            if not file.exists() and arm in asked.arms:
                steps = asked.steps * (LONGER if arm.startswith("mask") else 1)
                made = replace(made, training=replace(made.training, steps=steps))
                folder = train(made, [store], asked.work / f"{made.name}-{seed}", seed=seed)
                file.write_text(json.dumps(ask(load_model(folder), task, asked.starts)))
                print(arm, seed, np.mean(json.loads(file.read_text())["solved"]), flush=True)
            if file.exists():
                found.setdefault(arm, {})[seed] = json.loads(file.read_text())
    command = (f"python benchmarks/ablations.py RUN WORK OUT --task {asked.task} --seeds {' '.join(map(str, asked.seeds))} "
               f"--steps {asked.steps} --starts {asked.starts}")
    arms: dict[str, dict[str, Any]] = {}
    for arm, rows in found.items():
        arms[arm] = {"success": {str(seed): round(float(np.mean(row["solved"])), 4) for seed, row in rows.items()}}
        if films := {str(seed): row["error"] for seed, row in rows.items() if "error" in row}:
            arms[arm] |= {FILM: films}
    claims = {name: compared([found[one][s]["solved"] for s in common], [found[other][s]["solved"] for s in common])
              for name, (one, other) in CLAIMS.items()
              if (common := sorted({*found.get(one, {})} & {*found.get(other, {})}))}
    asked.out.write_text(json.dumps(provenance(command, seeds=asked.seeds, renderer=store.renderer) | {
        "margin": MARGIN, "claims": claims, "arms": arms}, indent=1) + "\n")
    print(json.dumps(claims, indent=1))


if __name__ == "__main__":
    main()
