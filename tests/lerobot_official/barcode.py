"""Pictures that say which they are, also after a lossy codec: 16 blocks, black or white."""

from __future__ import annotations

import numpy as np

SIDE = 64
BLOCK = SIDE // 4


def draw(episode: int, frame: int) -> np.ndarray:
    """uint8 [64, 64, 3]; ten bits of the episode, six of the frame."""
    bits = np.array([(episode << 6 | frame) >> place & 1 for place in range(16)], np.uint8)
    return np.repeat((30 + 195 * bits).reshape(4, 4).repeat(BLOCK, 0).repeat(BLOCK, 1)[..., None], 3, 2).astype(np.uint8)


def read(frames: np.ndarray) -> np.ndarray:
    """int [N, 2]: episode and frame of each of uint8 [N, 64, 64, 3]."""
    blocks = frames.reshape(len(frames), 4, BLOCK, 4, BLOCK, 3).mean((2, 4, 5)).reshape(len(frames), 16) > 128
    number = (blocks << np.arange(16)).sum(1)
    return np.stack([number >> 6, number & 63], 1)


def length(episode: int) -> int:
    """Frames of an episode: 5 to 9."""
    return 5 + episode * 7 % 5


def numbers(episode: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """(state [3], action [2]) in float32."""
    t = np.float32(frame)
    return (np.array([episode, t, np.sin(t + episode)], np.float32), np.array([t / 10, episode / 7], np.float32))
