"""Whether the parts of a LeRobot dataset agree with each other: counts, indices, times and names."""

from __future__ import annotations

import numpy as np

from ...errors import WamError
from ..formats.convert import choose_columns
from ..formats.features import NUMBERS
from ..formats.lerobot import LeRobot
from ..formats.sidecar import FILE, SUMS, Sidecar
from ..formats.survey import fit_spec
from .finding import Finding, from_error, listing

TOLERANCE = 1e-4
"""seconds by which a stated time may differ from frame number / rate; the official reader's own limit"""


def check_totals(dataset: LeRobot) -> list[Finding]:
    """Counts, the order of the episodes, and tasks."""
    info, root, found = dataset.info, dataset.root, list[Finding]()
    file = str(root / "meta/info.json")

    def add(check: str, where: str, field: str, episode: int | None, problem: str, expected: object, got: object,
            fix: str = "") -> None:
        found.append(Finding(check, "error", where, field, episode, problem, str(expected), str(got),
                             fix or "write the dataset again with its tool"))

    rows = dataset.rows
    counts = {"total_episodes": (info.episodes, len(rows)), "total_frames": (info.frames, sum(row.length for row in rows)),
              "total_tasks": (info.tasks, len(dataset.tasks))}
    for name, (said, counted) in counts.items():
        if said != counted:
            fix = f"set {name} to {counted}" if counted > said else "look for what is missing before anything is changed: a " \
                "table in meta/, a data file; copy the dataset again"
            add("totals", file, name, None, "the total is not what is there", counted, said, fix)
    for name, span in info.splits.items():
        first, _, last = span.partition(":")
        if not (first.isdigit() and last.isdigit() and int(first) <= int(last) <= len(rows)):
            add("splits", file, f"splits.{name}", None, "the split names episodes that are not there", f"at most 0:{len(rows)}",
                span)
    position = 0
    for number, row in enumerate(rows):
        where = row.source
        if row.index != number:
            add("order", where, "episode_index", row.index,
                "episodes must stand in order without gaps: readers look them up by position",
                number, row.index, "look for the episodes that are missing, and number them again only if none are")
        if info.version == "v3.0" and (row.first, row.last) != (position, position + row.length):
            add("lengths", where, "dataset_from_index", row.index,
                "the episode's place in the dataset does not follow from the lengths",
                f"{position} to {position + row.length}", f"{row.first} to {row.last}")
        if set(row.tasks) - set(dataset.tasks.values()) or not row.tasks:
            add("tasks", where, "tasks", row.index, "the episode's task is not in the table of tasks",
                listing(dataset.tasks.values()),
                listing(row.tasks))
        position += row.length
    for number, text in dataset.tasks.items():
        if not text.strip():
            add("tasks", str(root / "meta/tasks.parquet"), "task", None, f"task {number} has no text", "an instruction",
                repr(text),
                "say in words what is to be done")
    if sorted(dataset.tasks) != list(range(len(dataset.tasks))) or len(set(dataset.tasks.values())) != len(dataset.tasks):
        add("tasks", str(root / "meta/tasks.parquet"), "task_index", None,
            "tasks are not numbered from 0 without gaps and repeats",
            f"0 to {len(dataset.tasks) - 1}", listing(sorted(dataset.tasks)))
    return found


def check_rows(dataset: LeRobot) -> list[Finding]:
    """Per episode: frame numbers, times, global index and task of every row."""
    found, position = list[Finding](), 0
    names = ["timestamp", "frame_index", "index", "task_index", "episode_index"]
    for row in dataset.rows:
        try:
            columns = {name: value.reshape(-1) for name, value in dataset.columns(row.index, names).items()}
        except WamError as error:
            found.append(from_error("unreadable", error, row.index))
            position += row.length
            continue
        t = np.arange(row.length)
        wanted = {"frame_index": t, "index": position + t}
        file = str(dataset.root / dataset.parts.elsewhere.get(row.index, row.data))
        for name, values in wanted.items():
            if (columns[name] != values).any():
                bad = int((columns[name] != values).argmax())
                found.append(Finding("indices", "error", file, name, row.index, f"row {bad} has the wrong number",
                                     str(values[bad]),
                                     str(columns[name][bad]), "write the dataset again with its tool"))
        error = np.abs(columns["timestamp"].astype(np.float64) - t / dataset.info.fps)
        if not np.isfinite(error).all() or error.max() > TOLERANCE:
            bad = int(np.flatnonzero(~(error <= TOLERANCE))[0])
            found.append(Finding("timestamps", "error", file, "timestamp", row.index,
                                 f"time drifts from frame number / rate at row {bad}",
                                 f"{bad / dataset.info.fps:.4f} s", f"{columns['timestamp'][bad]:.4f} s",
                                 "rows must be equally spaced: resample the episode to the dataset's rate"))
        texts = {dataset.tasks.get(int(number)) for number in np.unique(columns["task_index"])}
        if not texts <= set(row.tasks):
            found.append(Finding("tasks", "error", file, "task_index", row.index, "rows are of another task than the episode",
                                 listing(row.tasks), listing(map(str, texts)), "write the dataset again with its tool"))
        position += row.length
    return found


def check_sidecar(dataset: LeRobot, sidecar: Sidecar | None) -> list[Finding]:
    """Names and widths of the columns against the spec written with them."""
    if sidecar is None:
        return []
    spec, info, file = sidecar.task_spec, dataset.info, str(dataset.root / FILE)
    try:
        fit_spec(spec, info, choose_columns(dataset, sidecar))
    except WamError as error:
        return [from_error("spec", error)]
    found = []
    for name, wanted in (("observation.state", spec.state), ("action", spec.action.names)):
        feature = info.features.get(name)
        if feature is not None and feature.dtype in NUMBERS and feature.names != wanted:
            found.append(Finding("spec", "error", str(dataset.root / "meta/info.json"), f"features.{name}.names", None,
                                 "the channels' names differ from the spec's", listing(wanted), listing(feature.names),
                                 f"mend the names, or {FILE}"))
    if abs(spec.control_hz - info.fps) > 1e-6:
        found.append(Finding("spec", "error", str(dataset.root / "meta/info.json"), "fps", None,
                             "the rate differs from the spec's",
                             str(spec.control_hz), str(info.fps), f"mend the rate, or {FILE}"))
    missing = [row.index for row in dataset.rows if row.index not in sidecar.episodes]
    if missing:
        found.append(Finding("spec", "warning", file, "episodes", missing[0], "episodes have no provenance",
                             "an entry per episode",
                             listing(missing), "write the dataset again"))
    if not (dataset.root / SUMS).exists() and sidecar.provenance.get("source") != "recorder":  # a recording grows
        found.append(Finding("checksum", "warning", str(dataset.root / SUMS), "", None,
                             "the checksums written with the dataset are gone",
                             "a file", "nothing", "copy the dataset again"))
    return found
