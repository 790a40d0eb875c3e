"""What a filter sees (`Corpus`) and what a filter is (`Filter`): episodes in, one number per episode out.

Letters in shapes: E episodes, T control steps of one episode, F numbers of a small picture, S sampled pictures, P and A as in
`types`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from numpy import ndarray

from ...data.check.appearance import shrink
from ...data.store import EpisodeStore
from ...errors import DataError, SpecError
from ...spec import TaskSpec

SIDE = 8
"""pixels of a small picture's side"""
SAMPLES = 8
"""pictures of each episode that are kept for filters that learn from them: the first, the last and between, equally spaced"""
LARGEST = 64
"""pixels to which the longer side of these pictures is brought down"""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Record:
    """One episode as filters read it, main camera."""

    index: int
    state: Float32[ndarray, "T1 P"]
    action: Float32[ndarray, "T A"]
    known: Bool[ndarray, "T"]
    """where both the action and the state are known"""
    imitate: Bool[ndarray, "T"]
    """what is marked as disturbed is no fault: filters that judge actions leave it out"""
    success: Bool[ndarray, "T1"]
    truth: Mapping[str, Float64[ndarray, "T1 _"]]
    small: Float32[ndarray, "T1 F"]
    """every picture as block averages in grey values, SIDE x SIDE x 3"""
    change: Float64[ndarray, "T"]
    """mean absolute change from each picture to the next, full size, in grey values"""
    pictures: UInt8[ndarray, "S h w 3"]
    sampled: Float64[ndarray, "S"]
    """when: 0 the first, 1 the last moment"""


@dataclass(frozen=True, eq=False)
class Corpus:
    """A dataset read once, for any number of filters."""

    spec: TaskSpec
    records: tuple[Record, ...]
    labels: Mapping[int, bool] = field(default_factory=dict)
    """index -> whether somebody who looked says that the task was done, for some of the episodes"""
    seed: int = 0
    """for filters that learn or draw"""

    @classmethod
    def read(cls, store: EpisodeStore, *, labels: Mapping[int, bool] | None = None, seed: int = 0,
             progress: Progress | None = None) -> Corpus:
        """Read every episode once; nothing is written.

        Raises:
            DataError: with fewer than two episodes, one that is damaged, or a label for one that is not there.
        """
        indices = store.indices()
        if len(indices) < 2:
            raise DataError("a filter compares episodes with one another", where=store.path, expected="two or more",
                            got=len(indices), fix="collect or import more")
        strange = sorted(set(labels or {}) - set(indices))
        if strange:
            raise DataError(f"there is a label for episode {strange[0]}, which is not there", where="labels",
                            expected=f"indices of {store.path}", got=strange[:5])
        records = []
        for number, index in enumerate(indices):
            records.append(_record(store, index))
            if progress:
                progress(number + 1, len(indices))
        return cls(store.task_spec, tuple(records), dict(labels or {}), seed)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def played(self) -> tuple[int, ...]:
        """Indices of episodes with no step to imitate (play, video): filters that judge what is imitated leave them out."""
        return tuple(record.index for record in self.records if not record.imitate.any())


def _record(store: EpisodeStore, index: int) -> Record:
    episode = store[index]
    frames = episode.frames[store.task_spec.cameras[0]]
    assert episode.imitate is not None and episode.has_action is not None
    change = np.array([np.abs(after.astype(np.int16) - before).mean() for before, after in pairwise(frames)])
    picks = np.linspace(0, len(frames) - 1, SAMPLES).round().astype(int)
    step = -(-max(frames.shape[1:3]) // LARGEST)
    small = shrink(frames, SIDE).reshape(len(frames), -1).astype(np.float32)
    return Record(index, episode.state, episode.action, episode.has_action & episode.has_state,
                  episode.imitate, episode.success, episode.truth, small, change,
                  np.ascontiguousarray(frames[picks, ::step, ::step]), picks / max(1, len(frames) - 1))


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a filter says about every episode of a corpus, in its order."""

    scores: Float64[ndarray, "E"]
    """in the filter's unit; NaN where an episode cannot be judged"""
    reasons: tuple[str, ...]
    """what was seen, in words, per episode"""
    note: str = ""
    """on what it rests: what was learned from, say"""


@dataclass(frozen=True)
class Filter:
    """A measure of an episode's quality that anyone can add: one file with `FILTERS = (Filter(...),)`."""

    name: str
    compute: Callable[[Corpus], Judgement]
    direction: Literal["higher", "lower"]
    """which is better"""
    unit: str
    matters: float
    """the smallest difference that matters, in the unit: a floor for what counts as the usual spread between good episodes"""
    meaning: str
    """one line for a reader who has never seen it"""
    blind: str
    """what it cannot see"""
    source: str
    """the paper or the definition that it follows"""
    needs: Callable[[Corpus], str] = lambda corpus: ""
    """why this corpus cannot be judged by it; empty: it can"""
    usual: bool = True
    """whether it is among those that are used when none is named"""

    def __call__(self, corpus: Corpus) -> Judgement:
        """Judge all episodes.

        Raises:
            DataError: if the corpus lacks what the filter needs.
            SpecError: if the filter breaks its own declaration.
        """
        why = self.needs(corpus)
        if why:
            raise DataError(f"the filter {self.name!r} cannot judge these data: {why}", where=corpus.spec.task,
                            fix="leave it out of --by")
        found = self.compute(corpus)
        if found.scores.shape != (len(corpus),) or len(found.reasons) != len(corpus):
            raise SpecError("a filter gives one score and one reason per episode", where=f"filter {self.name}",
                            expected=len(corpus), got=f"{found.scores.shape}, {len(found.reasons)}")
        if np.isinf(found.scores).any():
            raise SpecError("a score is infinite", where=f"filter {self.name}", expected="a number, or NaN where an episode "
                            "cannot be judged", got=found.scores[np.isinf(found.scores)][:3].tolist())
        return found

    def deviation(self, scores: Float64[ndarray, "E"]) -> Float64[ndarray, "E"]:
        """How far each episode is on the bad side, in robust standard deviations of the good side; NaN stays.

        The spread is 1.4826 times the median distance to the median among the better half: what is wrong with the worse
        half does not widen it. It is at least `matters`.
        """
        known = scores[np.isfinite(scores)]
        if not len(known):
            return np.full(len(scores), np.nan)
        worse = -1.0 if self.direction == "higher" else 1.0
        middle = float(np.median(known))
        away = worse * (known - middle)
        spread = 1.4826 * float(np.median(-away[away <= 0]))
        return np.asarray(worse * (scores - middle) / max(spread, self.matters))


def judgement(scores: Sequence[float] | ndarray, say: Callable[[int], str], note: str = "") -> Judgement:
    """Scores with a reason for each, made by `say(position)`."""
    values = np.asarray(scores, np.float64)
    reasons = tuple(say(i) if np.isfinite(value) else "cannot be judged" for i, value in enumerate(values))
    return Judgement(values, reasons, note)
