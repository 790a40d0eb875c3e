"""A checkpoint as something that acts, built anew in every process."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..checkpoint import load_model
from ..control.executor import Executor
from ..control.gate import Gate
from ..control.policy import ModelPolicy
from ..models.base import WorldActionModel
from ..recipe import load
from ..types import IMAGINE_AND_ACT


def model_of(checkpoint: Path, recipe: str | None) -> WorldActionModel:
    """The model in a folder; `recipe` is needed for one from outside the package only."""
    return load_model(checkpoint, load(recipe) if recipe else None)


def executor(checkpoint: Path, recipe: str | None, execute: int) -> Executor:
    """An executor of the model, which imagines if its wiring can."""
    model = model_of(checkpoint, recipe)
    want = {"future", "action"} if IMAGINE_AND_ACT in model.answers() else {"action"}
    return Executor(ModelPolicy(model, want), Gate(model.task_spec.action), execute)


def digest(checkpoint: Path) -> str:
    """What tells a checkpoint from every other: a hash of its weights."""
    return hashlib.sha256((checkpoint / "tensors.safetensors").read_bytes()).hexdigest()[:16]
