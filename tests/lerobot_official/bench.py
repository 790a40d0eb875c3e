"""python bench.py ROOT CLIPS SEED FRAMES: random clips by the official loader, one at a time; CPU and wall seconds per clip."""

import json
import sys
import time

import numpy as np
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset, LeRobotDatasetMetadata

root, clips, seed, frames = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
meta = LeRobotDatasetMetadata("test/any", root=root)
steps = [n / meta.fps for n in range(frames)]
dataset = LeRobotDataset("test/any", root=root, video_backend="pyav", delta_timestamps=dict.fromkeys(meta.camera_keys, steps))
order = np.random.default_rng(seed).integers(0, len(dataset), clips + 5)
for index in order[:5]:
    dataset[int(index)]
wall, cpu = time.perf_counter(), time.process_time()
total = 0.0
for index in order[5:]:
    item = dataset[int(index)]
    total += float(item[meta.camera_keys[0]][0, 0, 0, 0])
print(json.dumps({"clips": clips, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
                  "shape": list(item[meta.camera_keys[0]].shape), "check": total}))
