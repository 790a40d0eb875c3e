"""An Episode as named arrays and one JSON text, and the check that it fits a TaskSpec."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from .. import reading
from ..errors import DataError
from ..reading import parse_json, table, whole, words
from ..spec import TaskSpec
from ..types import Episode, Imagined

DTYPES = {"state": np.float32, "action": np.float32, "success": np.bool_, "imitate": np.bool_}
OPTIONAL = {"has_action": np.bool_}
"""written only where not everything is True"""
NDIM = {"state": 2, "action": 2, "success": 1, "imitate": 1, "has_action": 1, "frames": 4, "truth": 2}


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
        parse_json(text.encode(), "meta")  # what could not be read again is not written
    except (TypeError, ValueError, RecursionError, DataError) as error:
        raise DataError("the episode's provenance is not JSON", where=f"{episode.task}, field meta",
                        expected="strings, finite numbers, lists and tables", got=error) from error
    return {name: np.ascontiguousarray(value) for name, value in arrays.items()}, text


def unpack(arrays: Mapping[str, ndarray], said: Mapping[str, Any], file: Path, with_imagined: bool = True) -> Episode:
    """The inverse of `pack`. Raises DataError naming the file and the field."""
    try:
        told = _said(said, arrays, f"{file}, header, field", with_imagined)
    except DataError as error:
        raise DataError(f"the episode file lacks a field: {error.problem}", where=error.where, expected=error.expected,
                        got=error.got) from error
    for name in DTYPES:
        require(name in arrays, "the episode file lacks a field", f"{file}, field {name}", "a whole episode", "nothing")
    fields: dict[str, Any] = {name: arrays[name] for name in (*DTYPES, *OPTIONAL) if name in arrays}
    for name, value in arrays.items():
        kind = name.partition("/")[0]
        require(value.ndim == NDIM.get(kind, max(1, value.ndim)), f"{name} has the wrong number of dimensions",
                f"{file}, field {name}", NDIM.get(kind, "1 or more"), value.ndim)
    for name, value in fields.items():
        wanted = (DTYPES | OPTIONAL)[name]
        require(value.dtype == wanted, f"{name} has the wrong type", f"{file}, field {name}", wanted.__name__, value.dtype)
    try:
        return Episode(frames=group(arrays, "frames/"), truth=group(arrays, "truth/"), modalities=group(arrays, "modalities/"),
                       **told, **fields)
    except DataError as error:
        raise DataError(error.problem, where=f"{file}, {error.where}", expected=error.expected, got=error.got,
                        fix=error.fix) from error


def _said(said: Mapping[str, Any], arrays: Mapping[str, ndarray], where: str, with_imagined: bool) -> dict[str, Any]:
    """What a header says, as keyword arguments of `Episode`. Raises DataError."""
    has_state = said.get("has_state", True)
    require(isinstance(has_state, bool), "this is no truth value", f"{where} has_state", "true or false", has_state)
    told, pairs = (_list(said.get(name, default), f"{where} {name}") for name, default in (("imagined", None), ("later", [])))
    imagined = tuple(_imagined(record, place, arrays, f"{where} imagined/{place}")
                     for place, record in enumerate(told if with_imagined else ()))
    require(all(isinstance(pair, list) and len(pair) == 2 for pair in pairs), "these are no instructions", f"{where} later",
            "pairs of a step and a text", str(pairs)[:80])
    later = tuple((whole(start, f"{where} later"), words(text, f"{where} later")) for start, text in pairs)
    texts = {name: words(said.get(name), f"{where} {name}") for name in ("task", "instruction")}
    return texts | {"later": later, "meta": table(said.get("meta"), f"{where} meta"), "has_state": has_state,
                    "imagined": imagined}


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError("a list is expected here", where=where, expected="[...]", got=type(value).__name__)
    return value


def _imagined(said: Any, place: int, arrays: Mapping[str, ndarray], where: str) -> Imagined:
    """One prediction that was made on the way. Raises DataError."""
    said = table(said, where)
    offsets, action = said.get("offsets"), arrays.get(f"imagined/{place}/action")
    frames = arrays.get(f"imagined/{place}/frames")
    good = action is not None and action.dtype == np.float32 and action.ndim == 2 and isinstance(offsets, list)
    if good and frames is not None:
        good = frames.dtype == np.uint8 and frames.ndim == 4 and len(frames) == len(offsets)
    if action is None or not good:
        raise DataError("a prediction is damaged", where=f"{where}/action and frames", got=", ".join(sorted(said)) or "nothing",
                        expected="actions (float32 [K, A]), offsets, and for each a frame (uint8), if there are frames")
    return Imagined(whole(said.get("step"), f"{where}.step"), action, tuple(whole(o, f"{where}.offsets") for o in offsets),
                    frames, reading.number(said.get("seconds"), f"{where}.seconds", 0))


def group(arrays: Mapping[str, ndarray], prefix: str) -> dict[str, Any]:
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
    for place, plan in enumerate(episode.imagined):
        where = f"{file}, field imagined/{place}"
        require(0 <= plan.step < max(1, steps), "a prediction was made at no step of the episode", f"{where}.step",
                f"0 to {steps - 1}", plan.step)
        if plan.frames is not None:
            size, made = (*spec.image_size, 3), plan.frames.shape[1:]
            require(made == size, "a prediction's pictures are of another size", where, size, made)
    if need_frames:
        require(spec.cameras[0] in episode.frames, "the episode lacks the main camera", f"{file}, field frames",
                spec.cameras[0], ", ".join(episode.frames) or "no camera")


def require(holds: bool, problem: str, where: str, expected: object, got: object) -> None:
    """Raises DataError with these words unless `holds`."""
    if not holds:
        raise DataError(problem, where=where, expected=expected, got=got,
                        fix="keep one task per dataset, collected with one version of its spec")
