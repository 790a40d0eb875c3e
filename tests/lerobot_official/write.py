"""python write.py ROOT EPISODES CODEC: a dataset of barcodes, by the official writer."""

import sys
from pathlib import Path

from barcode import draw, length, numbers
from lerobot.datasets.lerobot_dataset import LeRobotDataset

root, episodes, codec = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
pictures = {"shape": (64, 64, 3), "names": ["height", "width", "channels"]}
features = {"observation.state": {"dtype": "float32", "shape": (3,), "names": ["a", "b", "c"]},
            "action": {"dtype": "float32", "shape": (2,), "names": ["x", "y"]},
            "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
            "observation.images.top": {"dtype": "image" if codec == "image" else "video", **pictures},
            "observation.images.wrist": {"dtype": "image" if codec == "image" else "video", **pictures}}
dataset = LeRobotDataset.create("test/barcodes", fps=10, features=features, root=root, robot_type="arm",
                                use_videos=codec != "image", vcodec="h264" if codec == "image" else codec)
for episode in range(episodes):
    for frame in range(length(episode)):
        state, action = numbers(episode, frame)
        dataset.add_frame({"observation.state": state, "action": action, "next.reward": state[1:2] / 10,
                           "observation.images.top": draw(episode, frame),
                           "observation.images.wrist": 255 - draw(episode, frame), "task": f"task {episode % 3}"})
    dataset.save_episode(parallel_encoding=False)
dataset.finalize()
