"""How well latent actions name the true ones: pure functions of numbers, each with an interval over episodes.

The classes are the true actions, made discrete. Normalised mutual information is 2 I(a; c) / (H(a) + H(c)): 1 where each
tells the other, 0 where neither does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Int64
from numpy import ndarray
from scipy.cluster.vq import kmeans2

from ...errors import DataError
from ...evaluate.statistics import Estimate, clopper_pearson, cluster_bootstrap

RESAMPLES = 2000


def over_episodes(sums: Float[ndarray, "M Q"], episode: Int[ndarray, "M"],
                  statistic: Callable[[ndarray], ndarray]) -> Estimate:
    """A statistic of sums over pairs, with its interval over whole episodes.

    Raises:
        DataError: with fewer than 3 episodes, or where the statistic is undefined.
    """
    names, number = np.unique(episode, return_inverse=True)
    added = np.zeros((len(names), sums.shape[1]))
    np.add.at(added, number, sums)
    found = cluster_bootstrap(added, statistic, resamples=RESAMPLES)
    if found is None:
        raise DataError("there is too little to measure", where="labels", expected="at least 3 held-out episodes that differ",
                        got=len(names), fix="hold out more episodes")
    return found


def mutual_information(one: Int[ndarray, "M"], other: Int[ndarray, "M"], episode: Int[ndarray, "M"]) -> Estimate:
    """Normalised mutual information of two ways to name the same pairs, 0 to 1; 0 if one of them has a single name.

    Near 0 the interval lies above the value: an episode that is drawn twice looks like information.
    """
    rows, columns = (np.unique(names, return_inverse=True)[1] for names in (one, other))
    high, wide = rows.max() + 1, columns.max() + 1
    cells = np.zeros((len(rows), high * wide))
    cells[np.arange(len(rows)), rows * wide + columns] = 1

    def statistic(sums: ndarray) -> ndarray:
        share = (sums / sums.sum(1, keepdims=True)).reshape(len(sums), high, wide)
        whole = [_entropy(part) for part in (share.sum(2), share.sum(1), share.reshape(len(sums), -1))]
        both = whole[0] + whole[1]
        return np.where(both > 0, 2 * (both - whole[2]) / np.where(both > 0, both, 1), 0.0)

    return over_episodes(cells, episode, statistic)


def in_use(codes: Int[ndarray, "M"], episode: Int[ndarray, "M"]) -> Estimate:
    """Perplexity: how many codes are in use, the exponential of the entropy of their frequencies."""
    number = np.unique(codes, return_inverse=True)[1]
    hits = np.eye(number.max() + 1)[number]
    return over_episodes(hits, episode, lambda sums: np.exp(_entropy(sums / sums.sum(1, keepdims=True))))


def _entropy(share: Float[ndarray, "R n"]) -> Float[ndarray, "R"]:
    """Nats."""
    return -(share * np.log(np.where(share > 0, share, 1))).sum(1)


def ratio(above: Float[ndarray, "M"], below: Float[ndarray, "M"], episode: Int[ndarray, "M"]) -> Estimate:
    """Sum over sum."""
    return over_episodes(np.stack([above, below], 1), episode, lambda sums: sums[:, 0] / sums[:, 1])


def share(hits: ndarray, episode: Int[ndarray, "M"]) -> Estimate:
    """How many of all, 0 to 1."""
    return ratio(hits.astype(float), np.ones(len(hits)), episode)


def counted(hits: Bool[ndarray, "N"]) -> Estimate:
    """How many of all, where each stands for itself, with its exact interval."""
    return Estimate(float(hits.mean()), *clopper_pearson(int(hits.sum()), len(hits)))


def clusters(latent: Float[ndarray, "M D"], count: int, seed: int = 0) -> Int64[ndarray, "M"]:
    """Continuous latent actions as `count` names: k-means, the best of five starts."""
    values = latent.astype(np.float64) + 1e-9 * np.random.default_rng([seed, 1]).normal(size=latent.shape)
    found = [kmeans2(values, count, iter=50, minit="++", rng=np.random.default_rng([seed, n])) for n in range(5)]
    spread = [((values - centres[names]) ** 2).sum() for centres, names in found]
    return found[int(np.argmin(spread))][1].astype(np.int64)


def learned_from(latent: Float[ndarray, "M D"], names: Int[ndarray, "M"], labelled: Int[ndarray, "L"]) -> Int64[ndarray, "M"]:
    """What a linear classifier (multinomial logistic regression with a small ridge) that saw the labelled rows calls each
    row."""
    known, target = np.unique(names[labelled], return_inverse=True)
    mean, std = latent[labelled].mean(0), latent[labelled].std(0) + 1e-6
    values = torch.from_numpy((latent - mean) / std).double()
    rows, wanted = torch.from_numpy(labelled), torch.from_numpy(target)
    weight = torch.zeros(latent.shape[1] + 1, len(known), dtype=torch.double, requires_grad=True)
    design = torch.cat([values, torch.ones(len(values), 1, dtype=torch.double)], 1)
    optimiser = torch.optim.LBFGS([weight], max_iter=300, line_search_fn="strong_wolfe")

    def cost() -> torch.Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(design[rows] @ weight, wanted) + 1e-3 * (weight[:-1] ** 2).sum()
        loss.backward()
        return loss

    optimiser.step(cost)
    return known[(design @ weight).argmax(1).numpy()]


def told_by(latent: Float[ndarray, "M D"], values: Float[ndarray, "M V"], known: Int[ndarray, "L"],
            asked: Int[ndarray, "Q"]) -> Float[ndarray, "Q V"]:
    """What latent actions alone tell of some values: ridge regression, fitted to the known rows. It is linear because it has to
    carry over to scenes that it has not seen, of which there may be few."""
    scaled = (latent - latent[known].mean(0)) / (latent[known].std(0) + 1e-6)
    design = np.concatenate([np.ones((len(latent), 1)), scaled], 1)
    price = 1e-2 * len(known) * np.diag([0.0] + [1.0] * (design.shape[1] - 1))
    weight = np.linalg.solve(design[known].T @ design[known] + price, design[known].T @ values[known])
    return design[asked] @ weight
