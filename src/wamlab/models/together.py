"""Several situations asked as one, wherever each of them stands."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import torch
from torch import Tensor

from ..parts.memory import Memory
from ..parts.representations import Moment
from ..signals import stacked
from ..types import Context, Prediction
from .base import Running, Stateless
from .knowledge import Known
from .session import Session


def together(running: Sequence[Running], want: AbstractSet[str], seeds: Sequence[int]) -> list[Prediction]:
    """What each of several sessions of one model, with one situation each, says alone; those that remember as much are computed
    as one batch.

    Args:
        seeds: one per session.
    """
    found: dict[int, Prediction] = {}
    for chunk in sorted({one.chunk for one in running}):
        rows = [number for number, one in enumerate(running) if one.chunk == chunk]
        answer = joined([running[number] for number in rows]).predict(want=want, seeds=[seeds[number] for number in rows])
        found |= {number: _row(answer, place) for place, number in enumerate(rows)}
    return [found[number] for number in range(len(running))]


def joined(running: Sequence[Running]) -> Running:
    """One session of all situations; they stand at the same chunk. Those given stay as they are."""
    if len(running) == 1:
        return running[0]
    sessions = [one for one in running if isinstance(one, Session)]
    if len(sessions) < len(running):
        plain = [one for one in running if isinstance(one, Stateless)]
        return Stateless(plain[0].model, contexts([one.context for one in plain]))
    first, made = sessions[0], Session.__new__(Session)
    made.model, made.use_cache, made.real = first.model, first.use_cache, list(first.real)
    made.moments = [*first.moments[:-1], Moment(contexts([one.moments[-1].context for one in sessions]))]
    made.known = Known({node: torch.cat([one.known.values[node] for one in sessions]) for node in first.known.values},
                       {node: torch.cat([one.known.levels[node] for one in sessions]) for node in first.known.levels},
                       {key: _beside([one.known.beside[key] for one in sessions]) for key in first.known.beside})
    made.memories = [Memory.stacked([one.memories[number] for one in sessions]) for number in range(len(first.memories))]
    return made


def contexts(several: Sequence[Context]) -> Context:
    """The situations of several contexts, one after the other."""
    return Context(torch.cat([one.frames for one in several]), torch.cat([one.state for one in several]),
                   tuple(said for one in several for said in one.instruction), torch.cat([one.known for one in several]),
                   {name: stacked([one.signals[name] for one in several]) for name in several[0].signals})


def _beside(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None


def _row(answer: Prediction, place: int) -> Prediction:
    def cut(value: Tensor | None) -> Tensor | None:
        return None if value is None else value[place : place + 1]

    return Prediction(cut(answer.future), cut(answer.action), answer.timings,
                      {name: value[place : place + 1] for name, value in answer.others.items()})
