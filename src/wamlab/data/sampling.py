"""Which windows the k-th batch holds: a pure function, so that training resumes exactly from a step number alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from ..errors import WamError


def batch_indices(n: int, batch_size: int, step: int, seed: int,
                  weights: Float[ndarray, "n"] | None = None) -> Int64[ndarray, "batch_size"]:
    """Indices in [0, n) for batch number `step`.

    Without weights, the batches walk through one random permutation of all n after the other: every index comes
    exactly once per epoch, and a batch may span two epochs. With weights, indices are drawn independently, in
    proportion to them; an index of weight 0 never comes.

    Raises:
        WamError: for an empty dataset, or weights that are negative, not finite, all zero or of another length.
    """
    if n < 1 or batch_size < 1 or step < 0:
        raise WamError("there is nothing to sample from", where="sampling", expected="windows, batch size >= 1, step >= 0",
                       got=f"{n} windows, batch size {batch_size}, step {step}", fix="collect episodes first")
    if weights is None:
        place = np.arange(step * batch_size, (step + 1) * batch_size, dtype=np.int64)
        epochs, within = np.divmod(place, n)
        orders = {int(epoch): _permutation(n, int(epoch), seed) for epoch in np.unique(epochs)}
        return np.array([orders[int(epoch)][i] for epoch, i in zip(epochs, within, strict=True)], dtype=np.int64)
    total = float(np.sum(weights))
    if weights.shape != (n,) or not np.isfinite(total) or total <= 0 or np.any(weights < 0):
        raise WamError("the sampling weights cannot be used", where="weights",
                       expected=f"{n} finite numbers >= 0, not all zero", got=f"{weights.shape}, sum {total}")
    edges = np.cumsum(weights, dtype=np.float64)
    draws = np.random.default_rng([1, seed, step]).random(batch_size) * edges[-1]
    last = int(np.flatnonzero(weights)[-1])  # rounding may put a draw on the last edge
    return np.minimum(np.searchsorted(edges, draws, side="right"), last).astype(np.int64)


@lru_cache(maxsize=4)
def _permutation(n: int, epoch: int, seed: int) -> Int64[ndarray, "n"]:
    order = np.random.default_rng([0, seed, epoch]).permutation(n)
    order.flags.writeable = False
    return order
