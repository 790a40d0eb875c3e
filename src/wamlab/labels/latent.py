"""Latent actions: what must be said beside the first frame to predict the second one.

An encoder sees both frames, a bottleneck lets little through, a decoder moves the first frame by it. Both treat every place
alike, so that the same motion is the same latent action wherever it happens: the encoder asks by how much features of what
changes are displaced (correlation over shifts), the decoder displaces features by kernels that the latent action chooses (the
CDNA of arXiv 1605.07157). The error is counted in shares of the change between the frames: 1 is copying the first frame, 0 is
the second one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..recipe import Training
from .bottleneck import Continuous, Discrete

GRID = 32
"""places along a side of the networks' grid"""
REACH = 3
"""largest displacement, in places of the grid"""
SHIFTS = (2 * REACH + 1) ** 2


@dataclass(frozen=True)
class LatentConfig:
    """How latent actions are learned."""

    bottleneck: Continuous | Discrete = field(default_factory=Continuous)
    gap: int = 1
    """control steps between the two frames"""
    channels: int = 8
    """feature maps of both networks"""
    kernels: int = 2
    """displacements that a latent action chooses"""
    supervision: float = 0.0
    """weight of the error in the actions that are known (LAOM, arXiv 2502.00379); 0 learns from pictures alone"""
    pictures: float = 1.0
    """weight of the error in the pictures; 0 learns from known actions alone, to see what the pictures add"""
    training: Training = field(default_factory=lambda: Training(
        steps=400, batch_size=32, learning_rate=2e-3, warmup=40, weight_decay=1e-4, ema=0.99, checkpoint_every=100))


