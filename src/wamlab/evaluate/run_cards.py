"""The cards of a finished run: its models asked from its saved states, its episodes scored again, all in one log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .. import __version__, checkpoint, recipe
from ..data.store import EpisodeStore
from ..errors import DataError
from ..models.base import WorldActionModel
from .branch_data import Branches
from .card import Card, card_of
from .interventions import intervene
from .log import FILE, EvalLog, Score
from .manifest import Capability, manifest
from .metrics import Evidence
from .protocol import VERSION, Terms, terms_of
from .readout import Readout
from .records import save
from .score import evidence_of, score_rollouts

Progress = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
SAMPLES = 3


def silent(title: str) -> AbstractContextManager[Callable[[int, int], None]]:
    return nullcontext(lambda done, total: None)


def models_of(folder: Path) -> dict[str, WorldActionModel]:
    """The trained models of a run, by name.

    Raises:
        DataError: if there is no run.
        CheckpointError: if a model is missing or damaged.
    """
    try:
        sources = json.loads((folder / "run.json").read_text(encoding="utf-8"))["models"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError("there is no run here", where=folder / "run.json", expected="what wam run wrote",
                        got=f"{type(error).__name__}: {error}", fix="give the folder of a finished run") from error
    recipes = [(recipe.load(source).name, recipe.load(source)) for source in sources]
    return {name: checkpoint.load_model(folder / "models" / name / "model", made) for name, made in recipes}


def branches_of(folder: Path) -> dict[str, Branches]:
    """The saved states of a run, per task; extra branches for single questions are passed over."""
    found = [Branches.load(path) for path in sorted((folder / "branches").glob("*.safetensors"))]
    return {b.spec.task: b for b in found if "null" in b.protocol.actions}


def cards(folder: Path, *, progress: Progress = silent, workers: int = 1, export: Path | None = None) -> tuple[Card, ...]:
    """Judge every model of a run on every task, or read what an earlier call found.

    Args:
        progress: opens a progress bar of a title.
        export: folder to which the records of every model and task are written.

    Raises:
        DataError: if there is no finished run.
    """
    log = EvalLog.load(folder / "log")
    text = (folder / "log" / FILE).read_bytes() + f"{VERSION} {__version__} {SAMPLES}".encode()
    out = folder / f"card-{hashlib.sha256(text).hexdigest()[:8]}"
    if not (out / FILE).is_file() or export is not None:
        judge(folder, log, progress, workers, export).save(out)
    return from_log(EvalLog.load(out))


def judge(folder: Path, log: EvalLog, progress: Progress, workers: int, export: Path | None) -> EvalLog:
    """Every score of the cards."""
    scores: list[Score] = [s for s in log.scores if s.model.startswith("control/")]
    branches, models = branches_of(folder), models_of(folder)
    seed = int(json.loads((folder / "run.json").read_text(encoding="utf-8")).get("seed", 0))
    for task, truth in branches.items():
        readout = Readout.load(folder / "readouts" / f"{slug(task)}.safetensors")
        for name, model in models.items():
            with progress(f"ask {name} about {task}") as tick:
                asked = intervene(name, model, truth, readout, folder / "branches", seed=seed, samples=SAMPLES,
                                  workers=workers, progress=tick)
            scores += asked.scores
            place = log.episodes.get(f"{name}/{task}")
            store = EpisodeStore.open(folder / "log" / place) if place else None
            episodes = tuple(store) if store is not None else ()
            if store is not None:
                scores += score_rollouts(name, store.task_spec, episodes, readout=readout, scales=truth.scales())
            if export is not None:
                foresight = evidence_of(truth.spec, episodes, readout)[1] if episodes else None
                made = Evidence(name, truth.spec, episodes or None, foresight=foresight, effects=asked.effects,
                                answers=asked.answers, scales=truth.scales())
                save(export / f"{name}-{slug(task)}.jsonl", terms_of(truth), made,
                     {c.name: c.available for c in manifest(model.answers())}["plan"])
    known = {c.key for c in scores}
    scores += [s for s in log.scores if s.metric.startswith(("success.paired", "necessity")) and s.key not in known]
    facts = {"capabilities": {name: [asdict(c) for c in manifest(model.answers())] for name, model in models.items()},
             "protocol": {task: terms_of(truth).to_json() for task, truth in branches.items()}}
    return replace(log, scores=tuple(scores), curves={}, arrays={}, provenance=dict(log.provenance) | facts)


def from_log(log: EvalLog) -> tuple[Card, ...]:
    """The cards in a log: one per model that has capabilities in its provenance, and task."""
    abilities: Mapping[str, Any] = log.provenance.get("capabilities", {})
    terms: Mapping[str, Any] = log.provenance.get("protocol", {})
    names = list(abilities) or list(dict.fromkeys(s.model for s in log.scores if s.metric == "success" and "/" not in s.model))
    tasks = list(dict.fromkeys(s.task for s in log.scores if s.model in names))
    return tuple(card_of(name, task, log.scores, [Capability(**c) for c in abilities.get(name, ())],
                         Terms.from_json(terms[task]) if task in terms else None) for name in names for task in tasks)


def slug(task: str) -> str:
    """A task's name as a file's."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in task)
