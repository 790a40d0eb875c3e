"""Random clips (8 frames, 2 cameras, 96 x 96): this loader beside the official LeRobot loader, one core, one run.

    python benchmarks/loader.py                writes docs/results/loader.json and prints the table

The dataset is written here (AV1, a keyframe at every second frame: the official default). The official library runs in an
environment of its own (`tests/lerobot_official`); where that cannot be had, only this loader is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from wamlab.data.formats.features import Feature
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.lerobot_write import Writer
from wamlab.data.paged import ClipCache
from wamlab.evaluate.provenance import provenance

HERE = Path(__file__).parents[1]
CAMERAS = ("observation.images.top", "observation.images.wrist")


def write(root: Path, episodes: int, length: int, side: int) -> None:
    """Moving blobs before a fixed textured table."""
    generator = np.random.default_rng(0)
    root.mkdir()
    features = {"observation.state": Feature("float32", (7,)), "action": Feature("float32", (7,))}
    writer = Writer(root, features | {name: Feature("video", (side, side, 3)) for name in CAMERAS}, fps=10, codec="av1")
    y, x = np.mgrid[0:side, 0:side]
    table = (generator.normal(0, 6, (side, side, 1)) + np.stack([90 + 0.5 * x, 120 - 0.4 * y, 70 + 0.3 * (x + y)], -1)).clip(0,
                                                                                                                             255)
    for _ in range(episodes):
        path = (np.cumsum(generator.normal(0, 2.0, (length, 2, 2)), 0) + generator.uniform(20, side - 20, (1, 2, 2))) % side
        frames = {}
        for number, name in enumerate(CAMERAS):
            weight = np.exp(-((x - path[:, number, 0, None, None]) ** 2 + (y - path[:, number, 1, None, None]) ** 2) / 120)[...,
                                                                                                                            None]
            frames[name] = (table * (1 - weight) + np.array([220, 50, 30]) * weight).astype(np.uint8)
        numbers = generator.normal(size=(length, 7)).astype(np.float32)
        writer.add({"observation.state": numbers, "action": numbers}, frames, "move")
    writer.close()


def ours(cache: ClipCache, clips: int, frames: int, batch: int) -> dict[str, float]:
    """Float tensors in [0, 1] are made too, because the official loader gives them; both arrays are used again."""
    starts = np.random.default_rng(1).choice(cache.starts(frames), clips)
    bytes_ = np.empty((batch, frames, *cache.shape[1:]), np.uint8)
    floats = torch.empty(bytes_.shape)
    wall, cpu = time.perf_counter(), time.process_time()
    for first in range(0, clips - batch + 1, batch):
        floats.copy_(torch.from_numpy(cache.clips(starts[first:first + batch], frames, out=bytes_))).div_(255)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=20)
    asked = parser.parse_args()
    sys.path.insert(0, str(HERE / "tests"))
    from lerobot_official import environment

    torch.set_num_threads(1)
    frames, side, length = 8, 96, 200
    rows: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "set"
        write(root, asked.episodes, length, side)
        dataset = LeRobot.open(root)
        start = time.process_time()
        cache = ClipCache(dataset, CAMERAS, Path(folder) / "cache")
        cache.fill()
        filling = time.process_time() - start
        rates: dict[str, list[float]] = {"official, pyav": [], "wamlab, batches of 32": [], "wamlab, one at a time": []}
        reason = ""
        for number in range(asked.rounds):
            for batch, name in ((32, "wamlab, batches of 32"), (1, "wamlab, one at a time")):
                clips = asked.clips * 8
                rates[name].append(clips / ours(cache, clips, frames, batch)["cpu"])
            try:
                said = json.loads(environment.run("bench.py", root, asked.clips, number, frames).strip().splitlines()[-1])
                rates["official, pyav"].append(said["clips"] / said["cpu"])
            except environment.Unavailable as error:
                reason = str(error)
        total = asked.episodes * length
        for name, values in rates.items():
            if values:
                rows[name] = {"clips per cpu second": round(float(np.median(values)), 1),
                              "rounds": [round(v, 1) for v in values]}
        command = f"python benchmarks/loader.py --clips {asked.clips} --rounds {asked.rounds} --episodes {asked.episodes}"
        result = provenance(command, seeds=(0, 1)) | {
                  "clip": f"{frames} frames, {len(CAMERAS)} cameras, {side} x {side}, float in [0, 1]",
                  "frames in the dataset": total,
                  "codec": "AV1, a keyframe at every second frame", "decode once, cpu seconds": round(filling, 2),
                  "decoded frames per cpu second": round(total * len(CAMERAS) / filling),
                  "official library": reason or "lerobot 0.4.4",
                  "rates": rows}
        if rates["official, pyav"]:
            official = float(np.median(rates["official, pyav"]))
            result["ratio in batches"] = round(float(np.median(rates["wamlab, batches of 32"])) / official, 1)
            result["ratio one at a time"] = round(float(np.median(rates["wamlab, one at a time"])) / official, 1)
    print(json.dumps(result, indent=1))
    (HERE / "docs/results/loader.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
