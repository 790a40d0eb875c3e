"""Further signals of a set of episodes, aligned with its frame cache: other cameras, what else was measured, proprioception
ahead. What an episode lacks is unknown there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, Shaped
from numpy import ndarray

from ..errors import SpecError
from ..signals import FRAMES, MODALITIES, STATE, Need, Signal, kind_of
from .cache import Progress, open_rows
from .store import EpisodeStore


class Tracks:
    """All that is needed beside main camera, proprioception and actions.

    Args:
        where: (number of the store, index in it) per episode, in the order of the frame cache.
        lengths: actions per episode.
        states, has_state: per frame, and per episode whether they are known.

    Raises:
        SpecError: naming stream, signal and what the data has, if no episode has what is needed, or one has it otherwise.
    """

    def __init__(self, needs: Mapping[str, Need], stores: Sequence[EpisodeStore], where: Sequence[tuple[int, int]],
                 lengths: Int64[ndarray, "E"], states: Float32[ndarray, "N P"], has_state: Bool[ndarray, "E"],
                 progress: Progress | None = None):
        self.needs, self.lengths = needs, lengths
        self.rows: dict[str, ndarray] = {}
        self.has: dict[str, ndarray] = {}
        shapes = [stores[number].shapes(index) for number, index in where] if set(needs) - {STATE} else []
        for name, need in needs.items():
            if name == STATE:
                self.rows[name], self.has[name] = states, has_state
                continue
            here = np.array([name in found for found in shapes])
            if not here.any():
                raise SpecError(f"the data has no {kind_of(name)}", where=need.where, expected=kind_of(name),
                                got=self._offered(name, shapes), fix=self._fix(name, stores[0]))
            size = (*stores[0].task_spec.image_size, 3) if name.startswith(FRAMES) else need.shape
            assert size is not None
            for found, length, (number, index) in zip(shapes, lengths.tolist(), where, strict=True):
                if name in found and found[name] != (length + 1, *size):
                    raise SpecError(f"{kind_of(name)} is of another shape", where=f"{need.where}; {stores[number].path}, "
                                    f"episode {index}", expected=f"{size} per step", got=found[name][1:],
                                    fix=f"tell the stream the data's shape: {found[name][1:]}")
            kind = np.dtype(np.uint8 if name.startswith(FRAMES) else np.float32)
            counts = {(stores[number].path, index): int(length) + 1
                      for (number, index), length in zip(where, lengths, strict=True)}
            there = {(stores[number].path, index) for (number, index), found in zip(where, here, strict=True) if found}
            self.rows[name] = open_rows(stores, name, (int(lengths.sum()) + len(lengths), *size), kind,
                                        partial(_rows, name, size, kind, counts, there), progress)
            self.has[name] = here

    def _offered(self, name: str, shapes: Sequence[Mapping[str, tuple[int, ...]]]) -> str:
        """What the data has of that kind."""
        kind = FRAMES if name.startswith(FRAMES) else MODALITIES
        found = sorted({one.removeprefix(kind) for names in shapes for one in names if one.startswith(kind)})
        return ", ".join(found) or "none"

    def _fix(self, name: str, store: EpisodeStore) -> str:
        task = store.provenance.get("simulator", "TASK")
        kind, option = (FRAMES, "--cameras") if name.startswith(FRAMES) else (MODALITIES, "--with")
        return f"leave the stream out, or collect data that has it: wam collect {task} {option} {name.removeprefix(kind)}"

    def cut(self, name: str, first: Int64[ndarray, "B"], episode: Int64[ndarray, "B"], step: Int64[ndarray, "B"]) -> Signal:
        """A signal around a step of each of B episodes, whose first frames lie at `first`. Before the start the first
        observation is repeated, past the end the last one, which is not known."""
        steps, length = np.array(self.needs[name].steps, np.int64), self.lengths[episode][:, None]
        wanted = step[:, None] + steps
        rows = np.asarray(self.rows[name])[first[:, None] + np.clip(wanted, 0, length)]
        known = self.has[name][episode][:, None] & ((wanted <= length) | (steps <= 0))
        return as_signal(name, rows, known, self.needs[name].steps)

    def both(self, first: Int64[ndarray, "B"], episode: Int64[ndarray, "B"],
             step: Int64[ndarray, "B"]) -> tuple[dict[str, Signal], dict[str, Signal]]:
        """(what was seen until a step, what lies ahead of it)."""
        seen, ahead = dict[str, Signal](), dict[str, Signal]()
        for name in self.needs:
            found = self.cut(name, first, episode, step)
            if before := [one for one in found.steps if one <= 0]:
                seen[name] = found.at(before)
            if (later := found.after(0)) is not None:
                ahead[name] = later
        return seen, ahead


def as_signal(name: str, rows: Shaped[ndarray, "B S ..."], known: Bool[ndarray, "B S"], steps: tuple[int, ...]) -> Signal:
    """Rows as they are stored, as models read them."""
    if name.startswith(FRAMES):
        return Signal(torch.from_numpy(rows).movedim(-1, -3).contiguous(), torch.from_numpy(known), steps)
    return Signal(torch.from_numpy(np.asarray(rows, np.float32)), torch.from_numpy(known), steps)


def _rows(name: str, size: tuple[int, ...], kind: np.dtype[Any], counts: Mapping[Any, int], there: set[Any],
          store: EpisodeStore, index: int) -> ndarray:
    """An episode's rows; zeros where it lacks them."""
    place = store.path, index
    return store.array(index, name) if place in there else np.zeros((counts[place], *size), kind)
