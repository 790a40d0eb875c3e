"""Evidence to intervention records. The format is in `lines`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ...data.atomic import make_folder, write_whole
from ..ask.protocol import VERSION, Terms
from ..evidence import Answers, Effects, Foresight, Trials
from ..metrics import Evidence

States = Mapping[str, ndarray]


def save(path: str | Path, terms: Terms, evidence: Evidence, imagines: bool | None = None, late: Effects | None = None) -> Path:
    """Write evidence as records, so that another implementation can judge the same model.

    Args:
        evidence: effects in mode interventional.
        late: effects of actions that part half way, for onset leakage.

    Raises:
        DataError: if the file cannot be written.
    """
    names = None if evidence.effects is None else set(evidence.effects.imagined)
    entities = [asdict(e) for e in evidence.spec.entities if names is None or e.name in names]
    head = terms.to_json() | {"record": "protocol", "version": VERSION, "model": evidence.model, "entities": entities,
                              "imagines": imagines, "noise": dict(evidence.effects.noise) if evidence.effects else {},
                              "missing": dict(evidence.missing)}
    text = "\n".join(json.dumps(row, allow_nan=False) for row in (head, *_lines(evidence, late, [e["name"] for e in entities])))
    make_folder(Path(path).parent)
    write_whole(Path(path), (text + "\n").encode())
    return Path(path)


def _lines(evidence: Evidence, late: Effects | None, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    if evidence.effects is not None:
        yield from _effects("effect", evidence.effects, names)
    if late is not None:
        yield from _effects("late", late, names)
    if evidence.answers is not None:
        yield from _answers(evidence.answers, names)
    for number, episode in enumerate(evidence.episodes or ()):
        yield {"record": "episode", "episode": str(number), "solved": episode.solved,
               "solved_at_start": bool(episode.success[0])} | _success(evidence.foresight, number)
    if evidence.foresight is not None:
        yield from _plans(evidence.foresight, names)
    if evidence.trials is not None:
        yield from _trials(evidence.trials)


def at(values: States, names: Sequence[str], *place: int) -> dict[str, Any]:
    return {name: values[name][place].tolist() for name in names}


def _effects(record: str, effects: Effects, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for c, stratum in enumerate(effects.strata):
        for k, action in enumerate(effects.kinds):
            row: dict[str, Any] = {"record": record, "context": str(c), "action": action, "stratum": stratum,
                   "start": at(effects.start, names, c), "imagined": at(effects.imagined, names, c, k),
                   "real": at(effects.real, names, c, k)}
            row |= {} if effects.ceiling is None else {"ceiling": at(effects.ceiling, names, c, k)}
            row |= {} if effects.uncertainty is None else {"uncertainty": float(effects.uncertainty[c, k])}
            yield row | ({} if effects.step is None else {"step": int(effects.step[c])})


def _answers(answers: Answers, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for c, stratum in enumerate(answers.strata):
        for k, action in enumerate(answers.kinds):
            yield {"record": "answer", "context": str(c), "action": action, "stratum": stratum,
                   "start": at(answers.start, names, c), "offered": at(answers.offered, names, c, k),
                   "consequence": at(answers.consequence, names, c, k)}
    for control, states in answers.controls.items():
        for c in range(len(answers.strata)):
            yield {"record": "control", "context": str(c), "control": control, "consequence": at(states, names, c)}


def _success(plans: Foresight | None, number: int) -> dict[str, Any]:
    """What was read of success, off imagined and off real frames."""
    readings = {} if plans is None else {"imagined_success": plans.imagined_success, "read_success": plans.read_success}
    return {name: bool(values[number]) for name, values in readings.items() if values is not None}


def _plans(plans: Foresight, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    sides = {"imagined": plans.imagined, "real": plans.real} | ({} if plans.ceiling is None else {"ceiling": plans.ceiling})
    for chunk in np.unique(plans.chunk):
        rows = np.flatnonzero(plans.chunk == chunk)
        yield {"record": "plan", "episode": str(int(plans.episode[rows[0]])), "chunk": int(chunk),
               "start": at(plans.start, names, int(rows[0]))} | {
                   side: {name: values[name][rows].tolist() for name in names} for side, values in sides.items()}


def _trials(trials: Trials) -> Iterator[dict[str, Any]]:
    for number in range(max(map(len, trials.solved.values()), default=0)):
        yield {"record": "trial", "start": str(number), "solved": {arm: bool(v[number]) for arm, v in trials.solved.items()}}
    if trials.missing:
        yield {"record": "trial", "missing": dict(trials.missing)}
