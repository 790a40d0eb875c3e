"""A learned inverse dynamics: two true frames to the mean action between them. It never sees an imagined frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn

from ...errors import DataError
from ...types import Episode

BATCH = 48
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


@dataclass(frozen=True, eq=False)
class Inverse:
    """A trained pair network with its error on true frames that it was not trained on."""

    net: Pair
    mean: Float[ndarray, "A"]
    std: Float[ndarray, "A"]
    error: float
    """root mean squared error on held-out true frames, in standard deviations of the true actions"""
    name: str = "learned"

    def __call__(self, before: UInt8[ndarray, "N h w 3"], after: UInt8[ndarray, "N h w 3"],
                 steps: int) -> Float[ndarray, "N A"]:
        out = [np.zeros((0, len(self.mean)))]
        with torch.inference_mode():
            for start in range(0, len(before), 256):
                part = slice(start, start + 256)
                count = torch.full((len(before[part]), 1), float(steps))
                out.append(self.net(_float(before[part]), _float(after[part]), count).double().numpy())
        return np.concatenate(out) * self.std + self.mean


def _float(frames: UInt8[ndarray, "N h w 3"]) -> Float[Tensor, "N 3 h w"]:
    return torch.from_numpy(np.array(frames)).movedim(-1, 1).contiguous().float() / 255


def train_inverse(episodes: Sequence[Episode], gaps: Sequence[int], *, camera: str | None = None, seed: int = 0,
                  steps: int = 400, progress: Callable[[int, int], None] | None = None) -> Inverse:
    """Fit to true frames of episodes whose actions are known; the same seed gives the same weights. A tenth of the episodes
    (at least one) is held out.

    Args:
        gaps: numbers of control steps that lie between two frames.
        steps: of 48 pairs.

    Raises:
        DataError: with fewer than 3 episodes, or none as long as the largest gap.
    """
    long = [e for e in episodes if len(e) >= max(gaps) and np.all(e.has_action)]
    if len(long) < 3:
        raise DataError("too few episodes to learn an inverse dynamics", where="train_inverse", got=len(long),
                        expected=f"at least 3 of {max(gaps)} steps or more", fix="collect more")
    name = camera or next(iter(long[0].frames))
    order = np.random.default_rng([seed, 4]).permutation(len(long))
    held, train = order[:max(1, len(long) // 10)], order[max(1, len(long) // 10):]
    actions = np.concatenate([long[i].action for i in train]).astype(np.float64)
    mean, std = actions.mean(0), np.maximum(actions.std(0), 1e-3)
    generator = np.random.default_rng([seed, 5])

    def draw(pool: ndarray, count: int) -> tuple[ndarray, ndarray, ndarray, ndarray]:
        rows = []
        for _ in range(count):
            episode, gap = long[int(generator.choice(pool))], int(generator.choice(np.asarray(gaps)))
            t = int(generator.integers(len(episode) - gap + 1))
            rows.append((episode.frames[name][t], episode.frames[name][t + gap], gap, episode.action[t:t + gap].mean(0)))
        before, after, gap, action = zip(*rows, strict=True)  # type: ignore[assignment]
        return np.stack(before), np.stack(after), np.array(gap), np.stack(action)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Pair(len(mean))
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.15)
    for step in range(steps):
        before, after, gap, action = draw(train, BATCH)
        made = net(_float(before), _float(after), torch.from_numpy(gap[:, None]).float())
        loss = F.smooth_l1_loss(made, torch.from_numpy((action - mean) / std).float(), beta=0.3)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, steps)
    net.eval()
    before, after, gap, action = draw(held, 256)
    with torch.inference_mode():
        made = net(_float(before), _float(after), torch.from_numpy(gap[:, None]).float()).numpy()
    return Inverse(net, mean, std, float(np.sqrt(((made - (action - mean) / std) ** 2).mean())))
