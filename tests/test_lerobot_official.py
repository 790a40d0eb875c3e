"""Datasets cross the border both ways: the official library's writer and our reader, our writer and its reader.

Slow: makes an environment with the official library (`lerobot_official/environment.py`). Numbers, indices and timestamps
must be equal to the bit; frames too, because both sides decode the same file with FFmpeg.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lerobot_official import barcode, environment
from wamlab.data.formats.features import Feature
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.lerobot_write import Writer
from wamlab.evaluate.provenance import provenance

RESULTS = Path(__file__).parents[1] / "docs/results/lerobot-interop.json"
CASES = 8
"""comparisons that the file of results holds: half a run leaves it as it was"""
TOP = "observation.images.top"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture(scope="session")
def official():
    try:
        environment.python()
    except environment.Unavailable as error:
        pytest.skip(f"the official library cannot be had here: {error}")
    return environment.run


@pytest.fixture(scope="session")
def record():
    # what follows is the same for any seed: pictures and numbers are made from their episode's and frame's number
    found: dict[str, object] = provenance("pytest -n 0 -m slow tests/test_lerobot_official.py")
    told = len(found)
    found |= {"official": f"lerobot {environment.VERSION}, video_backend=pyav"}
    yield found
    if len(found) == told + 1 + CASES:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def write(root: Path, episodes: int, codec: str) -> None:
    """The same dataset as `lerobot_official/write.py`, with our writer."""
    kind = "image" if codec == "lossless" else "video"
    features = {"observation.state": Feature("float32", (3,), ("a", "b", "c")), "action": Feature("float32", (2,), ("x", "y")),
                "next.reward": Feature("float32", (1,)), TOP: Feature(kind, (64, 64, 3)),
                "observation.images.wrist": Feature(kind, (64, 64, 3))}
    writer = Writer(root, features, fps=10, robot_type="arm", codec="av1" if codec == "av1" else "h264", video_mb=0.2)
    for episode in range(episodes):
        rows = [barcode.numbers(episode, frame) for frame in range(barcode.length(episode))]
        frames = np.stack([barcode.draw(episode, frame) for frame in range(len(rows))])
        state, action = (np.stack(part) for part in zip(*rows, strict=True))
        writer.add({"observation.state": state, "action": action, "next.reward": state[:, 1:2] / 10},
                   {TOP: frames, "observation.images.wrist": 255 - frames}, f"task {episode % 3}")
    writer.close()


def differences(ours: LeRobot, theirs: dict[str, np.ndarray]) -> dict[str, int]:
    """Numbers of values and of pixels that differ, and of frames that are not the ones they should be."""
    values = pixels = wrong = first = 0
    for index in ours.indices():
        columns, length = ours.columns(index), ours.row(index).length
        part = slice(first, first + length)
        for name, value in columns.items():
            values += int((value.reshape(length, -1) != theirs[name][part].reshape(length, -1)).sum())
        for camera in ours.info.cameras:
            frames = ours.frames(index, camera)
            pixels += int((frames != theirs[camera][part]).sum())
            seen = barcode.read(frames if camera == TOP else 255 - frames)
            wrong += int((seen != np.stack([np.full(length, index), np.arange(length)], 1)).any(1).sum())
        state, _ = barcode.numbers(index, 2)
        assert np.array_equal(columns["observation.state"][2], state)
        assert ours.instruction(index, int(columns["task_index"][0, 0])) == theirs["task"][first] == f"task {index % 3}"
        first += length
    assert first == len(theirs["task"])
    return {"episodes": len(ours), "frames": first, "values differing": values, "pixels differing": pixels,
            "frames misplaced": wrong}


def equal(found: dict[str, int]) -> bool:
    return not any(found[name] for name in ("values differing", "pixels differing", "frames misplaced"))


@pytest.mark.parametrize("codec,episodes", [("libsvtav1", 12), ("h264", 12), ("image", 6), ("h264", 1000)])
def test_their_writer_our_reader(official, record, tmp_path, codec, episodes):
    official("write.py", tmp_path / "set", episodes, codec)
    official("read.py", tmp_path / "set", tmp_path / "theirs.npz")
    found = differences(LeRobot.open(tmp_path / "set"), dict(np.load(tmp_path / "theirs.npz")))
    record[f"their writer ({codec}), our reader, {episodes} episodes"] = found
    assert found["episodes"] == episodes and equal(found)


@pytest.mark.parametrize("codec,episodes", [("h264", 12), ("av1", 12), ("lossless", 6), ("h264", 1000)])
def test_our_writer_their_reader(official, record, tmp_path, codec, episodes):
    (tmp_path / "set").mkdir()
    write(tmp_path / "set", episodes, codec)
    official("read.py", tmp_path / "set", tmp_path / "theirs.npz")
    found = differences(LeRobot.open(tmp_path / "set"), dict(np.load(tmp_path / "theirs.npz")))
    record[f"our writer ({codec}), their reader, {episodes} episodes"] = found
    assert found["episodes"] == episodes and equal(found)


def test_the_comparison_sees_a_shift_of_one_frame(tmp_path):
    (tmp_path / "set").mkdir()
    write(tmp_path / "set", 3, "h264")
    ours = LeRobot.open(tmp_path / "set")
    theirs = {name: np.concatenate([ours.columns(index)[name] for index in ours.indices()]) for name in ours.info.columns}
    theirs |= {camera: np.roll(np.concatenate([ours.frames(index, camera) for index in ours.indices()]), 1, 0)
               for camera in ours.info.cameras}
    theirs["task"] = np.concatenate([[f"task {index % 3}"] * ours.row(index).length for index in ours.indices()])
    assert differences(ours, theirs)["pixels differing"] > 10_000
