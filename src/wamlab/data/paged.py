"""Random clips from datasets of video at memory speed: every frame is decoded once into a memory-mapped file with a budget.

The file is cut into pages of `PAGE` frames of all cameras; a table says which page of which episode lies where. A page that
is asked for and not there is decoded, with the rest of its episode, into free pages or over those unused for longest. A
batch is one gather: no Python runs per frame. Measured beside the official loader by `benchmarks/loader.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray
from torch import Tensor

from ..errors import DataError
from ..reading import NUMBER, load_json
from .atomic import make_folder, write_error, write_whole

PAGE = 32
"""frames of a page"""


@runtime_checkable
class FrameSource(Protocol):
    """What is read from: `formats.lerobot.LeRobot` is one."""

    root: Path

    def indices(self) -> list[int]:
        """The episodes' indices, ascending."""

    def length(self, index: int) -> int:
        """Frames of an episode."""

    def frames(self, index: int, camera: str) -> ndarray:
        """uint8 [N, h, w, 3]"""


class ClipCache:
    """Clips of consecutive frames from all episodes of a dataset.

    Args:
        cameras: which to keep, in this order; all of one size.
        folder: where the file goes; it is found again by the next process.
        budget_mb: size that the file may have; less than the dataset means that pages come and go.

    Raises:
        DataError: if the dataset cannot be read, the budget holds less than one batch, or the disk refuses.
    """

    def __init__(self, source: FrameSource, cameras: Sequence[str], folder: str | Path, *, budget_mb: float = 8192):
        self.source, self.cameras = source, tuple(cameras)
        self.episodes = source.indices()
        if not self.episodes:
            raise DataError("the dataset holds no episodes", where=source.root, expected="at least one", got=0)
        self.lengths = np.array([source.length(index) for index in self.episodes], np.int64)
        pages = -(-self.lengths // PAGE)
        self._first_page = np.concatenate([[0], np.cumsum(pages)])
        self._first_frame = np.concatenate([[0], np.cumsum(self.lengths)])
        self._episode_of_page = np.repeat(np.arange(len(self.episodes)), pages)
        sample = source.frames(self.episodes[0], self.cameras[0])
        self.shape = (PAGE, len(self.cameras), *sample.shape[1:])
        room = int(budget_mb * 2**20 / np.prod(self.shape))
        self.capacity = min(room, int(self._first_page[-1]))
        if self.capacity < 1:
            raise DataError("the budget does not hold a page", where="budget_mb",
                            expected=f"at least {np.prod(self.shape) / 2**20:.1f}",
                            got=budget_mb)
        self.slot = np.full(self._first_page[-1], -1, np.int64)
        self.held = np.full(self.capacity, -1, np.int64)
        self.used = np.zeros(self.capacity, np.int64)
        self.clock = self.decoded = 0
        self.path = Path(folder) / f"clips-{self._digest()}.u8"
        self._open()

    def _digest(self) -> str:
        files = sorted(path for path in self.source.root.rglob("*") if path.suffix in (".mp4", ".parquet", ".safetensors"))
        what = [str(self.source.root.resolve()), self.cameras, self.shape, self.capacity,
                [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]]
        return hashlib.blake2b(json.dumps(what).encode(), digest_size=8).hexdigest()

    def _open(self) -> None:
        make_folder(self.path.parent)
        table = self.path.with_suffix(".json")
        shape = (self.capacity * PAGE, *self.shape[1:])
        known = table.exists() and self.path.exists() and self.path.stat().st_size == int(np.prod(shape))
        try:
            self.memory: ndarray = np.memmap(self.path, np.uint8, "r+" if known else "w+", shape=shape)
        except OSError as error:
            raise write_error(error, self.path) from error
        if known:
            held = _pages(table)
            if held.shape == self.held.shape and held.max(initial=-1) < len(self.slot) and held.min(initial=0) >= -1:
                self.held = held
                self.slot[held[held >= 0]] = np.flatnonzero(held >= 0)

    def __len__(self) -> int:
        """Frames of all episodes."""
        return int(self._first_frame[-1])

    def starts(self, length: int) -> Int64[ndarray, "M"]:
        """Every frame from which a clip of `length` frames stays within its episode."""
        ahead = np.concatenate([np.arange(n, 0, -1) for n in self.lengths])
        return np.flatnonzero(ahead >= length)

    def clips(self, starts: Int64[ndarray, "B"], length: int, stride: int = 1,
              out: UInt8[ndarray, "B L C h w 3"] | None = None) -> UInt8[ndarray, "B L C h w 3"]:
        """Clips of `length` frames from `starts` (positions in the dataset), all cameras; past its end an episode's last
        frame is repeated.

        Args:
            out: array to write into. A loop that gives the same one again is many times faster with large batches: new
                memory must be fetched from the system page by page.
        """
        episode = np.searchsorted(self._first_frame, starts, "right") - 1
        t = np.minimum((starts - self._first_frame[episode])[:, None] + stride * np.arange(length),
                       self.lengths[episode][:, None] - 1)
        page = self._first_page[episode][:, None] + t // PAGE
        slots = self.slot[page]
        if (slots < 0).any():
            self._fetch(np.unique(page))
            slots = self.slot[page]
        self.clock += 1
        self.used[slots] = self.clock
        return np.take(self.memory, slots * PAGE + t % PAGE, axis=0, out=out, mode="clip")

    def _fetch(self, wanted: Int64[ndarray, "N"]) -> None:
        if len(wanted) > self.capacity:
            raise DataError("the budget holds less than one batch", where="budget_mb", expected=f"{len(wanted)} pages or more",
                            got=self.capacity, fix="give a larger budget, or ask for smaller batches")
        self.clock += 1
        self.used[self.slot[wanted[self.slot[wanted] >= 0]]] = self.clock  # these must stay
        missing = wanted[self.slot[wanted] < 0]
        for episode in np.unique(self._episode_of_page[missing]):
            every = np.arange(self._first_page[episode], self._first_page[episode + 1])
            absent = every[self.slot[every] < 0]
            free = int((self.held < 0).sum())
            chosen = absent if len(absent) <= free else missing[self._episode_of_page[missing] == episode]
            self._decode(int(episode), chosen)

    def _decode(self, episode: int, pages: Int64[ndarray, "N"]) -> None:
        slots = np.argsort(np.where(self.held < 0, -1, self.used), kind="stable")[:len(pages)]
        gone = self.held[slots]
        self.slot[gone[gone >= 0]] = -1
        self.held[slots] = -1
        for number, camera in enumerate(self.cameras):
            frames = self.source.frames(self.episodes[episode], camera)
            if frames.shape != (self.lengths[episode], *self.shape[2:]):
                raise DataError("a camera has another size", where=f"{self.source.root}, {camera}", expected=self.shape[2:],
                                got=frames.shape)
            for page, slot in zip(pages, slots, strict=True):
                part = frames[(start := int(page - self._first_page[episode]) * PAGE):start + PAGE]
                self.memory[slot * PAGE:slot * PAGE + len(part), number] = part
        self.held[slots], self.used[slots] = pages, self.clock
        self.slot[pages] = slots
        self.decoded += 1

    def fill(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Decode all that the budget holds, in order."""
        for number in range(len(self.episodes)):
            pages = np.arange(self._first_page[number], self._first_page[number + 1])
            absent = pages[self.slot[pages] < 0]
            if len(absent) and len(absent) <= int((self.held < 0).sum()):
                self._decode(number, absent)
            if progress:
                progress(number + 1, len(self.episodes))
        self.flush()

    @property
    def complete(self) -> bool:
        """Whether every frame is there, so that nothing will be decoded any more."""
        return bool((self.slot >= 0).all())

    def flush(self) -> None:
        """Put pictures and table on the disk, for the next process."""
        if isinstance(self.memory, np.memmap):
            self.memory.flush()
        write_whole(self.path.with_suffix(".json"), json.dumps(self.held.tolist()).encode())

    def __enter__(self) -> ClipCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flush()

    def __getstate__(self) -> dict[str, Any]:
        """For `DataLoader` workers, which share the file; only once it is complete, so that none of them writes."""
        if not self.complete:
            raise DataError("the cache is not complete", where=self.path, expected="all frames decoded",
                            got=f"{self.capacity} pages",
                            fix="call fill() with a budget that holds the dataset, or use no workers")
        return vars(self) | {"memory": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.memory = np.memmap(self.path, np.uint8, "r", shape=(self.capacity * PAGE, *self.shape[1:]))


def _pages(table: Path) -> Int64[ndarray, "N"]:
    """Which page lies in each slot; nothing where the table is damaged: then all is decoded again."""
    try:
        said = load_json(table)
    except DataError:
        return np.zeros(0, np.int64)
    good = isinstance(said, list) and all(type(one) is int and abs(one) <= NUMBER for one in said)
    return np.array(said if good else [], np.int64)


class ClipDataset(torch.utils.data.Dataset[Tensor]):
    """The clips as a torch dataset: `DataLoader(ClipDataset(cache, 8), batch_size=32, collate_fn=lambda batch: batch)` asks
    for a whole batch at once (`__getitems__`)."""

    def __init__(self, cache: ClipCache, length: int):
        self.cache, self.frames, self.starts = cache, length, cache.starts(length)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> UInt8[Tensor, "L C h w 3"]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> UInt8[Tensor, "B L C h w 3"]:
        return torch.from_numpy(self.cache.clips(self.starts[np.array(indices, np.int64)], self.frames))
