"""Episodes of either kind of dataset in one shape, one at a time, for the checks of content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from ...errors import DataError, WamError
from ...spec import ActionKind
from ..formats.chosen import Chosen
from ..formats.convert import choose_columns, refused
from ..formats.episodes import numbers_of
from ..formats.lerobot import LeRobot
from ..formats.noticed import Noticed
from ..formats.outcome import success_of
from ..formats.semantics import guess_kind
from ..formats.sidecar import Sidecar
from ..formats.survey import Numbers, channel_labels
from ..instructions import Instructions
from ..store import EpisodeStore
from .finding import Finding, from_error
from .stated import Stated


@dataclass(frozen=True, eq=False)
class Record:
    """One episode with T actions and T + 1 observations."""

    index: int
    file: str
    """where its numbers lie"""
    state: Float64[ndarray, "T1 P"]
    action: Float64[ndarray, "T A"]
    success: Bool[ndarray, "T1"] | None
    """None: the dataset does not say"""
    frames: Mapping[str, ndarray]
    """per camera uint8 [T+1, h, w, 3], or uint16 [T+1, h, w] for depth"""
    instructions: Instructions
    files: Mapping[str, str]
    """per camera: where its pictures lie"""
    captured: Mapping[str, ndarray] = field(default_factory=dict)
    """per camera: nanoseconds at which each picture was taken, where the dataset says"""
    flags: Mapping[str, ndarray] = field(default_factory=dict)
    """per camera: what the recorder noticed, per frame; 0 is fine"""
    meta: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Source(Protocol):
    """A dataset as the checks of content read it."""

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    state_field: str
    fps: float
    kind: ActionKind | None
    """what the dataset says its actions are, if it says so"""
    limits: tuple[tuple[float, ...], tuple[float, ...]] | None
    """smallest and largest legal action, if the dataset says so"""
    renderer: str | None
    count: int
    """episodes, also those that cannot be read"""

    def records(self, found: list[Finding]) -> Iterator[Record]:
        """Episodes that can be read; those that cannot become findings."""


class StoreSource:
    """An episode store."""

    def __init__(self, store: EpisodeStore):
        spec = store.task_spec
        self.store, self.fps, self.count = store, spec.control_hz, len(store)
        self.renderer: str | None = store.renderer
        self.state_names, self.action_names, self.state_field = spec.state, spec.action.names, "state"
        self.kind: ActionKind | None = spec.action.kind
        self.limits: tuple[tuple[float, ...], tuple[float, ...]] | None = (spec.action.low, spec.action.high)
        if store.provenance.get("video"):  # zeros in place of numbers: nothing to check
            self.state_names = self.action_names = ()
            self.limits = None

    def records(self, found: list[Finding]) -> Iterator[Record]:
        for index, file in zip(self.store.indices(), self.store.files(), strict=True):
            try:
                episode = self.store[index]
            except WamError as error:
                found.append(from_error("unreadable", error, index))
                continue
            name, states, actions = str(file), len(self.state_names), len(self.action_names)
            yield Record(index, name, episode.state[:, :states].astype(np.float64),
                         episode.action[:, :actions].astype(np.float64),
                         episode.success if episode.outcome_known else None,
                         episode.frames, episode.instructions, dict.fromkeys(episode.frames, name), meta=episode.meta)


class LeRobotSource:
    """A LeRobot dataset, with its sidecar where it has one."""

    def __init__(self, dataset: LeRobot, sidecar: Sidecar | None):
        info = dataset.info
        self.dataset, self.sidecar, self.fps, self.stated = dataset, sidecar, float(info.fps), Stated(dataset)
        self.refusal: WamError | None = None
        """why an import would not know what to read"""
        try:
            self.chosen = choose_columns(dataset, sidecar)
        except WamError as error:
            self.refusal, self.chosen = error, Chosen("", None)
        self.noticed = Noticed(dataset, self.chosen, sidecar is not None)
        self.numbers: list[Numbers] = []
        """states and actions of the episodes that an import takes"""
        self.state_field, self.count = self.chosen.state or "observation.state", len(dataset)
        self.renderer = sidecar.renderer if sidecar else None
        state, action = (info.features.get(name or "") for name in (self.chosen.state, self.chosen.action))
        self.state_names = channel_labels(state, "state") if state else ()
        self.action_names = channel_labels(action, "action") if action else ()
        spec = sidecar.task_spec if sidecar else None
        self.kind: ActionKind | None = spec.action.kind if spec else None
        self.limits: tuple[tuple[float, ...], tuple[float, ...]] | None = (spec.action.low, spec.action.high) if spec else None

    def records(self, found: list[Finding]) -> Iterator[Record]:
        if self.refusal:
            found.append(from_error("import", self.refusal))
        self.numbers.clear()
        for index in self.dataset.indices():
            try:
                record = self.record(index, found)
            except WamError as error:
                found.append(from_error("unreadable", error, index))
                self.stated.whole = False
                continue
            yield record
        found += self.stated.findings()
        if self.sidecar is None and self.numbers:
            self.noticed.meaning = guess_kind(self.numbers)
        found += self.noticed.findings() if not self.refusal else []

    def record(self, index: int, found: list[Finding]) -> Record:
        """An episode, and in `found` why an import would leave it out. Raises DataError."""
        dataset, info = self.dataset, self.dataset.info
        row = dataset.row(index)
        extra = [name for name in info.columns if name.startswith(("capture_time_ns.", "camera_flags."))]
        columns = dataset.columns(index)
        frames = {name: dataset.frames(index, name) for name in info.cameras}
        self.stated.add(index, columns, frames)
        blank = np.zeros((row.length, 0))
        state, action = (columns.get(name or "", blank).reshape(row.length, -1).astype(np.float64)
                         for name in (self.chosen.state, self.chosen.action))
        said = dict(self.sidecar.episodes.get(index, {})) if self.sidecar else {}
        success = success_of(columns, row.length, bool(said.get("solved_at_start", False)), str(dataset.root / row.data))
        if not self.refusal:
            self.noticed.episode(index, columns)
            try:
                self.numbers.append(numbers_of(dataset, index, columns, self.chosen))
            except DataError as error:
                found.append(from_error("import", refused(index, error), index))
        meta = said.get("meta")
        return Record(
            index, str(dataset.root / row.data), state, action[:-1], success,
            frames, dataset.instructions(index, columns["task_index"]),
            {name: str(dataset.root / (row.videos[name].path if name in row.videos else row.data)) for name in info.cameras},
            {name.removeprefix("capture_time_ns."): columns[name].reshape(-1) for name in extra if name.startswith("capture")},
            {name.removeprefix("camera_flags."): columns[name].reshape(-1) for name in extra
             if name.startswith("camera_flags")},
            meta if isinstance(meta, dict) else {})
