"""Turning what is given into tokens: noise levels, instructions, frames."""

from __future__ import annotations

import math
import re
import zlib
from functools import lru_cache
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LevelEmbedding(nn.Module):
    """Noise level in [0, 1] to a vector: Fourier features, then an MLP."""

    omega: Tensor

    def __init__(self, width: int, frequencies: int = 16):
        super().__init__()
        self.register_buffer("omega", math.pi * 2.0 ** torch.linspace(0, 6, frequencies), persistent=False)
        self.mlp = nn.Sequential(nn.Linear(2 * frequencies + 1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, level: Float[Tensor, "..."]) -> Float[Tensor, "... d"]:
        angle = level[..., None] * self.omega
        return self.mlp(torch.cat([level[..., None], angle.sin(), angle.cos()], -1))


@lru_cache(maxsize=4096)
def hashed_words(sentence: str, width: int) -> tuple[float, ...]:
    """A sentence as a unit vector: words and word pairs hashed into signed buckets (feature hashing, arXiv 0902.2206).

    Needs no weights and no download. Equal sentences give equal vectors; paraphrases share only their common words.
    """
    words = re.findall(r"[a-z0-9]+", sentence.lower())
    vector = [0.0] * width
    for gram in words + [f"{a} {b}" for a, b in pairwise(words)]:
        code = zlib.crc32(gram.encode())
        vector[code % width] += 1.0 if (code >> 16) & 1 else -1.0
    norm = math.sqrt(sum(v * v for v in vector)) or 1.0
    return tuple(v / norm for v in vector)


class FrameEncoder(nn.Module):
    """Frames to tokens: a convolutional grid, and one token of spatial-softmax coordinates (arXiv 1504.00702), which
    carries positions exactly where the grid blurs them."""

    def __init__(self, width: int, size: tuple[int, int], channels: int = 32, planes: int = 3):
        super().__init__()
        c = channels
        self.stem = nn.Sequential(
            nn.Conv2d(planes, c, 4, 2, 1), nn.GELU(), nn.Conv2d(c, 2 * c, 4, 2, 1), nn.GELU())
        self.points = nn.Conv2d(2 * c, 2 * c, 3, 1, 1)
        self.tail = nn.Sequential(
            nn.Conv2d(2 * c, 3 * c, 4, 2, 1), nn.GELU(), nn.Conv2d(3 * c, 4 * c, 4, 2, 1), nn.GELU())
        self.grid = nn.Linear(4 * c, width)
        self.coordinates = nn.Linear(2 * 2 * c, width)
        h, w = size[0] // 4, size[1] // 4
        ys, xs = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
        self.register_buffer("where", torch.stack([xs.flatten(), ys.flatten()], -1), persistent=False)
        self.tokens = (size[0] // 16) * (size[1] // 16) + 1

    def forward(self, frames: Float[Tensor, "B H C h w"]) -> Float[Tensor, "B N d"]:
        """frames in [0, 1]; N = H times the tokens per frame."""
        batch = frames.shape[0]
        h = self.stem(frames.flatten(0, 1) * 2 - 1)
        attention = self.points(h).flatten(2).softmax(-1)
        points = self.coordinates((attention @ self.where).flatten(1))
        grid = self.grid(self.tail(h).flatten(2).transpose(1, 2))
        return torch.cat([grid, points[:, None]], 1).reshape(batch, -1, grid.shape[-1])
