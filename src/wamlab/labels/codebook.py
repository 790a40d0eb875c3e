"""Vector quantisation with one codebook for all tokens, moving averages and replacement of dead codes.

Genie (arXiv 2402.15391) and LAPA (arXiv 2410.11758) quantise latent actions with a handful of codes; VQ-VAE with moving
averages is arXiv 1711.00937, appendix A. Separate codebooks per token collapse easily, one that all share does not.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from numpy import ndarray
from torch import Tensor, nn

DECAY = 0.97
"""of the moving averages, per training step"""
DEAD = 0.1
"""a code is dead below this share of what it would have if all were used alike"""


class Codebook(nn.Module):
    """`codes` vectors of `width` numbers. While training, each is the moving average of what was assigned to it, and those that
    hardly anything is assigned to start again at a vector of the batch, rather at one that is far from all codes."""

    entries: Tensor
    count: Tensor
    total: Tensor

    def __init__(self, codes: int, width: int):
        super().__init__()
        self.codes = codes
        start = torch.randn(codes, width)
        self.register_buffer("entries", start)
        self.register_buffer("count", torch.ones(codes))
        self.register_buffer("total", start.clone())

    def nearest(self, vectors: Float[Tensor, "B n D"]) -> Int64[Tensor, "B n"]:
        """The number of the nearest code of each vector."""
        return torch.cdist(vectors.flatten(0, 1), self.entries).argmin(1).view(vectors.shape[:2])

    def forward(self, vectors: Float[Tensor, "B n D"]) -> tuple[Float[Tensor, "B n D"], Float[Tensor, ""]]:
        """(nearest codes, through which gradients pass unchanged; mean squared distance to them, to keep vectors near)."""
        chosen = self.entries[self.nearest(vectors.detach())]
        return vectors + (chosen - vectors).detach(), F.mse_loss(vectors, chosen)

    @torch.no_grad()
    def follow(self, vectors: Float[Tensor, "B n D"], seed: int, replace: bool) -> None:
        """Move the codes after one training step's vectors.

        Args:
            seed: chooses the vectors at which dead codes start again.
            replace: whether dead codes are replaced; towards the end of training they no longer should be.
        """
        flat = vectors.detach().flatten(0, 1)
        hits = F.one_hot(self.nearest(vectors).flatten(), self.codes).to(flat.dtype)
        self.count.lerp_(hits.sum(0), 1 - DECAY)
        self.total.lerp_(hits.T @ flat, 1 - DECAY)
        dead = self.count < DEAD * self.count.sum() / self.codes
        if replace and dead.any():
            far = torch.cdist(flat, self.entries).amin(1).double().square().numpy() + 1e-12
            picks = np.random.default_rng([seed, 8]).choice(len(flat), int(dead.sum()), p=far / far.sum())
            self.count[dead] = self.count.mean()
            self.total[dead] = flat[torch.from_numpy(picks)] * self.count.mean()
        self.entries.copy_(self.total / self.count.clamp(min=1e-6)[:, None])


def perplexity(codes: Int64[ndarray, "N"]) -> float:
    """How many codes are in use: the exponential of the entropy of their frequencies, between 1 and their number."""
    share = np.unique(codes, return_counts=True)[1] / max(1, len(codes))
    return float(np.exp(-(share * np.log(share)).sum()))
