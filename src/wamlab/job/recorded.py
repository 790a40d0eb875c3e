"""What models imagined and answered, asked once and then read from a run's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ..data.store import store_name
from ..errors import WamError
from ..evaluate.ask import answer_file
from ..evaluate.ask.branch_data import Branches
from ..evaluate.ask.f2a import answer_branches
from ..evaluate.ask.imagining import Futures, imagine_branches
from ..evaluate.ask.manifest import manifest
from ..evaluate.ask.protocol import terms_of
from ..evaluate.card.card import card_of
from ..evaluate.evidence import Answers
from ..evaluate.eyes.readout import Readout
from ..evaluate.log import Score
from ..evaluate.metrics import Evidence
from ..evaluate.scoring.score import read_effects
from ..evaluate.sufficiency import lacking
from ..models.base import WorldActionModel

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


def lacks(scores: Sequence[Score], models: Mapping[str, WorldActionModel], imagined: Mapping[Key, Futures],
          answers: Mapping[Key, Answers], branches: Mapping[str, Branches],
          readouts: Mapping[str, Readout]) -> dict[str, tuple[str, ...]]:
    """What the evidence lacks for a verdict in a model's favour, where the scores would carry one."""
    found = {}
    for name, task in dict.fromkeys((*imagined, *answers)):
        abilities, truth, readout = manifest(models[name].answers()), branches[task], readouts.get(task)
        futures = imagined.get((name, task))
        if card_of(name, truth.spec.task, scores, abilities).verdict.words.startswith("imagines") and readout is not None:
            made = Evidence(name, truth.spec, effects=None if futures is None else read_effects(truth, futures, readout),
                            answers=answers.get((name, task)), scales=truth.scales())
            wired = any(c.available for c in abilities if c.name == "a2f")
            found[f"{name}/{truth.spec.task}"] = lacking(made, terms_of(truth), wired)
    return found
