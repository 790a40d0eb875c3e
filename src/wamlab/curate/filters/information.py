"""How much an episode's actions say about its states, beside all the others: mutual information, per episode."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from scipy.special import digamma

from ...data.transforms import floors
from .base import Corpus, Filter, Judgement, judgement

NEIGHBOURS = (5, 6, 7)
"""k of the estimator; the answers are averaged"""
BATCH, REPEATS = 2048, 4
"""samples among which neighbours are sought, and how often the samples are dealt into batches anew"""
COMPONENTS = 12
"""principal components of the small pictures beside the proprioception"""
CHUNK = 4
"""actions ahead that are one sample's action"""


def contributions(one: Float[ndarray, "N p"], two: Float[ndarray, "N q"],
                  ks: tuple[int, ...] = NEIGHBOURS) -> Float64[ndarray, "N"]:
    """Each sample's term of the mutual information between two quantities, in nats; their mean is the estimate.

    Kraskov, Stoegbauer, Grassberger, Physical Review E 69 (2004) 066138, equation 8: psi(k) + psi(N) - psi(n_x + 1) -
    psi(n_y + 1), where n counts the samples that are closer in one quantity than the k-th neighbour is in both (the larger of
    the two distances). Averaged over `ks`. Needs more samples than the largest k.
    """
    x, y = (torch.from_numpy(np.ascontiguousarray(values, np.float32)) for values in (one, two))
    far_x, far_y = (torch.cdist(v, v, compute_mode="donot_use_mm_for_euclid_dist") for v in (x, y))
    both = torch.maximum(far_x, far_y).fill_diagonal_(torch.inf)
    near = both.topk(max(ks), largest=False).values
    terms = np.zeros(len(x))
    for k in ks:
        reach = near[:, k - 1:k]
        n_x, n_y = ((far < reach).sum(1).numpy() - 1 for far in (far_x, far_y))  # the sample itself is not counted
        terms += digamma(k) + digamma(len(x)) - digamma(np.maximum(n_x, 0) + 1) - digamma(np.maximum(n_y, 0) + 1)
    return terms / len(ks)


def standard(values: Float[ndarray, "N d"]) -> Float64[ndarray, "N d"]:
    """Mean 0 and deviation 1 per channel; what hardly varies is not blown up, whatever its unit."""
    return np.asarray((values - values.mean(0)) / np.maximum(values.std(0), floors(values)), np.float64)


def principal(values: Float[ndarray, "N d"], count: int) -> Float64[ndarray, "N c"]:
    """The leading principal components, each with its own spread."""
    centred = values.astype(np.float64) - values.mean(0)
    spread, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    return np.asarray(centred @ directions[:, np.argsort(-spread)[:count]])


def dealt(count: int, generator: np.random.Generator) -> list[ndarray]:
    """All samples in random batches of about BATCH."""
    order = generator.permutation(count)
    return np.array_split(order, max(1, round(count / BATCH)))


def information(corpus: Corpus) -> Judgement:
    """The mean contribution of an episode's samples, over what a policy would see and do."""
    steps = [np.flatnonzero(r.imitate) for r in corpus.records]
    small = principal(np.concatenate([r.small[t] for r, t in zip(corpus.records, steps, strict=True)]), COMPONENTS)
    seen = np.concatenate([standard(np.concatenate([r.state[t] for r, t in zip(corpus.records, steps, strict=True)])),
                           small / max(float(small.std(0).max(initial=0)), 1e-6)], 1)
    done = standard(np.concatenate([_chunks(r.action, t) for r, t in zip(corpus.records, steps, strict=True)]))
    owner = np.repeat(np.arange(len(corpus)), [len(t) for t in steps])
    terms, generator = np.zeros(len(owner)), np.random.default_rng([corpus.seed, 7])
    for _ in range(REPEATS):
        for rows in dealt(len(owner), generator):
            terms[rows] += contributions(seen[rows], done[rows]) / REPEATS
    terms = np.clip(terms, *np.percentile(terms, [1, 99]))  # a few samples far from all others would speak for their episode
    count = np.bincount(owner, minlength=len(corpus))
    with np.errstate(invalid="ignore"):
        values = np.bincount(owner, terms, len(corpus)) / np.where(count, count, np.nan)
    return judgement(values, lambda i: f"its actions share {values[i]:.2f} nats with what is seen", f"{len(owner)} samples")


def _chunks(action: ndarray, steps: ndarray) -> ndarray:
    rows = np.minimum(steps[:, None] + np.arange(CHUNK), len(action) - 1)
    return np.asarray(action[rows].reshape(len(steps), CHUNK * action.shape[1]))


def _enough(corpus: Corpus) -> str:
    count = sum(int(r.imitate.sum()) for r in corpus.records)
    return "" if count > 10 * max(NEIGHBOURS) else f"only {count} steps are there to be imitated"


FILTERS = (
    Filter("information", information, "higher", "nats", 0.1,
           "how much an episode adds to the mutual information between what is seen and what is done",
           "wrong behaviour that is repeated as regularly as the right one",
           "per-episode terms as in DemInf (arXiv 2502.08623) of the estimator of Kraskov et al. (2004), on principal "
           "components of small pictures in place of a variational autoencoder", _enough),
)
