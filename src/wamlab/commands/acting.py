"""A checkpoint on the command line."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..learn.checkpoint import load_model
from ..models.base import WorldActionModel
from ..reading import VIDEO_LIMIT, read_bytes
from ..recipe import load


def model_of(checkpoint: Path, recipe: str | None) -> WorldActionModel:
    """The model in a folder; `recipe` is needed for one from outside the package only."""
    return load_model(checkpoint, load(recipe) if recipe else None)


def digest(checkpoint: Path) -> str:
    """What tells a checkpoint from every other: a hash of its weights."""
    return hashlib.sha256(read_bytes(checkpoint / "tensors.safetensors", VIDEO_LIMIT)).hexdigest()[:16]
