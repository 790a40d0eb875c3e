"""Hand-held recordings with known faults: what calibration recovers, and what the robot solves with what came out.

    python benchmarks/umi.py [--scenes 6] [--out docs/results/umi.json]

Accuracy: 20 calibration motions of 12 s, each with a latency, frames, a gripper scale and noise of its own. Replay: the
script's solution of a task, at half its speed, recorded by such a device, retargeted and executed in the same scene. Controls:
the tool's offset left out; the gripper's latency wrong by 0.5 s; commands as shown, without learning from their error.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from wamlab.control.collect import demonstrate
from wamlab.control.retarget import TRIALS, retarget
from wamlab.data.umi.align import Signal
from wamlab.data.umi.calibrate import Calibration, calibrate
from wamlab.data.umi.files import Demonstration
from wamlab.data.umi.path import path_of
from wamlab.data.umi.simulated import Faults, motion, record
from wamlab.data.umi.track import Frame, Track
from wamlab.evaluate.provenance import provenance
from wamlab.evaluate.statistics import clopper_pearson
from wamlab.simulators import make

HAND, CENTRE, SLOWER = Rotation.from_quat([0, 1, 0, 1]), np.array([0.0, 0.6, 0.2]), 2.0
FIRST = 100
"""the scenes below were looked at while the method was made"""
TASKS = ("drawer-open", "button-press-topdown", "plate-slide", "push", "pick-place")


def device(seed: int) -> tuple[Calibration, Calibration]:
    """(the truth, what calibration finds)."""
    rng = np.random.default_rng(seed)
    truth = Calibration(Frame(Rotation.random(rng=rng), rng.uniform(-1, 1, 3)),
                        Frame(Rotation.from_rotvec(rng.uniform(-0.5, 0.5, 3)), rng.uniform(-0.2, 0.2, 3)),
                        float(rng.uniform(0.02, 0.2)), float(rng.uniform(-0.1, 0.3)), 0.0,
                        (float(rng.uniform(8, 12)), float(rng.uniform(-0.05, 0.05))))
    hand, opening = motion(rng, CENTRE, HAND)
    noted, width = record(hand, opening, truth, rng)
    return truth, calibrate(noted, hand, width, opening)


def errors(truth: Calibration, found: Calibration) -> dict[str, float]:
    return {"pose latency (ms)": 1e3 * abs(found.pose_latency - truth.pose_latency),
            "width latency (ms)": 1e3 * abs(found.width_latency - truth.width_latency),
            **{f"{name} ({unit})": value for name in ("world", "tool") for unit, value in zip(
                ("mm", "degrees"), off(getattr(found, name), getattr(truth, name)), strict=True)}}


def off(one: Frame, other: Frame) -> tuple[float, float]:
    return (1e3 * float(np.linalg.norm(one.translation - other.translation)),
            float(np.degrees((one.rotation.inv() * other.rotation).magnitude())))


def shown(episode: object, truth: Calibration, seed: int) -> Demonstration:
    at = np.arange(len(episode) + 1) / 20 * SLOWER
    clock = np.arange(0, at[-1], 0.01)
    place = np.stack([np.interp(clock, at, column) for column in episode.state[:, :3].T.astype(float)], 1)
    hand = Track(clock, place, Rotation.concatenate([HAND] * len(clock)))
    opening = Signal(clock, np.interp(clock, at, episode.state[:, 3].astype(float)))
    pose, width = record(hand, opening, truth, np.random.default_rng(seed))
    return Demonstration("demo", "", pose, np.zeros(len(pose), bool), pose.time, width, None, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("docs/results/umi.json"))
    asked = parser.parse_args()
    begin = time.process_time()
    rows = [errors(*device(seed)) for seed in range(20)]
    accuracy = {name: {"mean": float(np.mean([row[name] for row in rows])), "max": max(row[name] for row in rows)}
                for name in rows[0]}
    print(json.dumps(accuracy, indent=1))
    tasks = {}
    for number, task in enumerate(TASKS):
        world, truth_found = make(f"metaworld/{task}", renders=False), device(100 + number)
        truth, found = truth_found
        kinds = {"calibrated": (found, TRIALS), "no tool offset": (replace(found, tool=Frame.none()), TRIALS),
                 "gripper 0.5 s late": (replace(found, width_latency=found.width_latency - 0.5), TRIALS),
                 "without learning": (found, 1)}
        solved, gaps = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}
        scene = FIRST
        while len(solved["calibrated"]) < asked.scenes:
            episode, scene = demonstrate(world, "expert", 0, scene), scene + 1
            if not episode.solved:
                continue
            demonstration = shown(episode, truth, scene)
            for kind, (calibration, trials) in kinds.items():
                world.reset(seed=episode.meta["scene"])
                made = retarget(world, path_of(demonstration, calibration, 20.0), trials=trials).episode
                solved[kind].append(made.solved)
                gaps[kind].append(made.meta["path_error_mm"]["rms"])
        world.close()
        tasks[task] = {kind: {"solved": int(sum(solved[kind])), "of": len(solved[kind]),
                              "path_error_mm": float(np.mean(gaps[kind]))} for kind in kinds}
        print(task, json.dumps(tasks[task]), flush=True)
    total = {}
    for kind in kinds:
        hits, count = (sum(tasks[task][kind][key] for task in TASKS) for key in ("solved", "of"))
        total[kind] = {"solved": hits, "of": count, "rate": hits / count, "interval": list(clopper_pearson(hits, count))}
    print(json.dumps(total, indent=1))
    record_of = provenance("python benchmarks/umi.py", seeds=[*range(20), *range(100, 100 + len(TASKS))])
    asked.out.write_text(json.dumps({"provenance": record_of, "faults": asdict(Faults()), "slower": SLOWER,
                                     "accuracy_of_20_calibrations": accuracy, "tasks": tasks, "all": total,
                                     "cpu_seconds": time.process_time() - begin}, indent=1) + "\n")


if __name__ == "__main__":
    main()
