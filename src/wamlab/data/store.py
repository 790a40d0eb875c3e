"""Episodes on disk: a folder with `dataset.json` and one safetensors file per episode.

    DIR/dataset.json                   format, version, TaskSpec, renderer fingerprint, provenance
    DIR/episodes/00000012.safetensors  the arrays of episode 12; its header carries the rest as JSON, with a
                                       checksum per array

Every file is written beside its place, flushed and renamed, so that a reader sees whole episodes only and a killed
writer loses at most the episode it was writing. File names are made from numbers; no path is ever read from a file.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from numpy import ndarray
from safetensors.numpy import save

from .. import spec as specs
from ..errors import DataError, SpecError
from ..reading import load_json, shown, table
from ..reading_tensors import load_arrays, tensor_header, text_table
from ..spec import TaskSpec
from ..types import Episode
from .atomic import make_folder, sweep, write_whole
from .record import check_episode, pack, unpack
from .sealed import checksum

FORMAT = "wamlab-dataset"
VERSION = 1
HEAVY = ("frames/", "imagined/", "modalities/")
"""arrays that training on frames from the cache does not need"""


def store_name(task: str) -> str:
    """A task's name as a folder's."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in task)


class EpisodeStore:
    """An append-only set of episodes of one task; several processes may `put` different indices at once."""

    def __init__(self, path: Path, task_spec: TaskSpec, renderer: str, provenance: Mapping[str, Any]):
        self.path, self.task_spec, self.renderer, self.provenance = path, task_spec, renderer, provenance

    @classmethod
    def create(cls, path: str | Path, task_spec: TaskSpec, renderer: str,
               provenance: Mapping[str, Any] | None = None) -> EpisodeStore:
        """A new, empty dataset.

        Args:
            renderer: fingerprint of the renderer that made the frames.
            provenance: JSON values that say how the data came about; kept in `dataset.json`.

        Raises:
            DataError: if there is a dataset already or anything else, the folder cannot be written or the disk is full.
        """
        path = Path(path)
        if (path / "dataset.json").exists() or any((path / "episodes").glob("*.safetensors")):
            raise DataError("there is a dataset here already", where=path, expected="a new or empty folder",
                            got="episodes or a dataset.json", fix="choose another folder, or open the existing dataset")
        others = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith(".")) if path.is_dir() else []
        if set(others) - {"episodes", "cache", "labeller"}:  # what a store of labels learned with lies beside it
            raise DataError("there is something else here", where=path, expected="a new or empty folder",
                            got=shown(", ".join(others[:6])), fix="choose another folder")
        make_folder(path / "episodes")
        kept = dict(provenance or {})
        description = {
            "format": FORMAT, "version": VERSION, "task_spec": specs.to_json(task_spec), "renderer": renderer,
            "created": {"at": datetime.now(UTC).isoformat(timespec="seconds"), "wamlab": code_version()}, "provenance": kept,
        }
        write_whole(path / "dataset.json", json.dumps(description, indent=1).encode())
        return cls(path, task_spec, renderer, kept)

    @classmethod
    def open(cls, path: str | Path) -> EpisodeStore:
        """An existing dataset; clears away what dead writers left behind.

        Raises:
            DataError: if it is missing, damaged or of another version.
        """
        path = Path(path)
        file = path / "dataset.json"
        if not file.exists():
            raise DataError("there is no dataset here", where=path, expected="a folder with dataset.json",
                            got="no such folder" if not path.is_dir() else "a folder without dataset.json",
                            fix="check the path, or make one: wam collect TASK --out DIR")
        description = load_json(file)
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            raise DataError("this is no wamlab dataset", where=f"{file}, field format", expected=FORMAT,
                            got=description.get("format") if isinstance(description, dict) else type(description).__name__)
        if description.get("version") != VERSION:
            raise DataError("the dataset is of another version", where=f"{file}, field version", expected=VERSION,
                            got=description.get("version"), fix="open it with the wamlab that wrote it, or collect it again")
        renderer, provenance = description.get("renderer"), description.get("provenance")
        if not isinstance(renderer, str) or not isinstance(provenance, dict):
            raise DataError("dataset.json is damaged", where=f"{file}, fields renderer and provenance",
                            expected="a string and a table", got=f"{renderer!r}, {type(provenance).__name__}")
        try:
            task_spec = specs.from_json(description.get("task_spec"))
        except SpecError as error:
            raise DataError(f"dataset.json is damaged: {error.problem}", where=f"{file}, {error.where}",
                            expected=error.expected, got=error.got) from error
        sweep(path)
        sweep(path / "episodes")
        return cls(path, task_spec, renderer, provenance)

    @classmethod
    def open_or_create(cls, path: str | Path, task_spec: TaskSpec, renderer: str,
                       provenance: Mapping[str, Any] | None = None) -> EpisodeStore:
        """Go on with a dataset made under the same conditions, or start one.

        Raises:
            DataError: if the existing one has another spec, renderer or provenance.
        """
        if not (Path(path) / "dataset.json").exists():
            return cls.create(path, task_spec, renderer, provenance)
        store = cls.open(path)
        wanted = json.loads(json.dumps(dict(provenance or {})))
        for field, made, now in (("task_spec", store.task_spec, task_spec), ("renderer", store.renderer, renderer),
                                 ("provenance", store.provenance, wanted)):
            if made != now:
                raise DataError(f"the dataset here was made with another {field}", where=path, expected=now, got=made,
                                fix="choose another output folder")
        return store

    def _file(self, index: int) -> Path:
        if index < 0:
            raise DataError("episode indices count from 0", where=self.path, expected=">= 0", got=index)
        return self.path / "episodes" / f"{index:08d}.safetensors"

    def indices(self) -> list[int]:
        """Indices of the episodes that are there, ascending."""
        names = (file.stem for file in (self.path / "episodes").glob("*.safetensors"))
        return sorted(int(name) for name in names if len(name) == 8 and name.isascii() and name.isdigit())

    def files(self) -> list[Path]:
        """The episode files, in the order of `indices`."""
        return [self._file(index) for index in self.indices()]

    def has(self, index: int) -> bool:
        return self._file(index).exists()

    def __len__(self) -> int:
        return len(self.indices())

    def __iter__(self) -> Iterator[Episode]:
        return (self[index] for index in self.indices())

    def put(self, index: int, episode: Episode) -> None:
        """Add an episode under an index that is free.

        Raises:
            DataError: if the index is taken, the episode does not fit the dataset's spec or renderer, the folder
                cannot be written or the disk is full. Nothing is left behind then.
        """
        file = self._file(index)
        if file.exists():
            raise DataError(f"episode {index} is there already", where=file, expected="a free index",
                            fix="episodes are never overwritten: choose another index or folder")
        check_episode(episode, self.task_spec, file)
        made = episode.meta.get("renderer", self.renderer)
        if made != self.renderer:
            raise DataError("the episode was rendered differently from the dataset", where=file, expected=self.renderer,
                            got=made, fix="collect on the machine that made the dataset, or into a new folder")
        arrays, text = pack(episode)
        sums = {name: checksum(array) for name, array in arrays.items()}
        header = {"episode": text, "checksums": json.dumps(sums), "header_checksum": str(zlib.crc32(text.encode()))}
        write_whole(file, save(arrays, header))

    def append(self, episode: Episode) -> int:
        """`put` after the highest index there is (one appender at a time); returns the index."""
        index = max(self.indices(), default=-1) + 1
        self.put(index, episode)
        return index

    def __getitem__(self, index: int) -> Episode:
        """The episode of that index (not position). Raises DataError if it is missing or damaged."""
        return self.load(index)

    def load(self, index: int, frames: bool = True) -> Episode:
        """As `store[index]`; `frames=False` leaves all pictures and modalities out and reads only the rest."""
        file = self._file(index)
        arrays, said = read_arrays(file, lambda name: frames or not name.startswith(HEAVY))
        episode = unpack(arrays, said, file, with_imagined=frames)
        check_episode(episode, self.task_spec, file, need_frames=frames)
        return episode

    def shapes(self, index: int) -> dict[str, tuple[int, ...]]:
        """An episode's arrays, as its file's header names them, with their shapes."""
        return {name: entry.shape for name, entry in tensor_header(self._file(index)).entries.items()}

    def array(self, index: int, name: str) -> ndarray:
        """One array of an episode. Raises DataError if the episode is damaged or lacks it."""
        file = self._file(index)
        arrays = read_arrays(file, lambda found: found == name)[0]
        if name not in arrays:
            raise DataError(f"the episode lacks {name}", where=file, expected=name, got=", ".join(self.shapes(index)))
        return arrays[name]

    def meta(self, index: int) -> dict[str, Any]:
        """An episode's provenance alone, without reading its arrays."""
        file = self._file(index)
        return table(read_arrays(file, lambda name: False)[1].get("meta"), f"{file}, header, field meta")


