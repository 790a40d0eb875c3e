"""A learned inverse dynamics: two true frames to the mean action between them, as pseudo-actions for video (DreamGen, arXiv
2505.12705, at small scale) and as a decoder of imagined futures. It is trained on true frames alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor, nn

from ..config import from_json, to_json
from ..data.sampling import batch_indices
from ..data.transforms import floors
from ..errors import DataError
from ..learn.checkpoint import built, read_tensors, write
from ..reading import number, table
from ..recipe import Training
from .fitting import FORMAT, Progress, fit, read_from, same, seeded
from .pairs import Pairs, digest, picture

MAPS = 32


class Pair(nn.Module):
    """Where each of 32 feature maps is brightest in both frames (spatial softmax); the way between them, per step, and where
    it began, through a small head."""

    def __init__(self, width: int):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 5, 2, 2), nn.GroupNorm(4, 16), nn.ReLU(),
                                  nn.Conv2d(16, 32, 3, 2, 1), nn.GroupNorm(4, 32), nn.ReLU(),
                                  nn.Conv2d(32, 32, 3, 1, 1), nn.GroupNorm(4, 32), nn.ReLU(), nn.Conv2d(32, MAPS, 1))
        self.straight = nn.Linear(2 * MAPS, width)
        self.head = nn.Sequential(nn.Linear(5 * MAPS, 128), nn.ReLU(), nn.Linear(128, width))

    def places(self, frames: Float[Tensor, "B 3 h w"]) -> tuple[Tensor, Tensor]:
        maps = self.stem(frames - 0.5)
        weight = (4 * maps.flatten(2)).softmax(-1)
        rows, columns = (torch.linspace(-1, 1, n) for n in maps.shape[2:])
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)
        return (weight @ grid).flatten(1), (weight * maps.flatten(2)).sum(-1)

    def forward(self, before: Float[Tensor, "B 3 h w"], after: Float[Tensor, "B 3 h w"],
                steps: Float[Tensor, "B 1"]) -> Float[Tensor, "B A"]:
        (place, _), (later, bright) = self.places(before), self.places(after)
        way = 8 * (later - place) / steps
        return self.straight(way) + self.head(torch.cat([way, place, bright], 1))


@dataclass(frozen=True)
class InverseConfig:
    """How an inverse dynamics is learned."""

    gaps: tuple[int, ...] = (1, 2)
    """control steps between two frames"""
    training: Training = field(default_factory=lambda: Training(
        steps=400, batch_size=48, learning_rate=3e-3, warmup=60, weight_decay=1e-3, ema=0.98))


@dataclass(frozen=True, eq=False)
class Inverse:
    """A trained pair network with its error on true frames that it was not trained on."""

    net: Pair
    mean: Float[ndarray, "A"]
    std: Float[ndarray, "A"]
    least: Float[ndarray, "A"]
    """the smallest scale: a channel whose `std` it is does not vary"""
    error: float
    """root mean squared error on held-out true frames, in standard deviations of the true actions"""
    mean_error: float
    """the same of always saying the mean action: what knowing nothing costs"""
    shuffled_error: float
    """the same with the second frames exchanged between pairs: what the network says when its pictures do not belong
    together"""
    config: InverseConfig = field(default_factory=InverseConfig)
    name: str = "learned"

    def __call__(self, before: UInt8[ndarray, "N h w 3"], after: UInt8[ndarray, "N h w 3"],
                 steps: int) -> Float[ndarray, "N A"]:
        out = [np.zeros((0, len(self.mean)))]
        with torch.inference_mode():
            for start in range(0, len(before), 256):
                part = slice(start, start + 256)
                count = torch.full((len(before[part]), 1), float(steps))
                out.append(self.net(picture(before[part]), picture(after[part]), count).double().numpy())
        return np.concatenate(out) * self.std + self.mean

    def of(self, pairs: Pairs, after: Int64[ndarray, "M"] | None = None) -> Float[ndarray, "M A"]:
        """The action of each pair, in physical units, not clipped.

        Args:
            after: positions of other second frames, for a control.
        """
        made = np.zeros((len(pairs), len(self.mean)))
        after = pairs.after if after is None else after
        for gap in np.unique(pairs.gap):
            rows = pairs.gap == gap
            made[rows] = self(pairs.frames[pairs.before[rows]], pairs.frames[after[rows]], int(gap))
        return made

    def off(self, pairs: Pairs, made: Float[ndarray, "M A"]) -> Float[ndarray, "M"]:
        """Squared error of each pair in squared standard deviations, averaged over the channels that vary."""
        varies = self.std > self.least
        return (((made - pairs.action) / self.std)[:, varies] ** 2).mean(1) if varies.any() else np.zeros(len(pairs))

    def save(self, folder: Path, header: Mapping[str, Any]) -> None:
        """Weights and numbers as one folder; raises nothing but the file system's errors."""
        numbers = {"mean": self.mean.tolist(), "std": self.std.tolist(), "least": self.least.tolist(), "error": self.error,
                   "mean_error": self.mean_error, "shuffled_error": self.shuffled_error}
        write(folder, self.net.state_dict(), {"format": FORMAT, **header, "numbers": numbers})

    @classmethod
    def load(cls, folder: Path) -> Inverse:
        """Raises CheckpointError if the folder holds no inverse dynamics or is damaged."""
        said = same(folder, {"kind": "inverse"})
        with read_from(folder):
            numbers = table(said.get("numbers"), "numbers")
            mean, std, least = (np.array([number(v, name) for v in values]) for name, values in (
                ("mean", numbers["mean"]), ("std", numbers["std"]),
                ("least", numbers.get("least", [1e-3] * len(numbers["mean"])))))  # earlier ones had one floor for all
            error, plain, shuffled = (number(numbers.get(name), name, 0) for name in ("error", "mean_error", "shuffled_error"))
            config = from_json(InverseConfig, said["config"], str(folder))
            net = built(lambda: Pair(len(mean)), {"actions": len(mean)}, read_tensors(folder), folder)
            return cls(net.eval().requires_grad_(False), mean, std, least, error, plain, shuffled, config)


