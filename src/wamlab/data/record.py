"""An Episode as named arrays and one JSON text, and the check that it fits a TaskSpec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import DataError
from ..spec import TaskSpec
from ..types import Episode, Imagined

DTYPES = {"state": np.float32, "action": np.float32, "success": np.bool_, "imitate": np.bool_}
OPTIONAL = {"has_action": np.bool_}
"""written only where not everything is True"""


def pack(episode: Episode) -> tuple[dict[str, ndarray], str]:
    """(arrays by name, JSON of all that is no array). Raises DataError if the provenance is not JSON."""
    assert episode.imitate is not None and episode.has_action is not None
    arrays: dict[str, ndarray] = {"state": episode.state, "action": episode.action, "success": episode.success,
                                  "imitate": episode.imitate}
    if not episode.has_action.all():
        arrays["has_action"] = episode.has_action
    arrays |= {f"frames/{name}": value for name, value in episode.frames.items()}
    arrays |= {f"truth/{name}": value for name, value in episode.truth.items()}
    arrays |= {f"modalities/{name}": value for name, value in episode.modalities.items()}
    for number, record in enumerate(episode.imagined):
        arrays[f"imagined/{number}/action"] = record.action
        if record.frames is not None:
            arrays[f"imagined/{number}/frames"] = record.frames
    imagined = [{"step": r.step, "offsets": list(r.offsets), "seconds": r.seconds} for r in episode.imagined]
    said: dict[str, Any] = {"task": episode.task, "instruction": episode.instruction, "imagined": imagined,
                            "meta": dict(episode.meta)}
    said |= {} if episode.has_state else {"has_state": False}
    said |= {"later": [[start, text] for start, text in episode.later]} if episode.later else {}
    try:
        text = json.dumps(said, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError("the episode's provenance is not JSON", where=f"{episode.task}, field meta",
                        expected="strings, finite numbers, lists and tables", got=error) from error
    return {name: np.ascontiguousarray(value) for name, value in arrays.items()}, text


def unpack(arrays: dict[str, ndarray], text: str, file: Path, with_imagined: bool = True) -> Episode:
    """The inverse of `pack`. Raises DataError naming the file and the field."""
    try:
        said = json.loads(text)
        task, instruction, meta = str(said["task"]), str(said["instruction"]), dict(said["meta"])
        has_state = bool(said.get("has_state", True))
        later = tuple((int(start), str(text)) for start, text in said.get("later", ()))
        imagined = tuple(
            Imagined(int(r["step"]), arrays[f"imagined/{number}/action"], tuple(map(int, r["offsets"])),
                     arrays.get(f"imagined/{number}/frames"), float(r["seconds"]))
            for number, r in enumerate(said["imagined"] if with_imagined else ()))
        fields = {name: arrays[name] for name in DTYPES} | {name: arrays[name] for name in OPTIONAL if name in arrays}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("the episode file lacks a field", where=file, expected="a whole episode", got=error) from error
    for name, value in fields.items():
        wanted = (DTYPES | OPTIONAL)[name]
        require(value.dtype == wanted, f"{name} has the wrong type", f"{file}, field {name}", wanted.__name__, value.dtype)
    try:
        return Episode(task, instruction, group(arrays, "frames/"), truth=group(arrays, "truth/"), imagined=imagined,
                       meta=meta, has_state=has_state, modalities=group(arrays, "modalities/"), later=later, **fields)
    except DataError as error:
        raise DataError(error.problem, where=f"{file}, {error.where}", expected=error.expected, got=error.got,
                        fix=error.fix) from error


def group(arrays: dict[str, ndarray], prefix: str) -> dict[str, Any]:
    """The arrays under a prefix, by the rest of their name."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def check_episode(episode: Episode, spec: TaskSpec, file: Path, need_frames: bool = True) -> None:
    """Refuse an episode whose numbers cannot be those of `spec`.

    Raises:
        DataError: naming the file and the field that differs.
    """
    require(episode.task == spec.task, "the episode is of another task", f"{file}, field task", spec.task, episode.task)
    steps = len(episode)
    shapes: dict[str, tuple[ndarray, tuple[int, ...]]] = {
        "state": (episode.state, (steps + 1, len(spec.state))), "action": (episode.action, (steps, spec.action.width))}
    entities = {entity.name: entity for entity in spec.entities}
    for name, value in episode.truth.items():
        require(name in entities, f"the episode reports an unknown entity {name!r}", f"{file}, field truth/{name}",
                ", ".join(entities), name)
        shapes[f"truth/{name}"] = (value, (steps + 1, len(entities[name].channels)))
    for name, value in episode.frames.items():
        require(name in spec.cameras, f"the episode has an unknown camera {name!r}", f"{file}, field frames/{name}",
                ", ".join(spec.cameras), name)
        shapes[f"frames/{name}"] = (value, (steps + 1, *spec.image_size, 3))
    for name, (value, wanted) in shapes.items():
        require(value.shape == wanted, f"{name} does not fit the dataset's spec", f"{file}, field {name}", wanted, value.shape)
    if need_frames:
        require(spec.cameras[0] in episode.frames, "the episode lacks the main camera", f"{file}, field frames",
                spec.cameras[0], ", ".join(episode.frames) or "no camera")


def require(holds: bool, problem: str, where: str, expected: object, got: object) -> None:
    """Raises DataError with these words unless `holds`."""
    if not holds:
        raise DataError(problem, where=where, expected=expected, got=got,
                        fix="keep one task per dataset, collected with one version of its spec")
