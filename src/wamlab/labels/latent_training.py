"""Training of latent actions, and what comes of it: a labeller that is saved, loaded and asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from ..config import from_json, to_json
from ..data.sampling import batch_indices
from ..data.transforms import floors
from ..errors import DataError
from ..learn.checkpoint import built, read_tensors, write
from ..reading import whole
from .bottleneck import Discrete
from .fitting import FORMAT, Progress, fit, read_from, same, seeded
from .latent import GRID, LatentConfig, LatentNet
from .pairs import Pairs, digest, picture

LABELLED = 32
"""pairs with known actions per training step, where there is supervision"""


@dataclass(frozen=True, eq=False)
class LatentActions:
    """A trained network that names what happened between two frames."""

    net: LatentNet
    config: LatentConfig
    seed: int
    supervised: int = 0
    """number of known actions that it has learned from"""

    @property
    def width(self) -> int:
        """Numbers of a latent action."""
        return self.net.bottleneck.width

    @property
    def names(self) -> int | None:
        """How many different latent actions there can be; None where they are continuous."""
        bottleneck = self.config.bottleneck
        return bottleneck.codes**bottleneck.tokens if isinstance(bottleneck, Discrete) else None

    def of(self, pairs: Pairs) -> Float[ndarray, "M D"]:
        """The latent action of each pair."""
        return self._each(pairs, self.net.latent)

    def codes(self, pairs: Pairs) -> Int64[ndarray, "M"] | None:
        """The same as one number per pair; None where latent actions are continuous."""
        if self.net.codes(*pairs.pictures(np.zeros(1, np.int64))) is None:
            return None
        return self._each(pairs, self.net.codes)

    def imagine(self, frames: UInt8[ndarray, "N h w 3"], latent: Float[ndarray, "N D"]) -> Float[ndarray, "N 3 h w"]:
        """The frames that latent actions make of other ones, in [0, 1] (not clipped), channels first."""
        out = [np.zeros((0, 3, *frames.shape[1:3]), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(frames), 256):
                part = slice(start, start + 256)
                out.append(self.net.predict(picture(frames[part]), torch.from_numpy(latent[part]).float()).numpy())
        return np.concatenate(out)

    def read(self, latent: Float[ndarray, "N D"]) -> Float[ndarray, "N A"]:
        """The actions they stand for, by the linear reader that known actions have taught."""
        with torch.inference_mode():
            return self.net.read(torch.from_numpy(latent).float()).numpy()

    def _each(self, pairs: Pairs, ask: Callable[[Tensor, Tensor], Tensor | None]) -> ndarray:
        with torch.inference_mode():
            found = [ask(*pairs.pictures(np.arange(start, min(start + 256, len(pairs)))))
                     for start in range(0, max(1, len(pairs)), 256)]
        return np.concatenate([part.numpy() for part in found if part is not None])

    def save(self, folder: Path, header: Mapping[str, Any], shape: tuple[int, int]) -> None:
        """Weights and settings as one folder. `shape`: side of the frames, channels of the known actions."""
        write(folder, self.net.state_dict(), {"format": FORMAT, **header, "shape": list(shape), "supervised": self.supervised})

    @classmethod
    def load(cls, folder: Path) -> LatentActions:
        """Raises CheckpointError if the folder holds no latent actions or is damaged."""
        said = same(folder, {"kind": "latent"})
        with read_from(folder):
            config = from_json(LatentConfig, said["config"], str(folder))
            side, actions = (whole(value, "shape", 1) for value in said["shape"])
            sizes = {"actions": actions, "channels": config.channels, "kernels": config.kernels}
            net = built(lambda: LatentNet(config, side, actions), sizes, read_tensors(folder), folder)
            return cls(net.eval().requires_grad_(False), config, whole(said["seed"], "seed", high=2**63),
                       whole(said["supervised"], "supervised"))


def train_latent(pairs: Pairs, config: LatentConfig | None = None, *, seed: int = 0, folder: Path | None = None,
                 progress: Progress | None = None) -> LatentActions:
    """Learn latent actions from all pairs, and from the known actions among them if the settings say so; the same seed gives
    the same weights.

    Args:
        pairs: of the settings' gap; hide actions with `Pairs.without_labels`.
        folder: where it is kept; a stopped training goes on from there and a finished one is read.

    Raises:
        DataError: for frames of a shape that the network does not take, or if supervision is wanted and no action is known.
        CheckpointError: if the folder holds another labeller.
    """
    config = config or LatentConfig()
    side = pairs.frames.shape[1]
    if pairs.frames.shape[2] != side or side % GRID:
        raise DataError("latent actions need square frames whose side is a multiple of 32", where="train_latent",
                        expected="32 x 32 or 64 x 64", got=pairs.frames.shape[1:3], fix="import the data with another --size")
    known = np.flatnonzero(pairs.known) if config.supervision else np.zeros(0, np.int64)
    if config.supervision and not len(known):
        raise DataError("supervision needs known actions", where="train_latent", expected="at least one pair with its action",
                        got="none", fix="give a store with true actions, or learn without any (no --known; supervision=0)")
    header = {"kind": "latent", "config": to_json(config), "seed": seed, "data": digest(pairs)}
    if folder is not None and (folder / "model").exists():
        same(folder / "model", header)
        return LatentActions.load(folder / "model")
    width = pairs.action.shape[1]
    net: LatentNet = seeded(lambda: LatentNet(config, side, width), seed)
    if len(known):
        net.label_mean.copy_(torch.from_numpy(pairs.action[known].mean(0)))
        net.label_std.copy_(torch.from_numpy(np.maximum(pairs.action[known].std(0), floors(pairs.action[known]))))

    def loss(step: int) -> Tensor:
        noise = int(np.random.SeedSequence([seed, step, 9]).generate_state(1)[0])
        rows = batch_indices(len(pairs), config.training.batch_size, step, seed * 7 + 1)
        total = torch.zeros(())
        if config.pictures:
            total = config.pictures * net.loss(*pairs.pictures(rows), noise, step / config.training.steps)
        if len(known):
            some = known[batch_indices(len(known), min(LABELLED, len(known)), step, seed * 7 + 2)]
            total = total + config.supervision * net.label_loss(*pairs.pictures(some), torch.from_numpy(pairs.action[some]))
        return total

    fit(net, loss, config.training, header=header, folder=folder, progress=progress)
    done = LatentActions(net, config, seed, len(known))
    if folder is not None:
        done.save(folder / "model", header, (side, width))
    return done
