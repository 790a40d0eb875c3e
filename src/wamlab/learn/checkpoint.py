"""Weights on disk: safetensors, and JSON beside it that says which recipe made them and what their numbers mean.

A folder becomes visible whole or not at all: it is written under a temporary name and renamed. Every tensor has a checksum.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .. import __version__
from ..config import classes_of, from_json, to_json
from ..data.atomic import draft_of, drafting, make_folder, write_error, write_whole
from ..data.sealed import seal, unseal
from ..errors import CheckpointError, DataError, SpecError, WamError
from ..models.base import WorldActionModel
from ..models.streams import Streams
from ..parts import codecs, processes, representations
from ..reading import load_json, read_bytes, shown, table, whole, words
from ..recipe import Recipe
from ..spec import TaskSpec
from . import old_layout

FORMAT = "wamlab-checkpoint-2"
FIRST = "wamlab-checkpoint-1"
"""the first layout; its models are read, its trainings under way are not gone on with"""
KNOWN: tuple[type, ...] = (Streams, *codecs.ALL, *processes.ALL, *representations.ALL)
"""settings that a checkpoint may name"""
Module = TypeVar("Module", bound=nn.Module)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends well, and vanishes when it does not.

    Raises:
        DataError: for a full disk, a read-only folder and any other failure to write. What was there before stays.
    """
    make_folder(folder.parent)
    old = draft_of(folder)
    try:
        with drafting(folder) as draft:
            yield draft
            if folder.exists():
                os.replace(folder, old)
            os.replace(draft, folder)
    except (OSError, DataError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise write_error(cause, folder) from cause
    finally:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(old, ignore_errors=True)


def save(folder: Path, tensors: Mapping[str, Tensor], recipe: Recipe, task_spec: TaskSpec, extra: Mapping[str, Any]) -> None:
    """Write one checkpoint folder atomically.

    Args:
        tensors: names to tensors; storage may be shared.
        extra: JSON values to keep with it (step, seed, curves).
    """
    header = {"format": FORMAT, "version": __version__, "recipe": to_json(recipe), "task_spec": to_json(task_spec)}
    write(folder, tensors, header | dict(extra))


def write(folder: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Tensors and a JSON header as one folder, atomically; the header's "format" says what kind it is. Raises DataError."""
    arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
    with whole_folder(folder) as draft:
        text = json.dumps(dict(header), indent=1, sort_keys=True).encode()
        write_whole(draft / "tensors.safetensors", seal(arrays, {"header": str(zlib.crc32(text))}))
        write_whole(draft / "checkpoint.json", text)


def read_header(folder: Path, kind: str = FORMAT) -> dict[str, Any]:
    """The JSON part of a folder of that kind.

    Raises:
        CheckpointError: if it is missing, damaged or of another format.
    """
    path = folder / "checkpoint.json"
    if not path.exists():
        raise CheckpointError("no checkpoint here", where=folder, expected="checkpoint.json and tensors.safetensors",
                              got="nothing", fix="train first (wam train), or check the path")
    try:
        header = load_json(path)
        if isinstance(header, dict) and kind == FORMAT and header.get("format") in (FORMAT, FIRST):
            words(table(header.get("recipe"), f"{path}, field recipe").get("name"), f"{path}, field recipe.name")
            words(table(header.get("task_spec"), f"{path}, field task_spec").get("task"), f"{path}, field task_spec.task")
            whole(header.get("step", 0), f"{path}, field step", high=2**53)
            for part in header.get("sources", []):
                words(table(part, f"{path}, field sources").get("source"), f"{path}, field sources.source")
    except (DataError, TypeError) as error:
        said = error if isinstance(error, DataError) else DataError("a list is expected here", where=path, got=error)
        raise CheckpointError(f"the checkpoint's header is damaged: {said.problem}", where=said.where, expected=said.expected,
                              got=said.got, fix="train again or restore the file") from error
    if not isinstance(header, dict) or header.get("format") not in ((FORMAT, FIRST) if kind == FORMAT else (kind,)):
        raise CheckpointError("the checkpoint has another format", where=path, expected=kind,
                              got=header.get("format") if isinstance(header, dict) else type(header).__name__,
                              fix="train again with this version")
    return header


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors, each checked against the sum that was written with it, and the header beside them likewise. A file from
    before there were sums is read with a warning that it cannot be checked.

    Raises:
        CheckpointError: if the file is missing, cut, or has changed since it was written.
    """
    path = folder / "tensors.safetensors"
    try:
        found = unseal(path, "the checkpoint's file of tensors", "train again or restore the file")
    except DataError as error:
        raise CheckpointError(f"the checkpoint's tensors cannot be read: {error.problem}", where=error.where,
                              expected=error.expected, got=error.got, fix=error.fix) from error
    said, there = found.texts.get("header"), str(zlib.crc32(read_bytes(folder / "checkpoint.json")))
    if said is not None and said != there:
        raise CheckpointError("the checkpoint's header has changed since its tensors were written", where=folder /
                              "checkpoint.json", expected=f"checksum {said}", got=there, fix="train again or restore the file")
    return {name: torch.from_numpy(array) for name, array in found.arrays.items()}


def progress(header: Mapping[str, Any], folder: Path, kinds: Iterable[str]) -> tuple[dict[str, Any], str, int]:
    """(curves, stage, step) of a training under way. Raises CheckpointError if its header does not say them."""
    curves, stage, step = header.get("curves"), header.get("stage"), header.get("step")
    if not isinstance(curves, dict) or {*curves} != {*kinds} or stage not in ("codec", "model") or not isinstance(step, int):
        raise CheckpointError("the state of a training is damaged", where=folder / "checkpoint.json",
                              expected="its stage, step and curves", got=f"stage {stage!r}, step {step!r}",
                              fix=f"delete {folder.name}: training goes on from an earlier state, or starts anew")
    return curves, stage, step


def load_model(folder: str | Path, recipe: Recipe | None = None) -> WorldActionModel:
    """The trained model in a folder, ready to answer.

    Args:
        recipe: needed only for models of a class of one's own; the settings are the stored ones.

    Raises:
        CheckpointError: if the folder holds no model, is damaged, or belongs to another recipe.
    """
    folder = Path(folder)
    header = read_header(folder)
    name = header["recipe"].get("name")
    if recipe is not None and recipe.name != name:
        raise CheckpointError("the checkpoint belongs to another recipe", where=folder, expected=recipe.name, got=name,
                              fix=f"load it with recipe {name!r}")
    known = KNOWN if recipe is None else (*KNOWN, *classes_of(recipe.model))
    tensors, told = read_tensors(folder), header["recipe"]
    if header["format"] == FIRST:
        model = told.get("model")
        told = told | {"model": old_layout.settings(model, f"{folder}/checkpoint.json: recipe.model")}
        tensors = old_layout.tensors(tensors, model["experts"])
    try:
        stored = from_json(Recipe, told, f"{folder}/checkpoint.json: recipe", known)
        task_spec = from_json(TaskSpec, header["task_spec"], f"{folder}/checkpoint.json: task_spec")
    except SpecError as error:
        raise CheckpointError(f"the checkpoint's header is damaged: {error.problem}", where=f"{folder}/checkpoint.json, "
                              f"{error.where}", expected=error.expected, got=error.got,
                              fix="train again or restore the file") from error
    settings = stored.model
    model = built(lambda: settings.build(task_spec), {"width": settings.width, "depth": settings.depth}, tensors, folder)
    return model.eval().requires_grad_(False)


def built(make: Callable[[], Module], sizes: Mapping[str, int], tensors: Mapping[str, Tensor], where: Path) -> Module:
    """The module that holds these tensors. Its sizes are compared with theirs before anything is allocated.

    Args:
        sizes: settings that count something, by name: none can be larger than all that the file holds.

    Raises:
        CheckpointError: if no module can be made of the settings, or the tensors are not its own.
    """
    most = max([len(tensors), *(size for tensor in tensors.values() for size in tensor.shape)], default=0)
    for name, size in sizes.items():
        if not 1 <= size <= most:
            raise CheckpointError("a setting does not fit the tensors", where=f"{where}/checkpoint.json, {name}", got=size,
                                  expected=f"1 to {most}", fix="train again or restore the file")
    try:
        with torch.device("meta"):
            plan = make()
        fits(plan, tensors, where)
    except NotImplementedError:
        pass  # a model of one's own that cannot be planned without its memory
    except WamError:
        raise
    except Exception as error:
        raise CheckpointError("no model can be made of these settings", where=f"{where}/checkpoint.json",
                              expected="the settings that it was trained with",
                              got=f"{type(error).__name__}: {shown(error)[:200]}",
                              fix="train again or restore the file") from error
    module = make()
    fill(module, tensors, where)
    return module


def fits(module: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Raises CheckpointError naming the first tensor that is missing, left over, or of another shape or type."""
    wanted = module.state_dict()
    for name in sorted(set(wanted) ^ set(tensors)):
        raise CheckpointError("the checkpoint does not fit the model", where=f"{where}: {shown(name)}",
                              expected="present" if name in wanted else "absent",
                              got="absent" if name in wanted else "present", fix="load it with the recipe it was trained with")
    for name, value in wanted.items():
        if value.shape != tensors[name].shape:
            raise CheckpointError("a tensor has another shape", where=f"{where}: {name}", expected=tuple(value.shape),
                                  got=tuple(tensors[name].shape), fix="load it with the recipe and task it was trained with")
        if value.dtype != tensors[name].dtype:
            raise CheckpointError("a tensor holds numbers of another type", where=f"{where}: {name}", expected=value.dtype,
                                  got=tensors[name].dtype, fix="restore the file that training wrote")


def fill(module: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Load weights strictly. Raises CheckpointError as `fits`."""
    fits(module, tensors, where)
    module.load_state_dict(dict(tensors))


def remove(folder: Path) -> None:
    """Delete a checkpoint folder; first out of sight, so that a kill in between leaves no half of it."""
    hidden = draft_of(folder)
    try:
        os.replace(folder, hidden)
    except OSError as error:
        raise write_error(error, folder) from error
    shutil.rmtree(hidden, ignore_errors=True)  # what is left is out of sight, and swept later