def train_inverse(pairs: Pairs, config: InverseConfig | None = None, *, seed: int = 0, folder: Path | None = None,
                  progress: Progress | None = None) -> Inverse:
    """Fit to the pairs whose action is known; the same seed gives the same weights. A tenth of the episodes (at least one) is
    held out.

    Args:
        folder: where it is kept; a stopped training goes on from there and a finished one is read.

    Raises:
        DataError: with fewer than 3 episodes whose actions are known.
        CheckpointError: if the folder holds another labeller.
    """
    config = config or InverseConfig(gaps=tuple(sorted({int(gap) for gap in pairs.gap})))
    pairs = pairs.rows(pairs.known)
    if len(np.unique(pairs.episode)) < 3:
        raise DataError("too few episodes to learn an inverse dynamics", where="train_inverse",
                        got=len(np.unique(pairs.episode)),
                        expected=f"at least 3 with actions, of {max(config.gaps)} steps or more",
                        fix="give more episodes with their true actions")
    header = {"kind": "inverse", "config": to_json(config), "seed": seed, "data": digest(pairs)}
    if folder is not None and (folder / "model").exists():
        same(folder / "model", header)
        return Inverse.load(folder / "model")
    train, held = pairs.split(0.1, seed)
    mean, least = train.action.mean(0, dtype=np.float64), floors(train.action)
    std = np.maximum(train.action.std(0, dtype=np.float64), least)
    net: Pair = seeded(lambda: Pair(len(mean)), seed)

    def loss(step: int) -> Tensor:
        rows = batch_indices(len(train), config.training.batch_size, step, seed * 7 + 5)
        wanted = torch.from_numpy((train.action[rows] - mean) / std).float()
        made = net(*train.pictures(rows), torch.from_numpy(train.gap[rows, None]).float())
        return F.smooth_l1_loss(made, wanted, beta=0.3)

    fit(net, loss, config.training, header=header, folder=folder, progress=progress)
    fresh = Inverse(net, mean, std, least, np.nan, np.nan, np.nan, config)
    strange = fresh.of(held, held.after[np.random.default_rng([seed, 6]).permutation(len(held))])
    errors = (fresh.off(held, made) for made in (fresh.of(held), np.broadcast_to(mean, held.action.shape), strange))
    error, plain, shuffled = (float(np.sqrt(one.mean())) for one in errors)
    done = Inverse(net, mean, std, least, error, plain, shuffled, config)
    if folder is not None:
        done.save(folder / "model", header)
    return done
