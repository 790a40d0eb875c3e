"""The cards of a finished run: its models asked from its saved states and shown other futures in closed loop, its episodes
scored again, all in one log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, recipe
from ..data.atomic import make_folder, write_whole
from ..data.store import EpisodeStore, store_name
from ..errors import DataError
from ..evaluate.ask.branch_data import Branches
from ..evaluate.ask.manifest import manifest
from ..evaluate.ask.protocol import EDITION, VERSION, terms_of
from ..evaluate.ask.trials import Setting, films_of, run_trials
from ..evaluate.ask.twin import Mode
from ..evaluate.card.card import LACKING, Card, from_log
from ..evaluate.conformance.marks import null_answers, null_plans, null_trials, unique
from ..evaluate.evidence import Decoded, Trials
from ..evaluate.eyes.plausibility.fitting import decoders_for
from ..evaluate.eyes.readout import Readout
from ..evaluate.log import FILE, EvalLog, Score
from ..evaluate.metrics import Evidence, get
from ..evaluate.records.writing import save
from ..evaluate.scoring.interventions import Asked, attempt, intervene
from ..evaluate.scoring.plausibility import decode_branches, score_plausibility
from ..evaluate.scoring.score import evidence_of, score_rollouts
from ..evaluate.sufficiency import lacking
from ..learn import checkpoint
from ..models.base import WorldActionModel
from ..ranges import SEED
from ..reading import load_json, read_bytes, table, whole, words
from ..simulators import make
from ..types import Episode

Progress = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
SAMPLES = 4
"""futures per question"""
STARTS = 20
"""starts of the closed-loop interventions"""


def silent(title: str) -> AbstractContextManager[Callable[[int, int], None]]:
    return nullcontext(lambda done, total: None)


@dataclass(frozen=True)
class Asking:
    """How a run's models are asked."""

    mode: Mode = "interventional"
    starts: int = STARTS
    """in closed loop, the first of the run's own; 0 leaves these interventions out"""
    workers: int = 1
    progress: Progress = silent
    plausibility: bool = False
    """whether imagined futures are decoded to actions and executed as well: about a minute per task"""
    export: Path | None = None
    """folder to which the records of every model and task are written"""

    @property
    def name(self) -> str:
        """What the numbers depend on."""
        return f"{VERSION} {EDITION} {__version__} {SAMPLES} {self.mode} {self.starts} {self.plausibility}"


def sources(folder: Path) -> dict[str, str]:
    """Per model of a run where its recipe is from. Raises DataError if there is no run."""
    return {recipe.load(source).name: source for source in settings(folder)["models"]}


def settings(folder: Path) -> dict[str, Any]:
    """models, seed and execute of a run's record. Raises DataError if there is no run, or its record is damaged."""
    path = folder / "run.json"
    if not path.exists():
        raise DataError("there is no run here", where=path, expected="what wam run wrote", got="nothing",
                        fix="give the folder of a finished run")
    try:
        said = table(load_json(path), str(path))
        models = said.get("models")
        if not isinstance(models, list) or not models:
            raise DataError("a run has models", where=f"{path}, field models", expected="a list of recipes",
                            got=str(models)[:60])
        return {"models": [words(one, f"{path}, field models") for one in models],
                "seed": whole(said.get("seed", 0), f"{path}, field seed", 0, int(SEED.high)),
                "execute": whole(said.get("execute", 4), f"{path}, field execute", 1)}
    except DataError as error:
        raise DataError(f"the run's record is damaged: {error.problem}", where=error.where, expected=error.expected,
                        got=error.got, fix="restore the file, or run again into another --out") from error


def model_of(folder: Path, name: str, source: str) -> WorldActionModel:
    """A trained model of a run. Raises CheckpointError if it is missing or damaged."""
    return checkpoint.load_model(folder / "models" / name / "model", recipe.load(source))


def branches_of(folder: Path) -> dict[str, Branches]:
    """The saved states of a run, per task; extra branches for single questions are passed over."""
    found = [Branches.load(path) for path in sorted((folder / "branches").glob("*.safetensors"))]
    return {b.spec.task: b for b in found if "null" in b.protocol.actions}


def cards(folder: Path, asking: Asking = Asking()) -> tuple[Card, ...]:
    """Judge every model of a run on every task, or read what an earlier call found.

    Raises:
        DataError: if there is no finished run.
        CheckpointError: if a model is missing or damaged.
    """
    return from_log(EvalLog.load(judged(folder, asking)))


def judged(folder: Path, asking: Asking) -> Path:
    """The folder of the cards' log, made if it is not there. Raises as `cards`."""
    log = EvalLog.load(folder / "log")
    text = read_bytes(folder / "log" / FILE) + asking.name.encode()
    out = folder / f"card-{hashlib.sha256(text).hexdigest()[:8]}"
    if not (out / FILE).is_file() or asking.export is not None:
        judge(folder, log, asking).save(out)
    return out


