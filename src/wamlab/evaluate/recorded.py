"""What models imagined and answered, asked once and then read from a run's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ..data.store import store_name
from ..errors import WamError
from ..models.base import WorldActionModel
from . import answer_file
from .branch_data import Branches
from .evidence import Answers
from .f2a import answer_branches
from .imagining import Futures, imagine_branches

Key = tuple[str, str]
"""(model, task)"""
T = TypeVar("T")


def imagined_futures(models: Mapping[str, WorldActionModel], branches: Mapping[str, Branches], folder: Path,
                     seed: int) -> tuple[dict[Key, Futures], dict[Key, str]]:
    """What every model imagines for given actions, kept in `folder`.

    Returns:
        (model, task) -> futures; and for those that cannot be asked, why.
    """
    return _each(models, branches, folder, lambda model, truth, path: imagine_branches(model, truth, seed=seed).save(path),
                 Futures.load)


def given_answers(models: Mapping[str, WorldActionModel], branches: Mapping[str, Branches], folder: Path, seed: int,
                  workers: int = 1) -> tuple[dict[Key, Answers], dict[Key, str]]:
    """What every model answers to offered futures, executed, kept in `folder`.

    Returns:
        (model, task) -> answers; and for those that cannot be asked, why.
    """
    return _each(models, branches, folder, lambda model, truth, path: answer_file.save(
        answer_branches(model, truth, seed=seed, workers=workers), path), answer_file.load)


def _each(models: Mapping[str, WorldActionModel], branches: Mapping[str, Branches], folder: Path,
          ask: Callable[[WorldActionModel, Branches, Path], None],
          load: Callable[[Path], T]) -> tuple[dict[Key, T], dict[Key, str]]:
    found: dict[Key, T] = {}
    why: dict[Key, str] = {}
    for task, truth in branches.items():
        for name, model in models.items():
            path = folder / name / f"{store_name(task)}.safetensors"
            try:
                if not path.exists():
                    ask(model, truth, path)
                found[name, task] = load(path)
            except WamError as error:
                why[name, task] = error.problem
    return found, why
