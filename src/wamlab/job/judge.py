"""From what a run left behind to its log: every score, beside the controls and null models it has to be compared with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ..control.replay import replay_control
from ..data.atomic import make_folder, write_whole
from ..data.store import EpisodeStore, store_name
from ..errors import DataError
from ..evaluate.ask import answer_file
from ..evaluate.ask.branches import Branches, Futures
from ..evaluate.ask.manifest import NO_IMAGINATION, NOT_OFFERED, manifest
from ..evaluate.ask.protocol import terms_of
from ..evaluate.card.card import LACKING
from ..evaluate.conformance.gate import root
from ..evaluate.conformance.marks import null_answers, null_plans, score_nulls, unique
from ..evaluate.evidence import Answers
from ..evaluate.eyes.readout import Readout
from ..evaluate.log import FILE, EvalLog, Score, score_of
from ..evaluate.metrics import Evidence, Metric, get
from ..evaluate.scoring.demonstrations import oracle_replay
from ..evaluate.scoring.score import compare_success, evidence_of, score_branches, score_readout, score_rollouts
from ..evaluate.statistics import clopper_pearson
from ..models.base import WorldActionModel
from ..reading import load_json, table, whole
from .cards import branches_of, settings
from .recorded import Key, given_answers, imagined_futures, lacks

SHOWN = 2
"""counterfactual contexts per task that the log keeps pictures of"""
ASKED, OFFERED = "branch.psnr", "f2a"
"""scores that every model has which was asked what given actions do, or offered futures; or refused to answer"""
Rollouts = Mapping[tuple[str, str], EpisodeStore]
"""(model, task) -> its closed-loop episodes"""


def replay_score(task: str, store: EpisodeStore, scenes: Sequence[int], folder: Path, *, most: int = 4, workers: int = 1,
                 progress: Callable[[int, int], None] | None = None) -> Score:
    """How often the best of a few undisturbed demonstrations solves other starts when it is played blindly: the control
    against tasks that need no perception.

    Args:
        task: as it was asked for, a name or a path.
        folder: where the counts are kept, and read from the next time.
    """
    path = folder / f"replay-{store_name(task)}.json"
    if not path.exists():
        shown = islice((e for e in store if e.imitate is not None and e.imitate.all() and e.solved), most)
        demonstrations = list(shown)
        solved = (replay_control(task, demonstrations, scenes, workers=workers, progress=progress).solved.sum(1).tolist()
                  if demonstrations else [])
        make_folder(folder)
        write_whole(path, json.dumps({"solved": solved, "starts": len(scenes)}).encode())
    task = store.task_spec.task
    try:
        found = table(load_json(path), str(path))
        n = whole(found.get("starts"), f"{path}, field starts", 1)
        if not isinstance(said := found.get("solved"), list):
            raise DataError("a list is expected here", where=f"{path}, field solved", expected="[...]", got=type(said).__name__)
        counts = [whole(count, f"{path}, field solved", 0, n) for count in said]
    except DataError as error:
        raise DataError(f"the counts of the replay are damaged: {error.problem}", where=error.where, expected=error.expected,
                        got=error.got, fix="move the file away; it is made again") from error
    if not counts:
        return Score("control/replay", task, "success", None, unavailable="no undisturbed demonstration is known to solve it")
    best = max(counts)
    low, high = clopper_pearson(best, n)
    return Score("control/replay", task, "success", best / n, low, high, n=n, unit="share",
                 note=f"best of {len(counts)} demonstrations played open loop; "
                      f"mean {np.mean(counts) / n:.2f}")


def own_replay(task: str, store: EpisodeStore, folder: Path, *, most: int = 20) -> list[Score]:
    """Demonstrations replayed from their own starts: what fails here is the simulator or the recording, and no policy.

    Args:
        task: as it was asked for, a name or a path.
        folder: where the scores are kept, and read from the next time.
    """
    path = folder / f"own-{store_name(task)}.json"
    if not path.exists():
        solved = list(islice((e for e in store if e.solved and not e.success[0]), most))
        found = oracle_replay(task, solved)
        make_folder(folder)
        write_whole(path, json.dumps([asdict(score) for score in found]).encode())
    try:
        if not isinstance(kept := load_json(path), list):
            raise DataError("a list is expected here", where=path, expected="[...]", got=type(kept).__name__)
        return [score_of(said, f"{path}, [{place}]") for place, said in enumerate(kept)]
    except DataError as error:
        raise DataError(f"the scores of the replay are damaged: {error.problem}", where=error.where, expected=error.expected,
                        got=error.got, fix="move the file away; it is made again") from error


def scores_of_rollouts(rollouts: Rollouts, readouts: Mapping[str, Readout], branches: Mapping[str, Branches],
                       metrics: Sequence[Metric] | None = None) -> list[Score]:
    """Success, foresight, pictures and latency per model and task; and the first model against each other, paired."""
    scores: list[Score] = []
    names = list(dict.fromkeys(name for name, _ in rollouts))
    episodes = {key: tuple(store) for key, store in rollouts.items()}
    for (name, task), store in rollouts.items():
        scales = branches[task].scales() if task in branches else None
        scores += score_rollouts(name, store.task_spec, episodes[name, task], readout=readouts.get(task), scales=scales,
                                 metrics=metrics)
    for (name, task), store in rollouts.items():
        if name != names[0]:
            scores.append(compare_success(names[0], name, store.task_spec, episodes[names[0], task], episodes[name, task]))
    marks: list[Score] = []
    for (name, task), store in rollouts.items():
        if task in branches and task in readouts:
            foresight = evidence_of(store.task_spec, episodes[name, task], readouts[task])[1]
            marks += null_plans(Evidence(name, store.task_spec, episodes[name, task], foresight=foresight,
                                         scales=branches[task].scales()))
    return [*scores, *wanted(unique(marks), metrics)]


def wanted(scores: Sequence[Score], metrics: Sequence[Metric] | None) -> list[Score]:
    """Only the scores of these metrics; all if None."""
    return [s for s in scores if metrics is None or root(s.metric) in {m.name for m in metrics}]


def scores_of_branches(imagined: Mapping[tuple[str, str], Futures], why: Mapping[tuple[str, str], str],
                       branches: Mapping[str, Branches], readouts: Mapping[str, Readout], seed: int,
                       metrics: Sequence[Metric] | None = None) -> list[Score]:
    """Imagined against true futures of given actions, and the null models through the same code."""
    scores: list[Score] = []
    for name, task in [*imagined, *why]:
        scores += score_branches(name, branches[task], imagined.get((name, task)), readout=readouts.get(task),
                                 why=why.get((name, task), ""), metrics=metrics)
    for task, truth in branches.items():
        scores += score_nulls(truth, readout=readouts.get(task), seed=seed, metrics=metrics)
        if task in readouts:
            scores += score_readout(readouts[task], truth.spec)
    return scores


def scores_of_answers(answers: Mapping[Key, Answers], why: Mapping[Key, str], branches: Mapping[str, Branches], seed: int,
                      metrics: Sequence[Metric] | None = None) -> list[Score]:
    """Whether actions follow offered futures, and what policies that do or do not would score on the same branches."""
    scores: list[Score] = []
    for name, task in [*answers, *why]:
        asked = Evidence(name, branches[task].spec, answers=answers.get((name, task)), scales=branches[task].scales(),
                         missing={"answers": why.get((name, task), "")})
        scores += get("f2a")(asked)
    for truth in branches.values():
        scores += null_answers(truth, seed)
    return wanted(scores, metrics)


def rescored(run: Path, metrics: Sequence[Metric] | None = None) -> list[Score]:
    """The scores of a finished run, from what it recorded: nothing is run and no model is asked.

    Raises:
        DataError: if the run is not finished, or its recordings are missing or damaged.
    """
    seed = settings(run)["seed"]
    if not (run / "log" / FILE).is_file():
        raise DataError("the run is not finished: its numbers would be of a part of it", where=run, expected=f"log/{FILE}",
                        got="none", fix="run its command again, it goes on where it was; or score one folder of its rollouts")
    stores = [EpisodeStore.open(path.parent) for path in sorted((run / "rollouts").glob("*/*/dataset.json"))]
    rollouts = {(store.path.parent.name, store.task_spec.task): store for store in stores}
    tasks = {store.path.name: store.task_spec.task for store in stores}

    def task_of(path: Path) -> str:
        if path.stem not in tasks:
            raise DataError("the rollouts of this task are gone", where=run / "rollouts", expected=f"those of {path}",
                            got=", ".join(tasks) or "no rollouts", fix="copy the run's folder whole, or score what is there")
        return tasks[path.stem]

    readouts = {task_of(path): Readout.load(path) for path in sorted((run / "readouts").glob("*.safetensors"))}
    branches = branches_of(run)
    imagined = {(path.parent.name, task_of(path)): Futures.load(path)
                for path in sorted((run / "futures").glob("*/*.safetensors"))}
    answers = {(path.parent.name, task_of(path)): answer_file.load(path)
               for path in sorted((run / "answers").glob("*/*.safetensors"))}
    for _, task in (*imagined, *answers):
        if task not in branches:
            raise DataError("the saved states of this task are gone", where=run / "branches", expected=f"branches of {task}",
                            got=", ".join(branches) or "none", fix="copy the run's folder whole")
    if not stores:
        raise DataError("of this run only the log is left: there are no rollouts to score", where=run / "rollouts",
                        expected="datasets", got="none", fix="copy the run's folder whole")
    log = EvalLog.load(run / "log")

    def reasons(known: Mapping[Key, Any], metric: str, default: str) -> dict[Key, str]:
        """Why the others could not be asked, as the run found."""
        said = {(name, task): log.find(name, task, metric) for name, task in rollouts
                if task in branches and (name, task) not in known}
        return {key: score.unavailable if score is not None and score.unavailable else default for key, score in said.items()}

    controls = [score for score in log.scores if score.model.startswith("control/")]
    return [*wanted(controls, metrics), *scores_of_rollouts(rollouts, readouts, branches, metrics),
            *scores_of_branches(imagined, reasons(imagined, ASKED, NO_IMAGINATION), branches, readouts, seed, metrics),
            *scores_of_answers(answers, reasons(answers, OFFERED, NOT_OFFERED), branches, seed, metrics)]


def pictures(branches: Mapping[str, Branches],
             imagined: Mapping[tuple[str, str], Futures]) -> tuple[dict[str, ndarray], dict[str, Any]]:
    """Arrays for the strip of the first model that could be asked: per task the first contexts in contact, true and imagined.

    Returns:
        the log's arrays, and facts about them for its provenance.
    """
    if not imagined:
        return {}, {}
    (model, _), first = next(iter(imagined.items()))
    rows: dict[str, list[ndarray]] = {"context": [], "true": [], "imagined": []}
    tasks: list[str] = []
    for task, futures in ((task, futures) for (name, task), futures in imagined.items() if name == model):
        truth = branches[task]
        order = np.argsort([("contact", "near", "free").index(s) for s in truth.strata], kind="stable")[:SHOWN]
        places = [truth.protocol.offsets.index(offset) for offset in futures.offsets]
        tasks += [truth.spec.task] * len(order)
        rows["context"].append(truth.context_frames[order, -1])
        rows["true"].append(truth.frames[order][:, :, places])
        rows["imagined"].append(futures.frames[order])
    facts = {"model": model, "actions": list(truth.protocol.actions), "tasks": tasks, "offsets": list(first.offsets)}
    return {f"counterfactual/{key}": np.concatenate(value) for key, value in rows.items()}, facts


def curves_of(header: Mapping[str, Any]) -> dict[str, list[list[float]]]:
    """Training and validation loss over steps, from a checkpoint's header."""
    return {name: [[point[0], point[-1]] for point in points] for name, points in header["curves"].items() if points}


