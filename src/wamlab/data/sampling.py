"""Which of n things come when: a pure function, so that training resumes exactly from a step number alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from ..errors import WamError


def batch_indices(n: int, batch_size: int, step: int, seed: int) -> Int64[ndarray, "batch_size"]:
    """Indices in [0, n) for batch number `step`: every index comes exactly once per epoch, and a batch may span two epochs.

    Raises:
        WamError: for an empty dataset.
    """
    if n < 1 or batch_size < 1 or step < 0:
        raise WamError("there is nothing to sample from", where="sampling", expected="windows, batch size >= 1, step >= 0",
                       got=f"{n} windows, batch size {batch_size}, step {step}", fix="collect episodes first")
    return walk(n, step * batch_size, (step + 1) * batch_size, seed)


def walk(n: int, start: int, stop: int, seed: int) -> Int64[ndarray, "_"]:
    """Places `start` to `stop` - 1 of an endless walk through [0, n): one random permutation of all n after the other."""
    epochs, within = np.divmod(np.arange(start, stop, dtype=np.int64), n)
    orders = {int(epoch): _permutation(n, int(epoch), seed) for epoch in np.unique(epochs)}
    return np.array([orders[int(epoch)][i] for epoch, i in zip(epochs, within, strict=True)], dtype=np.int64)


@lru_cache(maxsize=16)
def _permutation(n: int, epoch: int, seed: int) -> Int64[ndarray, "n"]:
    order = np.random.default_rng([0, seed, epoch]).permutation(n)
    order.flags.writeable = False
    return order