def judge(folder: Path, log: EvalLog, asking: Asking) -> EvalLog:
    """Every score of the cards."""
    scores: list[Score] = [s for s in log.scores if s.model.startswith(("control/", "null/", "readout"))]
    branches, chosen = branches_of(folder), settings(folder)
    models = {name: model_of(folder, name, source) for name, source in sources(folder).items()}
    marks: list[Score] = []
    lacks: dict[str, tuple[str, ...]] = {}
    for task, truth in branches.items():
        readout = Readout.load(folder / "readouts" / f"{store_name(truth.protocol.task)}.safetensors")
        marks += null_answers(truth)
        for name, model in models.items():
            place = log.episodes.get(f"{name}/{task}")
            episodes = tuple(EpisodeStore.open(folder / "log" / place)) if place else ()
            with asking.progress(f"ask {name} about {task}") as tick:
                asked = intervene(name, model, truth, readout, folder / "branches" / "late", seed=chosen["seed"],
                                  samples=SAMPLES, mode=asking.mode, workers=asking.workers, progress=tick)
            trials, why = tried(folder, name, truth, episodes, readout, chosen["execute"], asking)
            _, foresight, blind = evidence_of(truth.spec, episodes, readout) if episodes else (None, None, {})
            made = Evidence(name, truth.spec, episodes or None, foresight=foresight, effects=asked.effects,
                            answers=asked.answers, trials=trials, scales=truth.scales(),
                            missing={**asked.missing, **blind, **({"trials": why} if why else {})})
            scores += [*asked.scores, *get("necessity")(made), *get("planning")(made)]
            if asking.plausibility:
                scores += plausible(folder, name, truth, asked, readout, asking)
            if episodes:
                scores += score_rollouts(name, truth.spec, episodes, readout=readout, scales=truth.scales())
            marks += [*null_plans(made), *null_trials(made)]
            lacks[f"{name}/{task}"] = lacking(made, terms_of(truth, SAMPLES, asking.mode),
                                              {c.name: c.available for c in manifest(model.answers())}["a2f"])
            if asking.export is not None:
                save(asking.export / f"{name}-{store_name(task)}.jsonl", terms_of(truth, SAMPLES), made,
                     {c.name: c.available for c in manifest(model.answers())}["plan"], asked.late)
    known = {s.key for s in scores}
    scores += [s for s in (*unique(marks), *log.select(metric="success.paired")) if s.key not in known]
    how = f"--mode {asking.mode} --starts {asking.starts}"
    facts = {"capabilities": {name: [asdict(c) for c in manifest(model.answers())] for name, model in models.items()},
             "protocol": {task: terms_of(truth, SAMPLES, asking.mode).to_json() for task, truth in branches.items()},
             LACKING: lacks, "closed loop": asking.starts,
             "command": " && ".join((str(log.provenance.get("command")), f"wam card RUN {how}"))}
    return replace(log, scores=tuple(scores), provenance=dict(log.provenance) | facts)


def plausible(folder: Path, name: str, truth: Branches, asked: Asked, readout: Readout, asking: Asking) -> tuple[Score, ...]:
    """Whether imagined futures could be done: decoded by two decoders that are fitted to the run's demonstrations, executed."""
    if asked.futures is None:
        return score_plausibility(name, truth, None, asked.missing["effects"])
    futures = asked.futures

    def decoded() -> Decoded:
        store = EpisodeStore.open(folder / "data" / store_name(truth.protocol.task))
        decoders = decoders_for(store, readout, futures.offsets)
        return decode_branches(truth, futures, readout.states, decoders, workers=asking.workers)

    with asking.progress(f"do what {name} imagines in {truth.spec.task}") as tick:
        found, why = attempt(decoded)
        tick(1, 1)
    return score_plausibility(name, truth, found, why)


def tried(folder: Path, name: str, truth: Branches, episodes: Sequence[Episode], readout: Readout, execute: int,
          asking: Asking) -> tuple[Trials | None, str]:
    """Closed-loop interventions on one model and task, kept in the run's folder; or why there are none."""
    task, starts = truth.spec.task, [int(e.meta["seed"]) for e in episodes[:asking.starts]]
    if not starts:
        return None, "no starts were asked for in closed loop" if episodes else "the run kept no episodes of it"
    path = folder / "trials" / f"{name}-{store_name(task)}-{len(starts)}.json"
    if not path.is_file():
        setting = Setting(partial(model_of, folder, name, sources(folder)[name]),
                          partial(make, truth.protocol.task, **truth.protocol.options), execute,
                          films_of(episodes[:len(starts)]), readout, truth.scales())
        with asking.progress(f"show {name} other futures in {task}") as tick:
            found, why = attempt(lambda: run_trials(setting, starts, workers=asking.workers, progress=tick))
        if found is None:
            return None, why
        make_folder(path.parent)
        write_whole(path, json.dumps({"solved": {arm: v.tolist() for arm, v in found.solved.items()},
                                      "missing": dict(found.missing)}).encode())
    kept = table(load_json(path), str(path))
    solved, missing = (table(kept.get(name), f"{path}, field {name}") for name in ("solved", "missing"))
    lines = {arm: np.array(v) for arm, v in solved.items() if isinstance(v, list) and all(isinstance(one, bool) for one in v)}
    if set(lines) != set(solved) or len({len(v) for v in lines.values()}) > 1:
        raise DataError("the trials are damaged", where=path, expected="per arm as many of true and false",
                        got=str(solved)[:80], fix="move the file away; they are made again")
    return Trials(lines, {arm: words(why, f"{path}, field missing") for arm, why in missing.items()}), ""
