"""Are latent actions actions? Counted against true ones, by what few labels make of them, and by what they must not carry.

Everything is measured on held-out episodes and beside three controls that must fail: latent actions exchanged between pairs,
random ones (numbers from a normal distribution, codes drawn uniformly), and a `future` that cheats (the main components of the
second frame's picture: it rebuilds the future without naming what was done).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray

from ...evaluate.log import Score
from ...evaluate.statistics import Estimate
from ..latent_training import LatentActions
from ..pairs import Pairs
from .measures import clusters, in_use, learned_from, mutual_information, over_episodes, ratio, share, told_by

Imagine = Callable[[UInt8[ndarray, "N h w 3"], Float[ndarray, "N D"]], Float[ndarray, "N 3 h w"]]
MOST = 4000
"""pairs from which the leak is told"""


@dataclass(frozen=True, eq=False)
class Named:
    """Some naming of the pairs, a labeller's or a control's."""

    name: str
    latent: Float[ndarray, "M D"]
    codes: Int64[ndarray, "M"] | None
    imagine: Imagine

    def order(self, rows: Int64[ndarray, "M"], name: str) -> Named:
        return replace(self, name=name, latent=self.latent[rows], codes=None if self.codes is None else self.codes[rows])


def latent_quality(name: str, task: str, labeller: LatentActions, train: Pairs, held: Pairs, classes: Int64[ndarray, "M"], *,
                   shares: Sequence[float] = (0.05, 0.025), seed: int = 0) -> tuple[Score, ...]:
    """The scores of a labeller and of its controls.

    Args:
        train, held: pairs of one array of frames, with all actions known; the labeller has learned from the first.
        classes: the true action of each pair as a number, those of `train` before those of `held`.
        shares: of the training pairs whose actions a linear decoder may see.

    Raises:
        DataError: with fewer than 3 held-out episodes.
    """
    both = train.and_then(held)
    own = Named(name, labeller.of(both), labeller.codes(both), labeller.imagine)
    study = Study(task, both, len(train), classes, tuple(shares), seed)
    return tuple(score for one in (own, *controls(own, both, len(train), seed)) for score in study.of(one))


def controls(own: Named, pairs: Pairs, trained: int, seed: int) -> tuple[Named, ...]:
    """Namings that must fail."""
    generator = np.random.default_rng([seed, 11])
    exchanged = own.order(generator.permutation(len(pairs)), "control/exchanged")
    codes = None if own.codes is None else generator.integers(int(own.codes.max()) + 1, size=len(own.codes))
    random = Named("control/random", generator.normal(size=own.latent.shape).astype(np.float32), codes, own.imagine)
    after = small(pairs.frames[pairs.after])
    some = generator.choice(trained, min(trained, 2000), replace=False)
    middle = after[some].mean(0)
    parts = np.linalg.svd(after[some] - middle, full_matrices=False)[2][:own.latent.shape[1]]
    seen = ((after - middle) @ parts.T).astype(np.float32)

    def rebuild(frames: ndarray, latent: ndarray) -> ndarray:
        side = frames.shape[1] // 2
        coarse = (latent @ parts + middle).reshape(-1, side, side, 3).transpose(0, 3, 1, 2)
        return coarse.repeat(2, 2).repeat(2, 3).astype(np.float32)

    codes = None if own.codes is None else clusters(seen, max(2, len(np.unique(own.codes))))
    return exchanged, random, Named("control/future", seen, codes, rebuild)


def small(frames: UInt8[ndarray, "N h w 3"]) -> Float[ndarray, "N V"]:
    """Frames at half their size, flat, in [0, 1]."""
    n, h, w, _ = frames.shape
    return frames.reshape(n, h // 2, 2, w // 2, 2, 3).mean((2, 4)).reshape(n, -1).astype(np.float32) / 255


@dataclass(frozen=True, eq=False)
class Study:
    """What every naming is asked."""

    task: str
    pairs: Pairs
    trained: int
    """the first so many pairs are those that were learned from"""
    classes: Int64[ndarray, "M"]
    shares: tuple[float, ...]
    seed: int

    def of(self, one: Named) -> list[Score]:
        held = self.pairs.rows(np.arange(self.trained, len(self.pairs)))
        classes, episode = self.classes[self.trained:], held.episode
        latent = one.latent[self.trained:]
        score = partial(self._score, one.name, len(np.unique(episode)))
        codes = clusters(latent, len(np.unique(self.classes)), self.seed) if one.codes is None else one.codes[self.trained:]
        scores = [score("nmi", mutual_information(codes, classes, episode))]
        if one.codes is None:
            scores.append(Score(one.name, self.task, "latent.perplexity", None, unavailable="continuous latent actions"))
        else:
            scores.append(score("perplexity", in_use(codes, episode)))
        table = one.latent if one.codes is None else np.eye(int(one.codes.max()) + 1)[one.codes]
        for part in self.shares:
            rows = np.random.default_rng([self.seed, 12]).permutation(self.trained)[:max(20, round(part * self.trained))]
            found = learned_from(table, self.classes, rows)[self.trained:]
            scores += [score(f"decoded.{100 * part:g}%", share(found == classes, episode)),
                       score(f"decoded_nmi.{100 * part:g}%", mutual_information(found, classes, episode))]
        return scores + self._pictures(one, held, latent, score) + [score("leak", self._leak(one, held))]

    def _pictures(self, one: Named, held: Pairs, latent: ndarray, score: Callable[[str, Estimate], Score]) -> list[Score]:
        """What the decoder makes of the frame before, with the pair's own latent action and with another pair's."""
        strangers = np.random.default_rng([self.seed, 13]).permutation(len(held))
        before, after = (held.frames[rows].transpose(0, 3, 1, 2) / np.float32(255) for rows in (held.before, held.after))
        with_own, with_other = (one.imagine(held.frames[held.before], z).clip(0, 1) for z in (latent, latent[strangers]))
        own, other, copied = (_off(made, after) for made in (with_own, with_other, before))
        decibels = over_episodes(np.stack([own, other], 1), held.episode, lambda s: 10 * np.log10(s[:, 1] / s[:, 0]))
        nearer = _off(with_other, before) < _off(with_other, after[strangers])
        return [score("unexplained", ratio(own, copied, held.episode)), score("delta_psnr", decibels),
                score("stays", share(nearer, held.episode))]

    def _leak(self, one: Named, held: Pairs) -> Estimate:
        """Share of the variance of the second frames that the latent action alone tells."""
        picked = np.random.default_rng([self.seed, 14]).permutation(self.trained)[:MOST]
        rows = np.concatenate([picked, np.arange(self.trained, len(self.pairs))])
        after = small(self.pairs.frames[self.pairs.after[rows]])
        known, asked = np.arange(len(picked)), np.arange(len(picked), len(rows))
        told = told_by(one.latent[rows], after, known, asked)
        left, whole = ((after[asked] - guess) ** 2 for guess in (told, after[known].mean(0)))
        return over_episodes(np.stack([left.sum(1), whole.sum(1)], 1), held.episode, lambda s: 1 - s[:, 0] / s[:, 1])

    def _score(self, name: str, episodes: int, metric: str, found: Estimate) -> Score:
        unit = UNITS.get(metric, "share")
        return Score(name, self.task, f"latent.{metric}", found.value, found.low, found.high, episodes, unit)


def _off(one: Float[ndarray, "N 3 h w"], other: Float[ndarray, "N 3 h w"]) -> Float[ndarray, "N"]:
    return ((one - other) ** 2).sum((1, 2, 3)).astype(np.float64)


UNITS = {"perplexity": "codes", "delta_psnr": "dB"}
MEANING = {
    "nmi": "normalised mutual information of codes (of k-means clusters of continuous ones) with true actions",
    "perplexity": "codes in use",
    "decoded": "accuracy of a linear decoder that saw this share of the training pairs' actions",
    "decoded_nmi": "normalised mutual information of what it says with the true actions",
    "unexplained": "error of the imagined frame, in shares of the error of copying the frame before",
    "delta_psnr": "how much better the frame is imagined with its own latent action than with another pair's",
    "stays": "put upon another scene, the imagined frame is nearer to that scene than to the future it came from",
    "leak": "variance of the future's picture that is told by the latent action alone",
}
