"""What actions amount to, told to every place of the future frames."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Steering(nn.Module):
    """Where the robot's body will be, as far as its actions tell.

    Where the robot's body will be is nearly known: where it is, plus a gain times the actions added up. Attention would have
    to learn both the sum and how a position becomes a picture, patch by patch; here the guess arrives as waves of several
    lengths (Fourier features, arXiv 2006.10739) and each place has its own reading of them.
    """

    gain: Tensor
    omega: Tensor

    def __init__(self, actions: int, states: int, places: int, width: int, offsets: tuple[int, ...], waves: int = 6):
        super().__init__()
        self.offsets, self.places = offsets, places
        self.register_buffer("gain", torch.zeros(len(offsets), actions, states))
        self.register_buffer("omega", torch.pi / 4 * 2.0 ** torch.arange(waves), persistent=False)
        self.body = nn.Sequential(nn.Linear(states * (1 + 2 * waves) + actions + 1, 2 * width), nn.SiLU(),
                                  nn.Linear(2 * width, places * width))

    @torch.no_grad()
    def fit(self, action: Float[Tensor, "N K A"], moved: Float[Tensor, "N F P"]) -> None:
        """Set by least squares how far actions move the proprioception (all normalised) until each future frame."""
        for number, offset in enumerate(self.offsets):
            mean = action[:, :offset].mean(1)
            known = torch.cat([mean, torch.ones_like(mean[:, :1])], 1).double()
            # Linear algebra libraries differ in the last bits from call to call; rounding keeps equal runs equal.
            self.gain[number].copy_(torch.linalg.lstsq(known, moved[:, number].double()).solution[:-1].round(decimals=5))

    def forward(self, action: Float[Tensor, "B K A"], state: Float[Tensor, "B P"],
                level: Float[Tensor, "B"]) -> Float[Tensor, "B n d"]:
        """Normalised actions and state, the actions' level; returns an addition to each token of the future."""
        mean = torch.stack([action[:, :offset].mean(1) for offset in self.offsets], 1)
        guess = state[:, None] + torch.einsum("bfa,fap->bfp", mean, self.gain)
        angle = (guess[..., None] * self.omega).flatten(2)
        known = torch.cat([guess, angle.sin(), angle.cos(), mean, level[:, None, None].expand(*mean.shape[:2], 1)], -1)
        return self.body(known).unflatten(-1, (self.places, -1)).flatten(1, 2)
