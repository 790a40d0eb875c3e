"""A small network that says one number about a picture, and never about a picture of an episode that it has learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int, UInt8
from numpy import ndarray

from ...evaluate.eyes.readout import Eye, Shape
from ...evaluate.eyes.readout_training import initialised

STEPS, BATCH, RATE = 300, 64, 3e-3
SHIFT = 2
"""pixels by which pictures are moved in training"""


def out_of_fold(pictures: UInt8[ndarray, "N h w 3"], target: Float[ndarray, "N"], fold: Int[ndarray, "N"], *, seed: int,
                balance: bool = False, steps: int = STEPS) -> Float64[ndarray, "N"]:
    """What networks that were trained on the other folds say about each picture, 0..1.

    Args:
        target: 0..1, learned with cross entropy; NaN where it is not known.
        fold: pictures of one episode share one; -1 is in no training set and is judged by all networks, on average.
        balance: weight the targets above and below a half so that each has half of the loss.
    """
    names = [int(f) for f in np.unique(fold[fold >= 0])]
    tensors = torch.from_numpy(pictures).movedim(-1, -3).contiguous()
    said = np.zeros((len(names), len(pictures)))
    for number, name in enumerate(names):
        rows = np.flatnonzero((fold != name) & (fold >= 0) & np.isfinite(target))
        eye = fitted(tensors, target, rows, seed=seed + number, balance=balance, steps=steps)
        with torch.inference_mode():
            parts = [eye(part.float() / 255)[:, 0].sigmoid() for part in tensors.split(256)]
        said[number] = torch.cat(parts).double().numpy()
    own = np.array([[name == f or f < 0 for f in fold] for name in names])
    return np.asarray((said * own).sum(0) / own.sum(0))


def fitted(pictures: UInt8[torch.Tensor, "N 3 h w"], target: Float[ndarray, "N"], rows: Int[ndarray, "M"], *, seed: int,
           balance: bool, steps: int) -> Eye:
    """A network trained on those rows; the same seed gives the same weights."""
    eye = initialised(Shape({}, True), seed)
    generator = torch.Generator().manual_seed(seed)
    wanted = torch.from_numpy(target).float()
    share = float(np.clip((target[rows] > 0.5).mean(), 0.02, 0.98))
    weight = torch.where(wanted > 0.5, 0.5 / share, 0.5 / (1 - share)) if balance else torch.ones_like(wanted)
    optimiser = torch.optim.AdamW(eye.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.15)
    pool = torch.from_numpy(rows)
    for _ in range(steps):
        picked = pool[torch.randint(len(pool), (BATCH,), generator=generator)]
        move = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=generator).tolist()
        picture = F.pad(pictures[picked].float() / 255, (SHIFT,) * 4, mode="replicate")
        height, width = pictures.shape[-2:]
        picture = picture[..., SHIFT + move[0]:SHIFT + move[0] + height, SHIFT + move[1]:SHIFT + move[1] + width]
        loss = F.binary_cross_entropy_with_logits(eye(picture)[:, 0], wanted[picked], weight[picked])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(eye.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return eye.eval()


def folds(count: int, number: int, seed: int) -> Int[ndarray, "count"]:
    """A fold for each of `count` things, by chance and of equal size."""
    return np.random.default_rng([seed, 11]).permutation(count) % max(2, min(number, count))


def stacked(values: Sequence[ndarray]) -> tuple[ndarray, Int[ndarray, "N"]]:
    """All rows below each other, and whose they are."""
    return np.concatenate(values), np.repeat(np.arange(len(values)), [len(v) for v in values])
