"""Weights on disk: safetensors, and JSON beside it that says which recipe made them and what their numbers mean.

A folder becomes visible whole or not at all: it is written under a temporary name and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from . import __version__
from .config import from_json, to_json
from .data.atomic import draft_of, drafting
from .errors import CheckpointError
from .models.base import WorldActionModel
from .models.stream import Streams
from .recipe import Recipe
from .spec import TaskSpec

FORMAT = "wamlab-checkpoint-1"


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends well, and vanishes when it does not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with drafting(folder) as draft:
        yield draft
        for file in draft.iterdir():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
        if folder.exists():
            remove(folder)
        os.replace(draft, folder)


def save(folder: Path, tensors: Mapping[str, Tensor], recipe: Recipe, task_spec: TaskSpec, extra: Mapping[str, Any]) -> None:
    """Write one checkpoint folder atomically.

    Args:
        tensors: names to tensors; storage may be shared.
        extra: JSON values to keep with it (step, seed, curves).
    """
    header = {"format": FORMAT, "version": __version__, "recipe": to_json(recipe), "task_spec": to_json(task_spec)}
    write(folder, tensors, header | dict(extra))


def write(folder: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Tensors and a JSON header as one folder, atomically; the header's "format" says what kind it is."""
    with whole(folder) as draft:
        save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
                  draft / "tensors.safetensors")
        (draft / "checkpoint.json").write_text(json.dumps(dict(header), indent=1, sort_keys=True))


def read_header(folder: Path, kind: str = FORMAT) -> dict[str, Any]:
    """The JSON part of a folder of that kind.

    Raises:
        CheckpointError: if it is missing, damaged or of another format.
    """
    path = folder / "checkpoint.json"
    try:
        header = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError("no checkpoint here", where=folder, expected="checkpoint.json and tensors.safetensors",
                              got="nothing", fix="train first (wam train), or check the path") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise CheckpointError("the checkpoint's header is damaged", where=path, expected="JSON", got=error,
                              fix="train again or restore the file") from None
    if not isinstance(header, dict) or header.get("format") != kind:
        raise CheckpointError("the checkpoint has another format", where=path, expected=kind,
                              got=header.get("format") if isinstance(header, dict) else type(header).__name__,
                              fix="train again with this version")
    return header


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors.

    Raises:
        CheckpointError: if the file is missing or truncated.
    """
    path = folder / "tensors.safetensors"
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError("the checkpoint's tensors cannot be read", where=path, expected="a safetensors file",
                              got=error, fix="train again or restore the file") from None


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
    known = (Streams,) if recipe is None else (Streams, type(recipe.model))
    stored = from_json(Recipe, header["recipe"], f"{folder}/checkpoint.json: recipe", known)
    task_spec = from_json(TaskSpec, header["task_spec"], f"{folder}/checkpoint.json: task_spec")
    model = stored.model.build(task_spec)
    fill(model, read_tensors(folder), folder)
    return model.eval().requires_grad_(False)


def fill(model: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Load weights strictly.

    Raises:
        CheckpointError: naming the first tensor that is missing, left over or of another shape.
    """
    wanted = model.state_dict()
    for name in sorted(set(wanted) ^ set(tensors)):
        raise CheckpointError("the checkpoint does not fit the model", where=f"{where}: {name}",
                              expected="present" if name in wanted else "absent",
                              got="absent" if name in wanted else "present", fix="load it with the recipe it was trained with")
    for name, value in wanted.items():
        if value.shape != tensors[name].shape:
            raise CheckpointError("a tensor has another shape", where=f"{where}: {name}", expected=tuple(value.shape),
                                  got=tuple(tensors[name].shape), fix="load it with the recipe and task it was trained with")
    model.load_state_dict(dict(tensors))


def remove(folder: Path) -> None:
    """Delete a checkpoint folder; first out of sight, so that a kill in between leaves no half of it."""
    hidden = draft_of(folder)
    os.replace(folder, hidden)
    shutil.rmtree(hidden, ignore_errors=True)  # what is left is out of sight, and swept later
