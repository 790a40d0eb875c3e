"""One episode of a LeRobot dataset as an Episode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...errors import DataError
from ...fields import LARGEST
from ...spec import TaskSpec
from ...types import Episode
from ..instructions import Instructions, changes
from ..store import code_version
from . import depth
from .chosen import OUTCOMES, Chosen
from .features import NUMBERS, Info
from .lerobot import LeRobot
from .noticed import Noticed
from .outcome import last_row, success_of
from .sidecar import Sidecar

CAMERA, MODALITY = "observation.images.", "modality."


def columns_of(info: Info, chosen: Chosen, own: bool) -> list[str]:
    """The columns of numbers and texts that an import reads."""
    extras = [name for name in info.columns if name.startswith(("truth.", MODALITY))] if own else []
    outcomes = OUTCOMES[:1] if own else OUTCOMES
    wanted = [chosen.action, chosen.state, chosen.instruction, "task_index", *outcomes, "wam.imitate"]
    return [*(name for name in wanted if name in info.columns), *extras]


def numbers_of(dataset: LeRobot, index: int, columns: Mapping[str, ndarray],
               chosen: Chosen) -> tuple[Float32[ndarray, "N P"], Float32[ndarray, "N A"]]:
    """State and action of every row. Raises DataError for an episode too short to hold a step, or for impossible numbers."""
    row = dataset.row(index)
    if row.length < 2:
        raise DataError("the episode has fewer than two frames", where=f"{row.source}, field length", expected="2 or more",
                        got=row.length)
    found = []
    for name, said in ((chosen.state, "state"), (chosen.action, "action")):
        values = columns[name].reshape(row.length, -1) if name else np.zeros((row.length, 0), np.float32)
        with np.errstate(over="ignore"):
            made = values.astype(np.float32)
        possible = np.abs(made.astype(np.float64)) <= LARGEST  # also False for NaN
        if not possible.all():
            bad = int(np.argwhere(~possible)[0, 0])
            what = "not finite" if not np.isfinite(values[bad]).all() else "impossibly large"
            raise DataError(f"{said} is {what} at step {bad}", where=f"{dataset.root / row.data}, field {name}",
                            expected=f"finite numbers up to {LARGEST:g}", got=values[bad],
                            fix="repair its source, or leave such episodes out with --skip-bad")
        found.append(made)
    return found[0], found[1]


def instructions_of(dataset: LeRobot, index: int, columns: Mapping[str, ndarray], chosen: Chosen) -> Instructions:
    """What is to be done, from each row on at which it changes. Raises DataError."""
    if chosen.text:
        return ((0, chosen.text),)
    if chosen.instruction is None:
        return dataset.instructions(index, columns["task_index"])
    column = columns[chosen.instruction].reshape(-1)
    if dataset.info.features[chosen.instruction].dtype in NUMBERS:
        return changes(dataset.instruction(index, int(number)) for number in column)
    return changes(map(str, column))


def read_episode(dataset: LeRobot, index: int, spec: TaskSpec, sidecar: Sidecar | None, chosen: Chosen,
                 noticed: Noticed | None = None) -> Episode:
    """One episode as the store wants it; its columns are shown to `noticed`. Raises DataError."""
    info, row = dataset.info, dataset.row(index)
    columns = dataset.columns(index, columns_of(info, chosen, sidecar is not None))
    state, action = numbers_of(dataset, index, columns, chosen)
    if noticed:
        noticed.episode(index, columns)
    said = dict(sidecar.episodes.get(index, {})) if sidecar else {}
    success = success_of(columns, row.length, bool(said.get("solved_at_start", False)), str(dataset.root / row.data))
    imitate = columns["wam.imitate"].reshape(-1)[:-1] > 0 if "wam.imitate" in columns else None
    frames = {camera_name(name, info.features[name].depth): dataset.frames(index, name, spec.image_size)
              for name in info.cameras}
    kept = said.get("meta")
    meta = {"source": "lerobot", "dataset": dataset.root.resolve().name, "episode": index, "wamlab": code_version()}
    meta |= dict(kept) if isinstance(kept, dict) else {}
    meta["last_action"] = [float(value) for value in action[-1]]
    if sidecar is None and (end := last_row(columns)):
        meta["last_row"] = end
    if success is None:
        meta["success"] = "unknown"
    (_, instruction), *later = instructions_of(dataset, index, columns, chosen)
    return Episode(spec.task, instruction, frames, state, action[:-1].copy(),
                   np.zeros(row.length, bool) if success is None else success, later=tuple(later),
                   truth={name.removeprefix("truth."): columns[name].astype(np.float64) for name in columns
                          if name.startswith("truth.")}, imitate=imitate, meta=meta,
                   modalities={name.removeprefix(MODALITY): _shaped(columns[name], meta, name.removeprefix(MODALITY))
                               for name in columns if name.startswith(MODALITY)})


def _shaped(rows: ndarray, meta: dict[str, Any], name: str) -> ndarray:
    """A modality in the shape that the episode's provenance says. Raises DataError."""
    said = meta.get("modalities")
    shape = said[name].get("shape") if isinstance(said, dict) and isinstance(said.get(name), dict) else None
    if not isinstance(shape, list) or not all(isinstance(side, int) and side > 0 for side in shape) or \
            int(np.prod(shape)) != rows[0].size:
        raise DataError("a modality has no shape", where=f"meta/wamlab.json, field episodes.meta.modalities.{name}.shape",
                        expected=f"sides of {rows[0].size} numbers", got=shape, fix="export the dataset again")
    return rows.reshape(len(rows), *shape)


def camera_name(feature: str, is_depth: bool = False) -> str:
    """The name of a camera in an Episode."""
    name = feature.removeprefix(CAMERA)
    return name + depth.SUFFIX if is_depth and not name.endswith(depth.SUFFIX) else name
