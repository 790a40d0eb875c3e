"""Training windows cut from stored episodes: a context, a chunk of actions and the future frames they lead to.

For a window at step t of an episode with T actions (t = 0 .. T-1), H history frames, K actions, future offsets o:

    context   observations t-H+1 .. t      before the start: the first observation, as a policy sees it at reset
    action    actions t .. t+K-1           past the end: the last action repeated, mask False
    future    observations t+o             past the end: the last observation repeated, mask False
    instruction  the one that holds at observation t
    success   steps from observation t+K to the episode's first success; unknown where the outcome is

`action[t]` leaves observation t and leads to observation t+1. Nothing crosses an episode. A window with an action that is
unknown counts as one without actions: its whole mask is False.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from ..errors import DataError, SpecError, WamError
from ..types import Batch, Context, Need
from .cache import Progress, open_frames
from .selection import all_within, chosen, common_spec, first_success, gather_truth, identity
from .store import EpisodeStore
from .tracks import Tracks


class Windows:
    """All windows of a set of episodes, read by index in batches.

    Args:
        stores: datasets whose specs agree.
        history, chunk, offsets: H, K and the future's steps ahead (each >= 1).
        chunks: how many chunks, one after the other, each batch tells of.
        episodes: per store, the indices to cut windows from (None: all). The frame cache and what is aligned with it
            cover all episodes of the stores in any case, so that a training and a validation set share one cache.
        camera: None is the main one.
        needs: further signals, and at which steps from a window's start: see `wamlab.signals`.
        allow_mixed_renderers: accept datasets whose renderers drew differently.

    Raises:
        DataError: no episodes, an episode that is not there or is damaged, or mixed renderers.
        SpecError: the stores' specs disagree, or none has a signal that is needed.
    """

    frames: UInt8[ndarray, "N h w 3"]
    """every frame of every episode, memory-mapped and read-only; positions in it are `frame_index`"""
    frame_episode: Int64[ndarray, "N"]
    """per frame: the number of its episode, counting through all stores; what a split must respect"""
    states: Float32[ndarray, "N P"]
    """per frame: proprioception"""
    imitate: Bool[ndarray, "W"]
    """per window: whether all its actions within the episode are an expert's undisturbed ones"""
    has_action: Bool[ndarray, "W"]
    """per window: whether all its actions within the episode are known"""
    source: Int64[ndarray, "W"]
    """per window: the number of its store"""
    now: Int64[ndarray, "W"]
    """per window: the position of its current frame, so that `states[now]` are the states of the windows in use"""

    def __init__(self, stores: Sequence[EpisodeStore], *, history: int, chunk: int, offsets: Sequence[int],
                 chunks: int = 1, episodes: Sequence[Sequence[int]] | None = None, camera: str | None = None,
                 allow_mixed_renderers: bool = False, progress: Progress | None = None,
                 needs: Mapping[str, Need] | None = None):
        if history < 1 or chunk < 1 or chunks < 1 or any(offset < 1 for offset in offsets):
            raise WamError("a window needs at least one context frame and action, and offsets ahead of now", where="windows",
                           expected="history, chunk, chunks, offsets >= 1", got=(history, chunk, chunks, *offsets))
        self.parts = chunks
        self.history, self.chunk, self.offsets = history, chunk, tuple(offsets)
        self.stores = tuple(stores)
        self.task_spec = common_spec(self.stores, allow_mixed_renderers)
        self.camera = camera or self.task_spec.cameras[0]
        if self.camera not in self.task_spec.cameras:
            raise SpecError(f"no camera {self.camera!r}", where="camera", expected=self.task_spec.cameras, got=self.camera)

        where = [(number, index) for number, store in enumerate(self.stores) for index in store.indices()]
        records = [self.stores[number].load(index, frames=False) for number, index in where]
        if not records:
            raise DataError("the datasets hold no episodes", where=", ".join(str(store.path) for store in self.stores),
                            expected="at least one", got=0, fix="collect episodes first: wam collect TASK --out DIR")
        used = chosen(self.stores, where, episodes)
        lengths = np.array([len(record) for record in records], np.int64)
        self._where, self._lengths = where, lengths
        self._first_frame = np.concatenate([[0], np.cumsum(lengths + 1)])
        self._first_action = np.concatenate([[0], np.cumsum(lengths)])
        self.frame_episode = np.repeat(np.arange(len(records)), lengths + 1)
        self.states = np.concatenate([record.state for record in records])
        self._actions = np.concatenate([record.action for record in records])
        self._records = records
        shape = (int(self._first_frame[-1]), *self.task_spec.image_size, 3)
        self.frames = open_frames(self.stores, self.camera, shape, progress)

        self._episode = np.repeat(np.flatnonzero(used), lengths[used])
        self._step = np.concatenate([np.zeros(0, np.int64), *(np.arange(n, dtype=np.int64) for n in lengths[used])])
        self.now = self._first_frame[self._episode] + self._step
        self.source = np.array([number for number, _ in where], np.int64)[self._episode]
        start = self._first_action[self._episode] + self._step
        end = np.minimum(start + chunk, self._first_action[self._episode + 1])
        self._imitated = np.concatenate([record.imitate for record in records])
        self._known = np.concatenate([record.has_action for record in records])
        self.imitate = all_within([self._imitated], start, end)
        self.has_action = all_within([self._known], start, end)
        self._has_state = np.array([record.has_state for record in records], bool)
        self.tracks = Tracks(needs or {}, self.stores, where, lengths, self.states, self._has_state, progress)
        self._success = np.array([first_success(record) for record in records], np.float32)

    def __len__(self) -> int:
        return len(self._step)

    @property
    def longest(self) -> int:
        """Actions of the longest episode."""
        return int(self._lengths.max())

    def origin(self, index: int) -> tuple[int, int, int]:
        """(number of the store, index of the episode in it, step t) of a window."""
        return (*self._where[int(self._episode[index])], int(self._step[index]))

    def identity(self, episodes: Sequence[Sequence[int]] | None = None) -> str:
        """What tells this data, or this choice of its episodes, from other data, wherever it lies."""
        return identity(self.stores, self.states, self._records, episodes)

    def truth(self, entity: str) -> Float64[ndarray, "N D"]:
        """Privileged state per frame of the cache; NaN where an episode does not report the entity.

        Raises:
            SpecError: if no episode reports it, or the tasks report different things under that name.
        """
        return gather_truth(self._records, entity)

    def chunks(self) -> tuple[Float32[ndarray, "W K A"], Bool[ndarray, "W K"]]:
        """The action chunks of all windows and their masks, for statistics."""
        return self._chunk(self._episode, self._step)[:2]

    def batch(self, indices: Int64[ndarray, "B"], frames: bool = True) -> Batch:
        """The windows at `indices` as tensors.

        Args:
            frames: False leaves all pictures black, and further signals out, and reads none (for models that train on cached
                latents, which they find by `frame_index`).
        """
        episode, step = self._episode[indices], self._step[indices]
        later = tuple(self._part(episode, step + k * self.chunk, frames) for k in range(1, self.parts))
        return replace(self._part(episode, step, frames), later=later)

    def _part(self, episode: Int64[ndarray, "B"], step: Int64[ndarray, "B"], frames: bool) -> Batch:
        """One chunk that starts at a step; beyond the episode's end nothing of it is known."""
        length = self._lengths[episode]
        back = np.clip(step[:, None] + np.arange(1 - self.history, 1), 0, length[:, None])
        ahead = step[:, None] + np.array(self.offsets, np.int64)
        position = self._first_frame[episode][:, None] + np.concatenate([back, np.minimum(ahead, length[:, None])], axis=1)
        actions, action_mask, imitate = self._chunk(episode, step)
        pictures = self._pictures(position, frames)
        said = tuple(self._records[e].instruction_at(min(t, n))
                     for e, t, n in zip(episode.tolist(), step.tolist(), length.tolist(), strict=True))
        seen, later = self.tracks.both(self._first_frame[episode], episode, step) if frames else ({}, {})
        context = Context(pictures[:, :self.history], torch.from_numpy(self.states[position[:, :self.history]]), said,
                          torch.from_numpy(self._has_state[episode]), seen)
        return Batch(
            context=context, future=pictures[:, self.history:], future_mask=torch.from_numpy(ahead <= length[:, None]),
            action=torch.from_numpy(actions), action_mask=torch.from_numpy(action_mask),
            imitate=torch.from_numpy(imitate), frame_index=torch.from_numpy(position),
            future_state=torch.from_numpy(self.states[position[:, self.history:]]),
            to_success=torch.from_numpy(np.maximum(self._success[episode] - (step + self.chunk).astype(np.float32), 0)),
            signals=later)

    def _chunk(self, episode: Int64[ndarray, "B"], step: Int64[ndarray, "B"]) \
            -> tuple[Float32[ndarray, "B K A"], Bool[ndarray, "B K"], Bool[ndarray, "B"]]:
        """Actions from a step on, which of them there are, and whether all of those are worth imitating."""
        wanted, length = step[:, None] + np.arange(self.chunk), self._lengths[episode][:, None]
        place = self._first_action[episode][:, None] + np.minimum(wanted, length - 1)
        inside = wanted < length
        known = np.all(self._known[place] | ~inside, axis=1)
        imitate = np.asarray(np.all(self._imitated[place] | ~inside, axis=1) & inside[:, 0])
        return self._actions[place], inside & known[:, None], imitate

    def _pictures(self, position: Int64[ndarray, "B S"], read: bool) -> UInt8[Tensor, "B S C h w"]:
        height, width = self.task_spec.image_size
        if not read:
            return torch.zeros((), dtype=torch.uint8).expand(*position.shape, 3, height, width)
        taken = np.asarray(self.frames)[position]
        return torch.from_numpy(taken).movedim(-1, -3).contiguous()
