"""All checks of one dataset, of either kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...errors import WamError
from ..formats.lerobot import LeRobot
from ..formats.sidecar import read_sidecar
from ..formats.strays import stray_files
from ..kinds import is_store
from ..store import EpisodeStore
from .across import check_channels, check_copied_pictures, check_copies, check_outcomes, moving, speeds
from .appearance import Look, check_traits, check_views, look, shrink
from .content import BLACK, check_pictures, check_times, check_values, energy
from .finding import SEVERITIES, Finding, from_error
from .pairing import check_pairing
from .relations import Numbers, check_actions
from .source import LeRobotSource, Record, Source, StoreSource
from .structure import check_rows, check_sidecar, check_totals
from .sums import check_sums
from .videos import check_videos

Progress = Callable[[int, int], None]


@np.errstate(invalid="ignore", over="ignore")  # numbers that are not finite are findings, and no news to the console
def check_dataset(path: str | Path, progress: Progress | None = None) -> list[Finding]:
    """Everything that is wrong with the dataset at `path`, an episode store or a LeRobot dataset; errors first, then
    warnings, then notes.

    A dataset that cannot be opened is one finding. Nothing is changed on disk.

    Raises:
        DataError: if there is no dataset of either kind.
    """
    root = Path(path)
    found: list[Finding] = []
    if is_store(root):
        try:
            source: Source = StoreSource(EpisodeStore.open(root))
        except WamError as error:
            return [from_error("unreadable", error)]
    else:
        found += check_sums(root)
        try:
            dataset = LeRobot.open(root)
            sidecar = read_sidecar(root)
        except WamError as error:
            return [*found, from_error("unreadable", error)]
        found += check_totals(dataset) + check_rows(dataset) + check_videos(dataset) + check_sidecar(dataset, sidecar)
        found += stray_files(dataset)
        source = LeRobotSource(dataset, sidecar)
    found += check_content(source, progress)
    if not source.count:
        found.append(Finding("episodes", "error", str(root), "", None, "the dataset holds no episodes", "one or more", "none",
                             "collect or import some, or restore those that are missing from a copy"))
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda finding: SEVERITIES.index(finding.severity))


def check_content(source: Source, progress: Progress | None = None) -> list[Finding]:
    """The checks that look at numbers and pictures, on any source. Pictures are read once, one episode at a time."""
    found: list[Finding] = []
    kept: list[Numbers] = []
    looks: list[dict[str, Look]] = []
    energies: list[dict[str, np.ndarray]] = []
    black: list[tuple[Record, dict[str, np.ndarray]]] = []
    for number, record in enumerate(source.records(found)):
        found += check_values(record, source) + check_times(record, source)
        looks.append({camera: look(frames) for camera, frames in record.frames.items()})
        energies.append({camera: energy(frames) for camera, frames in record.frames.items()})
        thumbs = {camera: shrink(frames, 8).reshape(len(frames), -1) for camera, frames in record.frames.items()}
        bright = {camera: frames.reshape(len(frames), -1).mean(1) for camera,
                  frames in record.frames.items() if frames.dtype == np.uint8}
        light = Record(record.index, record.file, record.state, record.action, record.success, {}, record.instructions,
                       record.files,
                       meta=record.meta)
        kept.append(Numbers(light, thumbs))
        black.append((light, bright))
        if progress:
            progress(number + 1, source.count)
    if not kept:
        return found
    records = [e.record for e in kept]
    usual_speed = speeds(records)
    moves = [moving(record, usual_speed) for record in records]
    usual = {camera: float(np.median(np.concatenate([e[camera][m] for e, m in zip(energies, moves, strict=True)])))
             for camera in looks[0] if any(m.any() for m in moves)}
    dark = {camera for camera in black[0][1] if np.median(np.concatenate([bright[camera] for _, bright in black])) < BLACK + 2}
    for (record, bright), own, move in zip(black, energies, moves, strict=True):
        found += check_pictures(record, bright, move, usual, own, dark)
    found += check_channels(records, source) + check_copies(records, source) + check_outcomes(records, source)
    found += check_copied_pictures(records, [e.thumbs for e in kept]) + check_views(records, looks)
    found += check_traits(records, looks, source)
    return found + check_actions(kept, source) + check_pairing(kept, source)
