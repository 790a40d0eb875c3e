"""Weights to begin with: what another training learned, as far as it means the same here."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..config import from_json
from ..errors import CheckpointError, SpecError
from ..models.base import WorldActionModel
from ..spec import TaskSpec
from . import checkpoint


@dataclass(frozen=True)
class Start:
    """What is taken over, and what is not."""

    tensors: Mapping[str, Tensor]
    """by name: weights, and the normalisation that they were learned with"""
    facts: Mapping[str, Any]
    """of which training: recipe, seed, steps and a checksum; how many tensors were taken, and why others begin anew"""

    def whole(self, part: str) -> bool:
        """Whether all of a part of the model is taken over, named as its tensors are."""
        return part not in self.facts["anew"]

    def apply(self, model: WorldActionModel) -> None:
        """Put what is taken over in its place."""
        model.load_state_dict(dict(self.tensors), strict=False)


def told(facts: Mapping[str, Any]) -> str:
    """What a training began with, in a line."""
    learned = f"{facts['recipe']} (seed {facts['seed']}, {facts['step']} steps)"
    return f"began with {facts['taken']} of {facts['of']} tensors of {learned}" \
        + "".join(f"; anew: {part} ({why})" for part, why in facts["anew"].items())


def start(model: WorldActionModel, folder: Path) -> Start:
    """What a model can take over from a checkpoint: tensors of the same name, shape and meaning.

    Raises:
        CheckpointError: if there is no checkpoint, it is damaged or of another layout, or nothing of it fits.
    """
    header, tensors = checkpoint.read_header(folder), checkpoint.read_tensors(folder)
    if header["format"] != checkpoint.FORMAT:
        raise CheckpointError("weights of an older layout cannot be begun with", where=folder, expected=checkpoint.FORMAT,
                              got=header["format"], fix="train them again with this version")
    try:
        spec = from_json(TaskSpec, header["task_spec"], f"{folder}/checkpoint.json: task_spec")
    except SpecError as error:
        raise CheckpointError(f"the checkpoint's header is damaged: {error.problem}", where=error.where, got=error.got,
                              expected=error.expected, fix="train again or restore the file") from error
    found, anew = {}, dict[str, str]()
    for name, here in model.state_dict().items():
        there, other = tensors.get(name), model.unlike(name, spec)
        why = other or ("not there" if there is None else "another size" if there.shape != here.shape else "")
        if why or there is None:
            anew.setdefault(model.part(name), why)
        else:
            found[name] = there
    if not found:
        raise CheckpointError("nothing of this checkpoint fits the model", where=folder, got=header["recipe"].get("name"),
                              expected=f"weights of the size {type(model).__name__} has here",
                              fix="begin with a checkpoint of the same recipe and --size, or from nothing")
    return Start(found, {"recipe": header["recipe"].get("name"), "seed": header.get("seed"), "step": header.get("step"),
                         "crc32": zlib.crc32((folder / "tensors.safetensors").read_bytes()), "taken": len(found),
                         "of": len(model.state_dict()), "anew": anew})
