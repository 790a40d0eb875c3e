"""A made-up run in which a square moves over a background: enough for everything that shows logs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wamlab.data.store import EpisodeStore
from wamlab.evaluate.conformance.gate import OWN, write
from wamlab.evaluate.log import EvalLog, Score
from wamlab.spec import ActionSpec, EntitySpec, TaskSpec
from wamlab.types import Episode, Imagined

SIDE = 64
OFFSETS = (4, 8)


def task_spec(task: str) -> TaskSpec:
    action = ActionSpec(("dx", "dy"), (-1.0, -1.0), (1.0, 1.0), ("px/step", "px/step"))
    return TaskSpec(task, f"move the square in {task}", ("main",), (SIDE, SIDE), ("x [px]", "y [px]"), action,
                    (EntitySpec("square", "object", ("x", "y"), ("px", "px"), 1.0),), 20.0, 40)


def picture(place: np.ndarray, colour: tuple[int, int, int] = (200, 60, 50)) -> np.ndarray:
    ramp = np.linspace(150, 210, SIDE).astype(np.uint8)
    frame = np.stack([np.broadcast_to(ramp, (SIDE, SIDE)), np.broadcast_to(ramp[:, None], (SIDE, SIDE)),
                      np.full((SIDE, SIDE), 190, np.uint8)], -1).copy()
    x, y = place.astype(int).clip(0, SIDE - 12)
    frame[y:y + 12, x:x + 12] = colour
    return frame


def episode(task: str, seed: int, solved: bool, imagines: bool = True, steps: int = 24) -> Episode:
    rng = np.random.default_rng(seed)
    action = np.clip(rng.normal(0.6, 0.4, (steps, 2)), -1, 1).astype(np.float32)
    place = np.concatenate([rng.uniform(2, 20, (1, 2)), action * 1.4]).cumsum(0)
    success = np.zeros(steps + 1, bool)
    success[-1] = solved
    thoughts = []
    for t in range(0, steps, 4):
        dreams = np.stack([picture(place[t] + offset * 0.8, (220, 130, 90)) for offset in OFFSETS])
        pictures = (OFFSETS, dreams) if imagines else ((), None)
        thoughts.append(Imagined(t, np.zeros((8, 2), np.float32), *pictures, 0.02))
    frames = {"main": np.stack([picture(p) for p in place])}
    return Episode(task, f"move the square in {task}", frames, place.astype(np.float32), action, success, {"square": place},
                   imagined=tuple(thoughts), meta={"source": "made up", "seed": seed})


def write_run(folder: Path, tasks: tuple[str, ...] = ("toy/left", "toy/right")) -> EvalLog:
    """Stores, a log of every kind of score, and the log saved under `folder`/log."""
    stores, scores = {}, []
    for task in tasks:
        for model, every, imagines in (("uwm", 3, True), ("vla", 2, False)):
            name = f"{model}/{task}"
            store = EpisodeStore.create(folder / "rollouts" / name, task_spec(task), "toy-0")
            for seed in range(6):
                store.put(seed, episode(task, seed, bool(seed % every), imagines))
            stores[name] = f"../rollouts/{name}"
            rate = sum(bool(s % every) for s in range(6)) / 6
            scores.append(Score(model, task, "success", rate, max(0, rate - 0.3), min(1, rate + 0.25), 6, "share"))
        scores.append(Score("control/open_loop_replay", task, "success", 0.1, 0.02, 0.25, 30, "share"))
    scores.append(Score("uwm", "all", "success.paired", -0.02, -0.1, 0.06, 12, note="McNemar p = 0.75"))
    for entity, value in (("robot", 0.71), ("object", 0.36)):
        scores.append(Score("uwm", "all", f"cc.{entity}", value, value - 0.09, value + 0.08, 24))
        for null, low in (("oracle", 1.0), ("frozen", 0.0), ("action_blind", 0.0), ("wrong_direction", -1.0)):
            scores.append(Score(f"null/{null}", "all", f"cc.{entity}", low, low, low, 24))
        scores.append(Score("vla", "all", f"cc.{entity}", None, unavailable="this wiring has no future"))
    for metric, ours, copied in (("psnr.changed", 15.1, 11.2), ("psnr", 22.0, 24.5), ("ssim", 0.71, 0.84)):
        unit, slack = ("dB", 0.4) if "psnr" in metric else ("", 0.02)
        scores.append(Score("uwm", "all", metric, ours, ours - slack, ours + slack, 12, unit))
        scores.append(Score("uwm", "all", f"{metric}.copy", copied, copied - slack, copied + slack, 12, unit))
        gain = ours - copied
        scores.append(Score("uwm", "all", f"{metric}.gain", gain, gain - slack, gain + slack, 12, unit))
    scores.append(Score("uwm", "all", "tidiness", 0.4, 0.3, 0.5, 12))
    scores.append(Score("uwm", "all", "fcs", 0.55, 0.41, 0.68, 50, "share"))
    scores.append(Score("uwm", "all", "fcs.ceiling", 0.62, 0.5, 0.74, 50, "share"))
    scores.append(Score("uwm", "all", "cc.robot.ceiling", 0.93, 0.9, 0.95, 24))
    scores += [Score("readout", "all", f"readout.hand.{name}", value, n=200, unit=unit)
               for name, value, unit in (("rmse", 0.0061, "m"), ("median", 0.0042, "m"), ("r2", 0.97, ""))]
    for model, parts in (("uwm", (2.1, 15.0, 3.2)), ("vla", (1.9, 9.0, 0.0))):
        for stage, value in zip(("encode", "sample", "decode"), parts, strict=True):
            scores.append(Score(model, "all", f"latency.{stage}", value / 1000, n=100, unit="s", timing=True))
        scores.append(Score(model, "all", "latency.total", sum(parts) / 1000, n=100, unit="s", timing=True))
    curves = {model: {"train": [[step, 1.3 / (1 + step / 90) + 0.05] for step in range(0, 600, 6)],
                      "validation": [[step, 1.4 / (1 + step / 90) + 0.08] for step in range(0, 600, 100)]}
              for model in ("uwm", "vla")}
    places = np.array([[10.0, 20.0], [24.0, 30.0]])
    moves = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * 8
    true = np.stack([[[picture(p + m * f) for f in (1, 2)] for m in moves] for p in places])
    dreamt = np.stack([[[picture(p + m * f * 0.6, (220, 130, 90)) for f in (1, 2)] for m in moves] for p in places])
    arrays = {"counterfactual/context": np.stack([picture(p) for p in places]), "counterfactual/true": true,
              "counterfactual/imagined": dreamt}
    provenance = {"command": "wam run --size debug", "date": "2026-01-02T03:04:05Z", "seeds": [0], "renderer": "toy-0",
                  "cpu": "a processor", "counterfactual": {"actions": ["right", "left", "down", "up"]},
                  "models": {"uwm": "joint future and action, one stream", "vla": "reactive baseline without a future"}}
    log = EvalLog(provenance, tuple(scores), curves, arrays, stores, {"train": 12.5})
    log.save(folder / "log")
    write({"tidiness": ["toy"]}, folder / "log" / OWN)
    return log
