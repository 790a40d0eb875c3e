"""A small world seen by two cameras, and good datasets of it.

An arm (x, y) with a gripper moves over a lopsided coloured table towards a block; actions are changes. Everything in an
episode follows from (seed, number), pictures included.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wamlab.data.formats.convert_out import export_lerobot
from wamlab.data.store import EpisodeStore
from wamlab.spec import ActionSpec, EntitySpec, TaskSpec
from wamlab.types import Episode

SIZE = 32
SPEC = TaskSpec(
    task="bench", instruction="grip the block", cameras=("main", "wrist"), image_size=(SIZE, SIZE),
    state=("x (m)", "y (m)", "gripper (1)"),
    action=ActionSpec(("dx", "dy", "gripper"), (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), ("0.06 m/step", "0.06 m/step", "0.3/step"),
                      "delta"),
    entities=(EntitySpec("block", "object", ("x", "y"), ("m", "m"), 0.01),), control_hz=10.0, max_steps=60)
ROWS, COLUMNS = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1)


def draw(x: float, y: float, grip: float, block: np.ndarray, wrist: bool) -> np.ndarray:
    """uint8 [32, 32, 3]."""
    if wrist:  # the table slides under the camera
        u, v = COLUMNS + x - 0.5, ROWS + y - 0.5
        picture = np.stack([60 + 120 * np.clip(v, 0, 1), 40 + 60 * np.clip(u, 0, 1) ** 2, 150 - 90 * np.clip(u * v, 0, 1)], -1)
        blobs = [((block - [x, y]) + 0.5, 0.16, (220, 60, 40)), (np.array([0.5, 0.95]), 0.08 + 0.15 * grip, (230, 230, 90))]
    else:
        picture = np.stack([40 + 90 * COLUMNS ** 2, 70 + 80 * ROWS, 120 - 70 * COLUMNS * ROWS], -1)
        picture[2:9, 3:8] = (200, 40, 120)  # a sign in one corner, so that no mirror image looks the same
        blobs = [(block, 0.12, (220, 60, 40)), (np.array([x, y]), 0.14, (60, 220, 90 + 160 * grip))]
    for centre, radius, colour in blobs:
        weight = np.exp(-(((COLUMNS - centre[0]) ** 2 + (ROWS - centre[1]) ** 2) / radius ** 2) ** 2)[..., None]
        picture = picture * (1 - weight) + np.array(colour) * weight
    return picture.round().astype(np.uint8)


def bench_episode(number: int, seed: int = 0, steps: int = 26) -> Episode:
    generator = np.random.default_rng([seed, number])
    steps += int(generator.integers(0, 4))
    block, place = generator.uniform(0.25, 0.75, 2), generator.uniform(0.1, 0.9, 2)
    grip, heading = float(generator.uniform(0, 0.4)), generator.uniform(-1, 1, 2)
    states, actions = [np.array([*place, grip])], []
    for t in range(steps):
        heading = 0.8 * heading + 0.4 * generator.uniform(-1, 1, 2) + 0.3 * (0.5 - place)  # away from the edges
        way = np.clip((block - place) * 6, -1, 1) if t > steps // 2 else heading
        action = np.array([*np.clip(way + generator.normal(0, 0.25, 2), -1, 1), np.clip(np.sin(0.9 * t + number) * 1.2, -1, 1)])
        place = np.clip(place + 0.06 * action[:2], 0.02, 0.98)
        grip = float(np.clip(grip + 0.3 * action[2], 0, 1))
        states.append(np.array([*place, grip]))
        actions.append(action)
    state = np.array(states)
    near = np.abs(state[:, :2] - block).max(1) < 0.1
    success = near & (np.arange(steps + 1) >= steps - 1)
    frames = {name: np.stack([draw(*row, block, name == "wrist") for row in state]) for name in SPEC.cameras}
    return Episode("bench", "grip the block", frames, state.astype(np.float32), np.array(actions, np.float32), success,
                   {"block": np.repeat(block[None], steps + 1, 0)}, meta={"seed": number, "renderer": "bench-1"})


def bench_store(path: Path, episodes: int = 10, seed: int = 0) -> EpisodeStore:
    store = EpisodeStore.create(path, SPEC, "bench-1", {"source": "test"})
    for number in range(episodes):
        store.append(bench_episode(number, seed))
    return store


def bench_lerobot(folder: Path, episodes: int = 10, video: str = "h264", seed: int = 0) -> Path:
    return export_lerobot(bench_store(folder / "store", episodes, seed), folder / "lerobot", video=video)