def read_arrays(file: Path, wanted: Callable[[str], bool]) -> tuple[Mapping[str, ndarray], dict[str, Any]]:
    """The arrays whose name is `wanted`, verified, and what the header says of the episode. Raises DataError."""
    fix = "restore it from a copy; or move it away and run the command again that made the dataset"
    if not file.exists():
        raise DataError("there is no such episode", where=file, expected="an episode file", got="nothing")
    found = load_arrays(file, "the episode file", fix, wanted)
    try:
        sums = text_table(found.texts, "checksums", file)
        said = text_table(found.texts, "episode", file)
    except DataError as error:
        raise DataError(f"the episode file is damaged: {error.problem}", where=error.where, expected=error.expected,
                        got=error.got, fix=fix) from error
    text = found.texts["episode"]
    for name, array in found.arrays.items():
        if sums.get(name) != checksum(array):
            raise DataError(f"the episode file is damaged: {name} has changed", where=f"{file}, field {name}",
                            expected=f"checksum {sums.get(name)}", got=checksum(array), fix=fix)
    if found.texts.get("header_checksum") != str(zlib.crc32(text.encode())) or found.names != set(sums):
        raise DataError("the episode file is damaged: its header has changed", where=file, fix=fix)
    return found.arrays, said


@cache
def code_version() -> str:
    """The installed version of wamlab."""
    try:
        return version("wamlab")
    except PackageNotFoundError:
        return "not installed"
