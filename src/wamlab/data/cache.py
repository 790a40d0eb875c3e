"""All frames of a camera of a training set in one memory-mapped file, so that clips are read at memory speed; and likewise
whatever else was measured.

Built once beside the first dataset and rebuilt when an episode file comes, goes or changes. Measured on one core at
96 px: a memory map gives 55,000 eight-frame clips a second, video decoding a few hundred.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy import ndarray

from ..errors import DataError
from .atomic import DENIED, FULL, make_folder, replacing, sweep
from .store import EpisodeStore

VERSION = 1
Progress = Callable[[int, int], None]


def open_frames(stores: Sequence[EpisodeStore], camera: str, shape: tuple[int, int, int, int],
                progress: Progress | None = None) -> UInt8[ndarray, "N h w 3"]:
    """All frames of one camera, store after store, episode after episode in the order of `indices`; read-only.

    Where the dataset's folder cannot be written, or has no room, the frames are held in memory instead, with a warning.

    Args:
        shape: the (N, h, w, 3) to expect.

    Raises:
        DataError: if an episode is damaged or lacks the camera.
    """

    def read(store: EpisodeStore, index: int) -> ndarray:
        frames = store[index].frames
        if camera not in frames:
            raise DataError(f"episode {index} has no camera {camera!r}", where=store.path, expected=camera,
                            got=", ".join(frames))
        return frames[camera]

    return open_rows(stores, camera, shape, np.dtype(np.uint8), read, progress)


def open_rows(stores: Sequence[EpisodeStore], what: str, shape: tuple[int, ...], kind: np.dtype[Any],
              read: Callable[[EpisodeStore, int], ndarray], progress: Progress | None = None) -> Shaped[ndarray, "N ..."]:
    """Rows of all episodes in one array, as `open_frames`.

    Args:
        what: which rows; a name of its own for everything that is kept.
        shape: the (N, ...) to expect.
        read: an episode's rows.
    """
    folder = stores[0].path / "cache"
    name, stem = cache_name(stores, what)
    file = folder / name
    if (cached := _open(file, shape, kind)) is not None:
        return cached
    try:
        make_folder(folder)
        sweep(folder)
        with replacing(file) as out:
            header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(out, header)
            _each(stores, read, shape, kind, lambda start, rows: out.write(rows.data), progress)
    except DataError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in DENIED | FULL:
            raise
        warnings.warn(f"no frame cache beside {stores[0].path} ({cause.strerror}): holding "
                      f"{np.prod(shape) * kind.itemsize / 1e6:.0f} MB of frames in memory", stacklevel=2)
        held = np.empty(shape, kind)

        def keep(start: int, rows: ndarray) -> None:
            held[start:start + len(rows)] = rows

        _each(stores, read, shape, kind, keep, progress)
        held.flags.writeable = False
        return held
    for old in folder.glob(f"{stem}-*.npy"):
        if old != file:
            with suppress(OSError):
                old.unlink()
    built = _open(file, shape, kind)
    if built is None:
        raise DataError("the frame cache cannot be read back", where=file, fix="move the cache folder away: it is made anew")
    return built


def cache_name(stores: Sequence[EpisodeStore], what: str) -> tuple[str, str]:
    """(file name, its first part): who is cached and, after it, a hash of every episode file's name, size and time."""
    who = [str(store.path.resolve()) for store in stores]
    files = [file for store in stores for file in store.files()]
    files_are = [(file.name, (info := file.stat()).st_size, info.st_mtime_ns) for file in files]
    stem = f"frames-{_digest([VERSION, what, who])}"
    return f"{stem}-{_digest(files_are)}.npy", stem


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=6).hexdigest()


def _open(file: Path, shape: tuple[int, ...], kind: np.dtype[Any]) -> Shaped[ndarray, "N ..."] | None:
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):  # absent, cut short or no array: build it (again)
        return None
    return found if found.shape == shape and found.dtype == kind else None


def _each(stores: Sequence[EpisodeStore], read: Callable[[EpisodeStore, int], ndarray], shape: tuple[int, ...],
          kind: np.dtype[Any], take: Callable[[int, ndarray], object], progress: Progress | None) -> None:
    """Hand every episode's rows to `take` with their position."""
    jobs = [(store, index) for store in stores for index in store.indices()]
    start = 0
    for done, (store, index) in enumerate(jobs):
        rows = np.ascontiguousarray(read(store, index), kind)
        take(start, rows)
        start += len(rows)
        if progress:
            progress(done + 1, len(jobs))
    if start != shape[0]:
        raise DataError("the dataset changed while its frames were read", where=stores[0].path, expected=f"{shape[0]} frames",
                        got=start, fix="wait until nothing writes to it, then try again")