def build(*, out: Path, rollouts: Rollouts, models: Mapping[str, WorldActionModel], readouts: Mapping[str, Readout],
          branches: Mapping[str, Branches], controls: Sequence[Score], headers: Mapping[str, Mapping[str, Any]],
          provenance: Mapping[str, Any], timings: Mapping[str, Any], seed: int, workers: int = 1) -> EvalLog:
    """Score everything. `out` is the folder of the log; recorded paths are relative to it."""
    imagined, why = imagined_futures(models, branches, out.parent / "futures", seed)
    answers, deaf = given_answers(models, branches, out.parent / "answers", seed, workers)
    scores = [*controls, *scores_of_rollouts(rollouts, readouts, branches),
              *scores_of_branches(imagined, why, branches, readouts, seed), *scores_of_answers(answers, deaf, branches, seed)]
    arrays, facts = pictures(branches, imagined)
    places = {f"{name}/{store.task_spec.task}": str(Path("..") / store.path.relative_to(out.parent))
              for (name, _), store in rollouts.items()}
    cards = {"capabilities": {name: [asdict(c) for c in manifest(model.answers())] for name, model in models.items()},
             "protocol": {truth.spec.task: terms_of(truth).to_json() for truth in branches.values()}}
    cards[LACKING] = lacks(scores, models, imagined, answers, branches, readouts)
    return EvalLog(dict(provenance) | cards | ({"counterfactual": facts} if facts else {}), tuple(scores),
                   {name: curves_of(header) for name, header in headers.items()}, arrays, places, dict(timings))
