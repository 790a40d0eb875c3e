"""Intervention records to evidence and back. The format is in `record_lines`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ..data.atomic import make_folder, write_whole
from ..errors import DataError
from ..types import Episode
from .actions import parting
from .log import Score
from .manifest import Capability
from .metrics import Answers, Effects, Evidence, Foresight, discover
from .protocol import VERSION, Terms
from .record_lines import Line, Sheet, read_lines
from .score import NO_FUTURE

KNOWN = frozenset({"episodes", "foresight", "effects", "answers"})
LOST = frozenset({"success.steps", "success.held"})
"""scores that need more of an episode than its outcome"""
States = Mapping[str, ndarray]


@dataclass(frozen=True, eq=False)
class Records:
    """What a file of records holds."""

    terms: Terms
    evidence: Evidence
    imagines: bool | None = None

    def capabilities(self) -> tuple[Capability, ...]:
        """What the file says that the model does when it acts; nothing if it does not say."""
        said = "said by the records" if self.imagines else NO_FUTURE
        return () if self.imagines is None else (Capability("plan", self.imagines, said),)

    def scores(self) -> tuple[Score, ...]:
        """Every metric that can be computed from records; what needs pictures, clocks or whole episodes is not among them."""
        metrics = [m for m in discover().values() if set(m.needs) <= KNOWN and not m.name.startswith("latency")]
        return tuple(score for metric in metrics for score in metric(self.evidence) if score.metric not in LOST)


def load(path: str | Path) -> Records:
    """Read a file of records.

    Raises:
        DataError: naming the line and the field: no JSON, another version, unknown entities or actions, horizons that do not
            match, numbers that are not finite, branches that are missing or told twice.
    """
    sheet = read_lines(Path(path))
    failures = [f"the model failed at {line.where.rpartition(', ')[2]}: {line.word('error')}" for line in sheet.lines["error"]]
    effects = None if failures else _effects(sheet)
    answers = _answers(sheet)
    episodes, foresight = _episodes(sheet)
    none = NO_FUTURE if sheet.imagines is False else ""
    missing = {"effects": failures[0] if failures else none or "the records hold no effects",
               "answers": none or "the records hold no answers", "episodes": "the records hold no episodes",
               "foresight": none or "the records hold no plans"}
    evidence = Evidence(sheet.model, sheet.spec, episodes, foresight=foresight, effects=effects, answers=answers,
                        scales=dict(sheet.terms.scales), missing=missing)
    return Records(sheet.terms, evidence, sheet.imagines)


def _grid(sheet: Sheet, kind: str, sides: Sequence[str]) -> tuple[list[str], dict[tuple[str, str], Line], dict[str, Any]]:
    """Contexts in order of appearance, the line of every branch, and arrays per side and entity [C, K, T, D]."""
    entities, terms = sheet.spec.entities, sheet.terms
    found: dict[tuple[str, str], Line] = {}
    for line in sheet.lines[kind]:
        key = line.word("context"), line.word("action")
        if key[1] not in terms.actions:
            raise line.fault("an action that the protocol does not name", "action", list(terms.actions), key[1])
        if key in found:
            raise line.fault(f"context {key[0]} tells its action {key[1]} twice", "context, action", "each branch once",
                             f"again as on {found[key].where}")
        found[key] = line
    contexts = list(dict.fromkeys(context for context, _ in found))
    kinds = [name for name in terms.actions if kind == "effect" or any((c, name) in found for c in contexts)]
    for context in contexts:
        lacking = [name for name in kinds if (context, name) not in found]
        if lacking:
            raise DataError(f"context {context} lacks branches", where=f"{sheet.path}, records of kind {kind}",
                            expected=f"every action of the protocol: {kinds}", got=f"without {lacking}",
                            fix="add them, or leave the context out")
    steps = len(terms.offsets)
    cells = {side: [[found[c, k].states(side, entities, steps) for k in kinds] for c in contexts] for side in sides}
    arrays: dict[str, Any] = {side: {e.name: np.stack([np.stack([cell[e.name] for cell in row]) for row in rows])
                                     for e in entities} for side, rows in cells.items()} if contexts else {}
    if contexts:
        starts = [[found[c, k].states("start", entities, None) for k in kinds] for c in contexts]
        for c, row in zip(contexts, starts, strict=True):
            for k, one in zip(kinds, row, strict=True):
                if any((one[e.name] != row[0][e.name]).any() for e in entities):
                    raise found[c, k].fault(f"context {c} does not start from one state", "start", "the same start for all",
                                            f"another for {k}")
        arrays["start"] = {e.name: np.stack([row[0][e.name] for row in starts]) for e in entities}
        arrays["kinds"], arrays["strata"] = tuple(kinds), tuple(str(found[c, kinds[0]].table.get("stratum", "all"))
                                                                for c in contexts)
    return contexts, found, arrays


def _effects(sheet: Sheet) -> Effects | None:
    contexts, found, arrays = _grid(sheet, "effect", ("imagined", "real"))
    if not contexts:
        return None
    told = [[found[c, k].table.get("uncertainty") for k in arrays["kinds"]] for c in contexts]
    unsure = np.array(told, np.float64) if all(isinstance(u, float | int) for row in told for u in row) else None
    return Effects(arrays["start"], arrays["imagined"], arrays["real"], sheet.terms.offsets, arrays["kinds"], arrays["strata"],
                   noise=sheet.noise, uncertainty=unsure, onset=parting(sheet.terms.horizon))


def _answers(sheet: Sheet) -> Answers | None:
    contexts, _, arrays = _grid(sheet, "answer", ("offered", "consequence"))
    controls: dict[str, dict[str, States]] = {}
    for line in sheet.lines["control"]:
        found = controls.setdefault(line.word("control"), {})
        found[line.word("context")] = line.states("consequence", sheet.spec.entities, len(sheet.terms.offsets))
    whole = {name: {e.name: np.stack([rows[c][e.name] for c in contexts]) for e in sheet.spec.entities}
             for name, rows in controls.items() if rows.keys() == set(contexts)}
    return None if not contexts else Answers(arrays["start"], arrays["offered"], arrays["consequence"], sheet.terms.offsets,
                                             arrays["kinds"], arrays["strata"], whole)


def _episodes(sheet: Sheet) -> tuple[tuple[Episode, ...] | None, Foresight | None]:
    """Episodes of which only the outcome is known, and their plans."""
    names: dict[str, Line] = {}
    for line in sheet.lines["episode"]:
        if line.word("episode") in names:
            raise line.fault("an episode is told twice", "episode", "each episode once", line.word("episode"))
        names[line.word("episode")] = line
    if not names:
        return None, None
    episodes = tuple(_outcome(sheet.terms.task, line) for line in names.values())
    place = {name: number for number, name in enumerate(names)}
    rows: dict[str, list[States]] = {"start": [], "imagined": [], "real": []}
    owner, chunk = [], []
    for number, line in enumerate(sheet.lines["plan"]):
        if line.word("episode") not in place:
            raise line.fault("a plan of an episode that is not told", "episode", "a record of that episode",
                             line.word("episode"))
        first = line.table.get("real")
        values = first.get(sheet.spec.entities[0].name) if isinstance(first, dict) else None
        steps = len(values) if isinstance(values, list) else 0
        start = line.states("start", sheet.spec.entities, None)
        made, real = (line.states(side, sheet.spec.entities, steps) for side in ("imagined", "real"))
        rows["start"].append({name: np.repeat(value[None], steps, 0) for name, value in start.items()})
        rows["imagined"].append(made)
        rows["real"].append(real)
        owner += [place[line.word("episode")]] * steps
        chunk += [number] * steps
    if not owner:
        return episodes, None
    joined = {side: {e.name: np.concatenate([one[e.name] for one in parts]) for e in sheet.spec.entities}
              for side, parts in rows.items()}
    hoped = [line.flag("imagined_success") for line in names.values()]
    imagined = None if None in hoped else np.array(hoped, bool)
    return episodes, Foresight(np.array(owner), np.array(chunk), joined["start"], joined["imagined"], joined["real"], None,
                               imagined)


def _outcome(task: str, line: Line) -> Episode:
    solved, before = line.flag("solved"), line.flag("solved_at_start")
    if solved is None:
        raise line.fault("solved is missing", "solved", "true or false", None)
    success = np.array([bool(before), solved])
    return Episode(task, "", {"main": np.zeros((2, 1, 1, 3), np.uint8)}, np.zeros((2, 0), np.float32),
                   np.zeros((1, 0), np.float32), success)


def save(path: str | Path, terms: Terms, evidence: Evidence, imagines: bool | None = None) -> Path:
    """Write evidence as records, so that another implementation can judge the same model.

    Raises:
        DataError: if the file cannot be written.
    """
    names = None if evidence.effects is None else set(evidence.effects.imagined)
    entities = [asdict(e) for e in evidence.spec.entities if names is None or e.name in names]
    head = terms.to_json() | {"record": "protocol", "version": VERSION, "model": evidence.model, "entities": entities,
                              "imagines": imagines, "noise": dict(evidence.effects.noise) if evidence.effects else {}}
    text = "\n".join(json.dumps(row, allow_nan=False) for row in (head, *_lines(evidence, [e["name"] for e in entities])))
    make_folder(Path(path).parent)
    write_whole(Path(path), (text + "\n").encode())
    return Path(path)


def _lines(evidence: Evidence, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    def at(values: States, *place: int) -> dict[str, Any]:
        return {name: values[name][place].tolist() for name in names}

    sources = (("effect", evidence.effects, "imagined", "real"), ("answer", evidence.answers, "offered", "consequence"))
    for record, source, one, two in sources:
        for c in range(0 if source is None else len(source.strata)):
            for k, action in enumerate(source.kinds if source is not None else ()):
                yield {"record": record, "context": str(c), "action": action, "stratum": vars(source)["strata"][c],
                       "start": at(vars(source)["start"], c), one: at(vars(source)[one], c, k),
                       two: at(vars(source)[two], c, k)} | _uncertain(source, c, k)
    for control, states in (evidence.answers.controls if evidence.answers is not None else {}).items():
        for c in range(len(evidence.answers.strata) if evidence.answers is not None else 0):
            yield {"record": "control", "context": str(c), "control": control, "consequence": at(states, c)}
    for number, episode in enumerate(evidence.episodes or ()):
        hoped = None if evidence.foresight is None else evidence.foresight.imagined_success
        yield {"record": "episode", "episode": str(number), "solved": episode.solved,
               "solved_at_start": bool(episode.success[0]), "imagined_success": None if hoped is None else bool(hoped[number])}
    plans = evidence.foresight
    for chunk in np.unique(plans.chunk) if plans is not None else ():
        assert plans is not None
        rows = np.flatnonzero(plans.chunk == chunk)
        yield {"record": "plan", "episode": str(int(plans.episode[rows[0]])), "chunk": int(chunk),
               "start": at(plans.start, int(rows[0])), **{side: {name: vars(plans)[side][name][rows].tolist() for name in names}
                                                          for side in ("imagined", "real")}}


def _uncertain(source: Effects | Answers | None, c: int, k: int) -> dict[str, float]:
    unsure = vars(source).get("uncertainty") if source is not None else None
    return {} if unsure is None else {"uncertainty": float(unsure[c, k])}
