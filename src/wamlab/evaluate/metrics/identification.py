"""Which action was it? Each imagined future must be nearest to the true future of its own action (ID@1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import norm

from ..log import Score
from ..metric import Evidence, Metric, entities, moved, stacked
from ..statistics import MANY, cluster_bootstrap
from .causal import HEADLINE, centred, scales_of, why_not

PERMUTATIONS = 2000


def distances(imagined: Float[ndarray, "C K T D"], real: Float[ndarray, "C K T D"]) -> Float[ndarray, "C K K"]:
    """Squared distance of the centred imagined future of action i to the centred true future of action j."""
    a, b = (centred(x).reshape(*x.shape[:2], -1) for x in (imagined, real))
    return np.maximum((a * a).sum(-1)[:, :, None] + (b * b).sum(-1)[:, None] - 2 * a @ b.swapaxes(1, 2), 0)


def twins(evidence: Evidence) -> Bool[ndarray, "C K K"]:
    """Whether the true futures of two actions differ by no more than the tolerances (then they count as one)."""
    effects = evidence.effects
    assert effects is not None
    contexts, kinds = len(effects.strata), len(effects.kinds)
    differ = np.zeros((contexts, kinds, kinds), bool)
    for group in HEADLINE:
        for entity in entities(evidence.spec, group, effects.real):
            real = effects.real[entity.name]
            differ |= moved(entity, real[:, :, None] - real[:, None]).any(-1)
    same = ~differ
    for _ in range(kinds.bit_length()):  # alike through a third one: alike
        same = (same.astype(np.float32) @ same.astype(np.float32)) > 0
    return same


def credits(distance: Float[ndarray, "C K K"], same: Bool[ndarray, "C K K"]) -> Float[ndarray, "C K K"]:
    """credit[c, i, j]: what imagined future i earns if its action were j: 1 if the nearest true future is j's (or a twin
    of it), shared among classes that tie."""
    nearest = distance.min(2, keepdims=True)
    tied = distance <= nearest + 1e-9 * (distance.max(2, keepdims=True) + 1e-30)
    hit = (tied[:, :, None, :] & same[:, None, :, :]).any(-1)  # [c, i, j]: a tied future belongs to j's class
    weight = 1 / same.sum(2)  # each class counts once
    classes = (hit * weight[:, None, :]).sum(-1)
    return hit / classes[:, :, None]


def identification(evidence: Evidence) -> Sequence[Score]:
    """ID@1 over the classes of distinguishable actions, its chance level and a permutation test within contexts."""
    effects = evidence.effects
    assert effects is not None
    why = why_not(evidence, "robot")
    if why:
        return (evidence.score("identification", None, unavailable=why),)
    scales = scales_of(evidence)
    groups = [g for g in HEADLINE if entities(evidence.spec, g, effects.imagined)]
    imagined, real = (np.concatenate([stacked(evidence.spec, g, values, scales) for g in groups], -1)
                      for values in (effects.imagined, effects.real))
    same = twins(evidence)
    weight = 1 / same.sum(2)
    classes = weight.sum(1)  # how many distinguishable actions a context has
    credit = credits(distances(imagined, real), same) * (weight / classes[:, None])[:, :, None]
    asked = classes > 1.5
    if not asked.any():
        return (evidence.score("identification", None, unavailable="no context has two actions with different outcomes"),)
    credit, chance = credit[asked], 1 / classes[asked]
    right = np.trace(credit, axis1=1, axis2=2)
    n = len(right)
    estimate = cluster_bootstrap(np.stack([right, np.ones(n)], -1), lambda s: s[..., 0] / s[..., 1])
    return (evidence.score("identification", estimate or float(right.mean()), n=n, unit="share"),
            evidence.score("identification.chance", float(chance.mean()), n=n, unit="share"),
            evidence.score("identification.p", permutation_p(credit), n=n, note="labels permuted within contexts"))


def permutation_p(credit: Float[ndarray, "C K K"], permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """Probability of as many hits if labels within each context were drawn at random (Monte Carlo, counted with +1). Over many
    contexts by the normal law of their sum, whose mean and variance are exact (Hoeffding 1951)."""
    generator = np.random.default_rng(seed)
    contexts, kinds, _ = credit.shape
    observed = np.trace(credit, axis1=1, axis2=2).sum()
    if contexts > MANY:
        apart = credit - credit.mean(1, keepdims=True) - credit.mean(2, keepdims=True) + credit.mean((1, 2), keepdims=True)
        spread = np.sqrt((apart**2).sum() / (kinds - 1))
        away = (observed - credit.sum() / kinds) / spread if spread > 0 else -np.inf
        return max(float(norm.sf(away)), 1 / (permutations + 1))
    at_least = 0
    for _ in range(permutations):
        label = generator.permuted(np.tile(np.arange(kinds), (contexts, 1)), axis=1)
        at_least += np.take_along_axis(credit, label[:, :, None], 2).sum() >= observed - 1e-9
    return (at_least + 1) / (permutations + 1)


METRICS = (
    Metric("identification", ("effects",), identification, "higher", (0, 1),
           "how often an imagined future is nearest to what its own action really does", "K-way identification, ties shared, "
           "actions without distinguishable outcome merged", "share",
           children={"chance": "what guessing reaches", "p": "permutation test against guessing"}),
)
