"""Training and auditing a readout on true frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from torch import Tensor

from ...data.windows import Windows
from ...errors import DataError
from ...spec import EntitySpec
from ..metric import positions
from .readout import Audit, Eye, Readout, Shape

BATCH = 64


def readout_for(windows: Windows, *, seed: int = 0, steps: int = 500, most_frames: int = 6000,
                progress: Callable[[int, int], None] | None = None) -> Readout:
    """A readout for the frames of these datasets: all entities that any of them reports, and success.

    Args:
        most_frames: as many frames are drawn from the cache if there are more.
    """
    specs = {e.name: e for store in windows.stores for e in store.task_spec.entities}
    records = [store.load(index, frames=False) for store in windows.stores for index in store.indices()]
    success = np.concatenate([record.success for record in records])
    judged = all(record.outcome_known for record in records)  # where it is not known, a readout of success would learn "no"
    chosen = np.arange(len(windows.frames))
    if len(chosen) > most_frames:
        chosen = np.sort(np.random.default_rng([seed, 1]).choice(len(chosen), most_frames, replace=False))
    truth = {name: windows.truth(name)[chosen] for name in specs}
    return train_readout(np.asarray(windows.frames[chosen]), truth, tuple(specs.values()),
                         success=success[chosen] if judged else None,
                         episode=windows.frame_episode[chosen], seed=seed, steps=steps, progress=progress)


def train_readout(frames: UInt8[ndarray, "N h w 3"], truth: Mapping[str, Float[ndarray, "N _"]],
                  entities: tuple[EntitySpec, ...], *, success: Bool[ndarray, "N"] | None = None,
                  episode: Int[ndarray, "N"] | None = None, seed: int = 0, steps: int = 500,
                  progress: Callable[[int, int], None] | None = None) -> Readout:
    """Fit an eye to true frames; the same seed gives the same weights.

    Args:
        truth: per entity, NaN where it is not known.
        episode: which episode a frame is from; a tenth of the episodes is held out for the audit.
        steps: of 64 frames.

    Raises:
        DataError: with fewer than 50 frames or an entity that is never known.
    """
    if len(frames) < 50:
        raise DataError("too few frames to train a readout", where="readout", expected="at least 50", got=len(frames),
                        fix="collect more episodes")
    names = [e.name for e in entities]
    for name in names:
        if not np.isfinite(truth[name]).all(1).any():
            raise DataError("an entity is never known", where=f"truth/{name}", expected="finite numbers", got="none")
    held = held_out(len(frames), episode, seed)
    table = np.concatenate([truth[name] for name in names], 1).astype(np.float64)
    floor = np.concatenate([np.full(truth[e.name].shape[1], e.tolerance / 2) for e in entities])
    mean, std = np.nanmean(table[~held], 0), np.maximum(np.nanstd(table[~held], 0), floor)
    known = np.isfinite(table)
    target = torch.from_numpy(np.where(known, (table - mean) / std, 0)).float()
    mask = torch.from_numpy(known).float()
    done = None if success is None else torch.from_numpy(success).float()
    shape = Shape({name: truth[name].shape[1] for name in names}, success is not None)
    generator = torch.Generator().manual_seed(seed)
    eye = initialised(shape, seed)
    optimiser = torch.optim.AdamW(eye.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.15)
    train = torch.from_numpy(np.flatnonzero(~held))
    for step in range(steps):
        rows = train[torch.randint(len(train), (BATCH,), generator=generator)]
        picture = torch.from_numpy(frames[rows.numpy()]).movedim(-1, -3).contiguous().float() / 255
        out = eye(disturbed(picture, generator))
        width = target.shape[1]
        loss = (F.smooth_l1_loss(out[:, :width], target[rows], reduction="none", beta=0.3) * mask[rows]).mean()
        if done is not None:
            loss = loss + 0.1 * F.binary_cross_entropy_with_logits(out[:, -1], done[rows])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(eye.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if progress is not None and (step % 20 == 19 or step == steps - 1):
            progress(step + 1, steps)
    fresh = Readout(eye.eval(), shape, mean, std, {}, note=f"{len(train)} true frames, {steps} steps of {BATCH}, seed {seed}")
    return audited(fresh, frames[held], {name: value[held] for name, value in truth.items()}, entities,
                   None if success is None else success[held])


def initialised(shape: Shape, seed: int) -> Eye:
    """Weights that depend on the seed alone; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Eye(shape)


def held_out(frames: int, episode: Int[ndarray, "N"] | None, seed: int) -> Bool[ndarray, "N"]:
    """A tenth of the episodes (at least one); of a single episode its last fifth."""
    names = np.zeros(1) if episode is None else np.unique(episode)
    if episode is None or len(names) < 2:
        return np.arange(frames) >= frames * 4 // 5
    picked = np.random.default_rng([seed, 2]).permutation(names)[:max(1, len(names) // 10)]
    return np.isin(episode, picked)


def disturbed(picture: Float[Tensor, "B 3 h w"], generator: torch.Generator) -> Float[Tensor, "B 3 h w"]:
    """Blur of random strength for half of the frames, noise and brightness for all: what imagined frames look like."""
    count = len(picture)
    blurred = F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    if torch.rand((), generator=generator) < 0.5:
        blurred = F.avg_pool2d(blurred, 3, 1, 1, count_include_pad=False)
    strength = torch.rand(count, 1, 1, 1, generator=generator) * (torch.rand(count, 1, 1, 1, generator=generator) < 0.5)
    mixed = picture + strength * (blurred - picture)
    level = torch.rand(count, 1, 1, 1, generator=generator) * 0.03
    shade = (torch.rand(count, 1, 1, 1, generator=generator) - 0.5) * 0.06
    return mixed + shade + level * torch.randn(picture.shape, generator=generator)


def audited(readout: Readout, frames: UInt8[ndarray, "N h w 3"], truth: Mapping[str, Float[ndarray, "N _"]],
            entities: tuple[EntitySpec, ...], success: Bool[ndarray, "N"] | None = None) -> Readout:
    """The readout with its error on these true frames, which it must not have been trained on."""
    raw = readout.raw(frames)
    found, audit = readout.split(raw), {}
    for entity in entities:
        width = positions(entity)
        known = np.isfinite(truth[entity.name]).all(1)
        real, read = truth[entity.name][known, :width], found[entity.name][known, :width]
        if known.any():
            error, spread = ((read - real) ** 2).mean(), ((real - real.mean(0)) ** 2).mean()
            still = (1e-4 * entity.tolerance) ** 2  # in the entity's own unit
            median, r2 = np.median(np.linalg.norm(read - real, axis=1)), 1 - error / spread if spread > still else 0.0
            audit[entity.name] = Audit(float(np.sqrt(error)), float(median), float(r2), int(known.sum()))
    threshold = 0.5
    if success is not None and readout.shape.success and (~success).any():
        threshold = max(0.5, float(np.quantile(raw[~success, -1], 0.99)))
    return Readout(readout.eye, readout.shape, readout.mean, readout.std, audit, threshold, readout.note)