class LatentNet(nn.Module):
    """Encoder, bottleneck, decoder, and a linear reader of the known actions.

    Args:
        side: height and width of the frames, a multiple of 32.
        actions: channels of the known actions.
    """

    label_mean: Tensor
    label_std: Tensor

    def __init__(self, config: LatentConfig, side: int, actions: int):
        super().__init__()
        wide, self.patch = config.channels, side // GRID
        pixels = 3 * self.patch**2
        self.config = config
        self.bottleneck = config.bottleneck.build()
        self.look = nn.Sequential(nn.Conv2d(2 * pixels, 2 * wide, 3, 1, 1), nn.ReLU(), nn.Conv2d(2 * wide, wide, 3, 1, 1))
        self.sum_up = nn.Sequential(nn.Linear(wide * SHIFTS, 96), nn.ReLU(), nn.Linear(96, self.bottleneck.inputs))
        self.start = nn.Sequential(nn.Conv2d(pixels, wide, 3, 1, 1), nn.ReLU())
        self.kernels = nn.Sequential(nn.Linear(self.bottleneck.width, 64), nn.ReLU(), nn.Linear(64, config.kernels * SHIFTS))
        self.paint = nn.Sequential(nn.Conv2d(pixels + wide * (1 + config.kernels), 2 * wide, 3, 1, 1), nn.ReLU(),
                                   nn.Conv2d(2 * wide, pixels, 3, 1, 1))
        self.reader = nn.Linear(self.bottleneck.width, actions)
        self.register_buffer("label_mean", torch.zeros(actions))
        self.register_buffer("label_std", torch.ones(actions))

    def see(self, before: Float[Tensor, "B 3 s s"], after: Float[Tensor, "B 3 s s"]) -> Float[Tensor, "B I"]:
        """What the encoder makes of both frames: how alike features of what goes and of what comes are, per displacement."""
        change = 2 * (after - before)
        where = F.pixel_unshuffle(change, self.patch).square().mean(1, keepdim=True).add(1e-6).sqrt()
        goes, comes = (where * self.look(F.pixel_unshuffle(torch.cat([frame - 0.5, by], 1), self.patch))
                       for frame, by in ((before, -change), (after, change)))
        return self.sum_up(correlation(goes, comes).flatten(1))

    def predict(self, before: Float[Tensor, "B 3 s s"], latent: Float[Tensor, "B D"]) -> Float[Tensor, "B 3 s s"]:
        """The frame that a latent action makes of another one."""
        picture = F.pixel_unshuffle(before - 0.5, self.patch)
        maps = self.start(picture)
        kernels = self.kernels(latent).view(len(latent), self.config.kernels, SHIFTS).softmax(-1)
        made = self.paint(torch.cat([picture, maps, displaced(maps, kernels)], 1))
        return before + F.pixel_shuffle(made, self.patch)

    def latent(self, before: Float[Tensor, "B 3 s s"], after: Float[Tensor, "B 3 s s"]) -> Float[Tensor, "B D"]:
        """The latent action, without chance."""
        return self.bottleneck.plain(self.see(before, after))

    def codes(self, before: Float[Tensor, "B 3 s s"], after: Float[Tensor, "B 3 s s"]) -> Int64[Tensor, "B"] | None:
        """The latent action as one number, where there are finitely many."""
        return self.bottleneck.codes(self.see(before, after))

    def loss(self, before: Float[Tensor, "B 3 s s"], after: Float[Tensor, "B 3 s s"], seed: int,
             done: float) -> Float[Tensor, ""]:
        """Share of the change that stays unexplained, plus the price of what was said; `done`: share of the training."""
        seen = self.see(before, after)
        latent, price = self.bottleneck.sample(seen, seed, done)
        change = ((after - before) ** 2).sum().clamp(min=1e-3)
        return ((self.predict(before, latent) - after) ** 2).sum() / change + price

    def read(self, latent: Float[Tensor, "B D"]) -> Float[Tensor, "B A"]:
        """The actions that a latent action stands for, in physical units, as far as the reader was taught."""
        return self.reader(latent) * self.label_std + self.label_mean

    def label_loss(self, before: Float[Tensor, "B 3 s s"], after: Float[Tensor, "B 3 s s"],
                   action: Float[Tensor, "B A"]) -> Float[Tensor, ""]:
        """Error of the linear reader on known actions, in standard deviations. The codes of a discrete latent action are read
        before they are rounded, so that the gradient is exact."""
        seen = self.see(before, after)[:, :self.bottleneck.width]
        return F.smooth_l1_loss(self.reader(seen), (action - self.label_mean) / self.label_std, beta=0.3)


def correlation(one: Float[Tensor, "B C g g"], other: Float[Tensor, "B C g g"]) -> Float[Tensor, "B C S"]:
    """Sum over all places of `one` here times `other` a displacement further, per channel and displacement of up to `REACH`
    along both axes, divided by the lengths of both."""
    side = one.shape[-1] + REACH + 1  # room, so that nothing comes back in on the other side
    length = (one.square().sum((2, 3)) * other.square().sum((2, 3)) + 1e-6).sqrt()
    spectrum = torch.fft.rfft2(one, s=(side, side)).conj() * torch.fft.rfft2(other, s=(side, side))
    reach = torch.arange(-REACH, REACH + 1)
    found = torch.fft.irfft2(spectrum, s=(side, side))[:, :, reach][:, :, :, reach]
    return found.flatten(2) / length[..., None]


def displaced(maps: Float[Tensor, "B C g g"], kernels: Float[Tensor, "B K S"]) -> Float[Tensor, "B KC g g"]:
    """Every map moved by every kernel of its own sample."""
    side, size = maps.shape[-1] + 2 * REACH + 2, 2 * REACH + 1
    spectrum = torch.fft.rfft2(kernels.unflatten(2, (size, size)), s=(side, side))[:, :, None]
    moved = torch.fft.irfft2(torch.fft.rfft2(maps, s=(side, side))[:, None] * spectrum, s=(side, side))
    here = slice(REACH, REACH + maps.shape[-1])
    return moved[..., here, here].flatten(1, 2)
