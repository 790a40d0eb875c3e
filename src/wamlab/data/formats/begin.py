"""A store that is there once its first episode is: an import that fails before leaves nothing that refuses the next one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from ... import spec as specs
from ...errors import DataError
from ...reading import load_json
from ...spec import TaskSpec
from ...types import Episode
from ..atomic import alone_at, write_whole
from ..store import EpisodeStore

Options = ParamSpec("Options")
Done = TypeVar("Done")
Import = Callable[Concatenate[str | Path, str | Path, Options], Done]


def one_at_a_time(importer: Import[Options, Done]) -> Import[Options, Done]:
    """An import that refuses to write where another process imports at the same moment."""

    @wraps(importer)
    def alone(source: str | Path, target: str | Path, *rest: Options.args, **options: Options.kwargs) -> Done:
        with alone_at(Path(target)):
            return importer(source, target, *rest, **options)

    return alone


class Begun:
    """An episode store to import into.

    Raises:
        DataError: if one is there that was made under other conditions. One without episodes counts as
            none, if an import left it.
    """

    def __init__(self, target: str | Path, spec: TaskSpec, renderer: str, provenance: Mapping[str, Any]):
        self.target, self.spec, self.renderer, self.provenance = Path(target), spec, renderer, dict(provenance)
        self._store: EpisodeStore | None = None
        there = existing(self.target)
        if there is None:
            return
        if there.task_spec != spec and replace(there.task_spec, image_size=spec.image_size) == spec:
            raise DataError("the store here has pictures of another size", where=self.target,
                            expected=" x ".join(map(str, there.task_spec.image_size)),
                            got=" x ".join(map(str, spec.image_size)), fix="go on with its --size, or choose another --out")
        self._store = EpisodeStore.open_or_create(self.target, spec, renderer, provenance)

    def has(self, index: int) -> bool:
        return self._store is not None and self._store.has(index)

    def put(self, index: int, episode: Episode) -> None:
        """As `EpisodeStore.put`; the store is made first, where there is none."""
        if self._store is None:
            if (self.target / "dataset.json").exists() and existing(self.target) is None:
                (self.target / "dataset.json").unlink()  # of an import that was stopped before its first episode
            self._store = EpisodeStore.create(self.target, self.spec, self.renderer, self.provenance)
        self._store.put(index, episode)

    def restate(self, spec: TaskSpec, provenance: Mapping[str, Any]) -> None:
        """Say anew what the episodes have in common, now that it is known which of them there are."""
        if self._store is not None and (spec, dict(provenance)) != (self.spec, self.provenance):
            file = self.target / "dataset.json"
            said = load_json(file) | {"task_spec": specs.to_json(spec), "provenance": dict(provenance)}
            write_whole(file, json.dumps(said, indent=1).encode())
            self._store = EpisodeStore.open(self.target)

    def finished(self, why: str = "") -> EpisodeStore:
        """The store. Raises DataError if no episode got into it."""
        if self._store is None:
            raise DataError("no episode could be imported", where=self.target, expected="at least one", got=why or "none",
                            fix="wam data check DATASET says what is wrong with it")
        return self._store


def existing(target: Path) -> EpisodeStore | None:
    """The store at a place, unless it is one that an import left without episodes. Raises DataError if it is damaged."""
    if not (target / "dataset.json").exists():
        return None
    store = EpisodeStore.open(target)
    return None if not len(store) and store.provenance.get("source") in ("lerobot", "video") else store
