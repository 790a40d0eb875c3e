"""From what a run left behind to its log: every score, beside the controls and null models it has to be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from .data.store import EpisodeStore
from .evaluate.branches import Branches, Futures
from .evaluate.log import EvalLog, Score
from .evaluate.readout import Readout
from .evaluate.score import compare_success, score_model, score_nulls, score_readout, score_rollouts
from .models.base import WorldActionModel

SHOWN = 2
"""counterfactual contexts per task that the log keeps pictures of"""
Rollouts = Mapping[tuple[str, str], EpisodeStore]
"""(model, task) -> its closed-loop episodes"""


def scores_of_rollouts(rollouts: Rollouts, readouts: Mapping[str, Readout], branches: Mapping[str, Branches]) -> list[Score]:
    """Success, foresight, pictures and latency per model and task; and the first model against each other, paired."""
    scores: list[Score] = []
    names = list(dict.fromkeys(name for name, _ in rollouts))
    episodes = {key: tuple(store) for key, store in rollouts.items()}
    for (name, task), store in rollouts.items():
        scales = branches[task].scales() if task in branches else None
        scores += score_rollouts(name, store.task_spec, episodes[name, task], readout=readouts[task], scales=scales)
    for (name, task), store in rollouts.items():
        if name != names[0]:
            scores.append(compare_success(names[0], name, store.task_spec, episodes[names[0], task], episodes[name, task]))
    return scores


def scores_of_branches(models: Mapping[str, WorldActionModel], branches: Mapping[str, Branches],
                       readouts: Mapping[str, Readout], seed: int) -> tuple[list[Score], dict[tuple[str, str], Futures]]:
    """What every model imagines for given actions, and the null models through the same code."""
    scores: list[Score] = []
    imagined: dict[tuple[str, str], Futures] = {}
    for task, truth in branches.items():
        for name, model in models.items():
            found, futures = score_model(name, model, truth, readout=readouts[task], seed=seed)
            scores += found
            if futures is not None:
                imagined[name, task] = futures
        scores += score_nulls(truth, readout=readouts[task], seed=seed)
        scores += score_readout(readouts[task], truth.spec)
    return scores, imagined


def pictures(branches: Mapping[str, Branches],
             imagined: Mapping[tuple[str, str], Futures]) -> tuple[dict[str, ndarray], dict[str, Any]]:
    """Arrays for the strip of the first model that could be asked: per task the first contexts in contact, true and imagined.

    Returns:
        the log's arrays, and facts about them for its provenance.
    """
    if not imagined:
        return {}, {}
    model = next(iter(imagined))[0]
    rows: dict[str, list[ndarray]] = {"context": [], "true": [], "imagined": []}
    for (name, task), futures in imagined.items():
        if name == model:
            truth = branches[task]
            order = np.argsort([("contact", "near", "free").index(s) for s in truth.strata], kind="stable")[:SHOWN]
            places = [truth.protocol.offsets.index(offset) for offset in futures.offsets]
            rows["context"].append(truth.context_frames[order, -1])
            rows["true"].append(truth.frames[order][:, :, places])
            rows["imagined"].append(futures.frames[order])
    facts = {"model": model, "actions": list(next(iter(branches.values())).protocol.actions)}
    return {f"counterfactual/{key}": np.concatenate(value) for key, value in rows.items()}, facts


def curves_of(header: Mapping[str, Any]) -> dict[str, list[list[float]]]:
    """Training and validation loss over steps, from a checkpoint's header."""
    return {name: [[point[0], point[-1]] for point in points] for name, points in header["curves"].items() if points}


def build(*, out: Path, rollouts: Rollouts, models: Mapping[str, WorldActionModel], readouts: Mapping[str, Readout],
          branches: Mapping[str, Branches], controls: Sequence[Score], headers: Mapping[str, Mapping[str, Any]],
          provenance: Mapping[str, Any], timings: Mapping[str, Any], seed: int) -> EvalLog:
    """Score everything. `out` is the folder of the log; recorded paths are relative to it."""
    scores = [*controls, *scores_of_rollouts(rollouts, readouts, branches)]
    found, imagined = scores_of_branches(models, branches, readouts, seed)
    arrays, facts = pictures(branches, imagined)
    places = {f"{name}/{task}": str(Path("..") / store.path.relative_to(out.parent))
              for (name, task), store in rollouts.items()}
    return EvalLog(dict(provenance) | ({"counterfactual": facts} if facts else {}), tuple([*scores, *found]),
                   {name: curves_of(header) for name, header in headers.items()}, arrays, places, dict(timings))
