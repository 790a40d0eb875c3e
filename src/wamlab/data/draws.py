"""Which windows each batch of a training holds: a pure function of seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from ..errors import WamError
from ..types import VIDEO, WORLD_MODEL, Query
from .mixture import apportion
from .sampling import walk
from .windows import Windows


@dataclass(frozen=True, eq=False)
class Source:
    """The windows of one source that a model can learn from."""

    name: str
    imitated: Int64[ndarray, "N"]
    others: Int64[ndarray, "M"]
    """disturbed or playful actions, and video without actions"""

    def __len__(self) -> int:
        return len(self.imitated) + len(self.others)


def sources_of(windows: Windows, answers: AbstractSet[Query], apart: bool) -> list[Source]:
    """What a model that answers these queries can learn from: a source per dataset if they are kept `apart`, else one of all.

    Disturbed and playful actions teach those that answer: future sought, action given; video, those that answer: action absent.

    Raises:
        WamError: if it can learn from no window at all.
    """
    others = ~windows.imitate & np.where(windows.has_action, WORLD_MODEL in answers, VIDEO in answers)
    names = [store.path.name for store in windows.stores]
    number = windows.source if apart else np.zeros(len(windows), np.int64)
    found = [Source(name, np.flatnonzero(windows.imitate & (number == place)), np.flatnonzero(others & (number == place)))
             for place, name in enumerate(names if apart else [" + ".join(names)])]
    if not any(map(len, found)):
        raise WamError("no window of the data can train this model", where=", ".join(names),
                       expected="expert actions, or a model that answers: future sought, action given (or absent)",
                       got="disturbed or playful actions, or video", fix="add demonstrations: wam collect TASK --kind mixed")
    return found


class Draws:
    """Which windows each batch holds. Every source's windows come in a random order, each once before any comes again.

    Args:
        shares: of each source at each step.
        batch: windows per step.
        play_share: within a source that has both, the share of windows that are not imitated.
    """

    def __init__(self, sources: Sequence[Source], shares: Float64[ndarray, "T S"], batch: int, play_share: float, seed: int):
        self.pools: list[tuple[str, str, Int64[ndarray, "_"], list[int], int]] = []
        for number, (source, counts) in enumerate(zip(sources, apportion(shares, batch).T, strict=True)):
            share = play_share if len(source.imitated) else 1.0
            played = np.diff(np.round(share * np.cumsum(counts)), prepend=0).astype(np.int64) * bool(len(source.others))
            for offset, kind, pool, part in ((0, "imitated", source.imitated, counts - played),
                                             (3, "not imitated", source.others, played)):
                if len(pool):
                    starts = [0, *np.cumsum(part).tolist()]
                    self.pools.append((source.name, kind, pool, starts, seed + offset + 1_000_003 * number))

    def rows(self, step: int) -> Int64[ndarray, "B"]:
        """The windows of one step."""
        return np.concatenate([pool[walk(len(pool), starts[step], starts[step + 1], seed)]
                               for _, _, pool, starts, seed in self.pools if starts[step + 1] > starts[step]])

    def seen(self, step: int) -> list[dict[str, Any]]:
        """What has been drawn before a step, as JSON: of each part of each source, how many windows and epochs."""
        return [{"source": name, "part": kind, "windows": len(pool), "drawn": starts[step],
                 "epochs": round(starts[step] / len(pool), 4)} for name, kind, pool, starts, _ in self.pools]
