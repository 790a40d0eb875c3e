"""python read.py ROOT OUT.npz: everything in a dataset as the official reader gives it."""

import sys

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

dataset = LeRobotDataset("test/any", root=sys.argv[1], video_backend="pyav")
rows = [dataset[index] for index in range(len(dataset))]
out = {"task": np.array([row["task"] for row in rows])}
for key in rows[0]:
    if key in dataset.meta.camera_keys:
        out[key] = np.stack([(row[key].numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0) for row in rows])
    elif key != "task":
        out[key] = np.stack([row[key].numpy() for row in rows])
np.savez(sys.argv[2], **out)
print(len(dataset), dataset.num_episodes)
