"""Intervention records to evidence. The format is in `lines`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ...types import Episode
from ..ask.actions import LATE, parting
from ..ask.manifest import NO_FUTURE, Capability
from ..ask.protocol import Terms
from ..ask.twin import FACTUAL, Mode, twin
from ..card.card import Card, card_of
from ..evidence import Trials
from ..log import Score
from ..metrics import Answers, Effects, Evidence, Foresight, discover
from ..scoring.interventions import stated
from ..sufficiency import lacking
from .checks import check, unproven
from .head import Sheet, read_lines
from .lines import Line, told

KNOWN = frozenset({"episodes", "foresight", "effects", "answers", "trials"})
LOST = frozenset({"success.steps", "success.held"})
"""scores that need more of an episode than its outcome"""
CONTROLS = ("own", "swapped", "frozen", "sham", "blocked")
ARMS = ("own", "swapped", "sham", "oracle", "truth", "imagination", "chance")
States = Mapping[str, ndarray]


@dataclass(frozen=True, eq=False)
class Records:
    """What a file of records holds."""

    terms: Terms
    evidence: Evidence
    imagines: bool | None = None
    late: Effects | None = None
    """of actions that part half way, if the file holds them"""
    lacking: tuple[str, ...] = ()
    """what they lack for a verdict in the model's favour"""

    def card(self, mode: Mode = "interventional") -> Card:
        """The card of the model."""
        return card_of(self.evidence.model, self.evidence.spec.task, self.scores(mode), self.capabilities(),
                       replace(self.terms, mode=mode), self.lacking)

    def capabilities(self) -> tuple[Capability, ...]:
        """What the file says that the model does when it acts; nothing if it does not say."""
        said = "said by the records" if self.imagines else NO_FUTURE
        return () if self.imagines is None else (Capability("plan", self.imagines, said),)

    def scores(self, mode: Mode = "interventional") -> tuple[Score, ...]:
        """Every metric that can be computed from records; what needs pictures, clocks or whole episodes is not among them."""
        metrics = [m for m in discover().values() if set(m.needs) <= KNOWN and not m.name.startswith("latency")]
        effects = self.evidence.effects
        asked = replace(self.evidence, effects=twin(effects)) if effects is not None and mode == "twin" else self.evidence
        onset = self.evidence if self.late is None else replace(self.evidence, effects=self.late)
        return tuple(stated(score, self.terms.samples) for metric in metrics
                     for score in metric(onset if metric.name == "onset" else asked) if score.metric not in LOST)


def load(path: str | Path) -> Records:
    """Read a file of records.

    Raises:
        DataError: naming the line and the field: no JSON, another version, unknown names, horizons that do not match, numbers
            that are not finite, branches that are missing or told twice, units and truths that contradict each other.
    """
    sheet = read_lines(Path(path))
    failures = [f"the model failed at {line.where.rpartition(', ')[2]}: {line.word('error')}" for line in sheet.lines["error"]]
    effects, late = (None if failures else _effects(sheet, kind) for kind in ("effect", "late"))
    answers = _answers(sheet)
    episodes, foresight = _episodes(sheet)
    none = NO_FUTURE if sheet.imagines is False else ""
    check(sheet, effects, late, answers, foresight)
    missing = {"effects": failures[0] if failures else none or "the records hold no effects",
               "answers": none or "the records hold no answers", "episodes": "the records hold no episodes",
               "foresight": none or "the records hold no plans", "trials": none or "the records hold no trials"}
    missing |= {need: why for need, why in sheet.missing.items() if why and not (need == "effects" and failures)}
    evidence = Evidence(sheet.model, sheet.spec, episodes, foresight=foresight, effects=effects, answers=answers,
                        trials=_trials(sheet), scales=dict(sheet.terms.scales), missing=missing)
    return Records(sheet.terms, evidence, sheet.imagines, late, lacking(evidence, sheet.terms) + unproven(sheet, evidence))


def _grid(sheet: Sheet, kind: str, sides: Sequence[str]) -> tuple[list[str], dict[tuple[str, str], Line], dict[str, Any]]:
    """Contexts in order of appearance, the line of every branch, and arrays per side and entity [C, K, T, D]."""
    entities, terms = sheet.spec.entities, sheet.terms
    allowed = (FACTUAL, *LATE) if kind == "late" else terms.actions
    found: dict[tuple[str, str], Line] = {}
    for line in sheet.lines[kind]:
        key = line.word("context"), line.word("action")
        if key[1] not in allowed:
            raise line.fault("an action that the protocol does not name", "action", list(allowed), key[1])
        if key in found:
            raise line.fault(f"context {key[0]} tells its action {key[1]} twice", "context, action", "each branch once",
                             f"again as on {found[key].where}")
        found[key] = line
    groups: dict[str, list[Line]] = {}
    for (context, _), line in found.items():
        groups.setdefault(context, []).append(line)
    contexts, there = list(groups), {name for _, name in found}
    kinds = [name for name in allowed if kind == "effect" or name in there]
    for context, lines in groups.items():
        lacking = [name for name in kinds if (context, name) not in found]
        if lacking:
            raise lines[0].fault(f"context {context} lacks branches", "action", f"every action of the protocol: {kinds}",
                                 f"without {lacking}",
                                 "add them; if the model failed there, a record of kind error tells so and where")
        if told(lines, "stratum") and len({line.word("stratum") for line in lines}) > 1:
            raise lines[-1].fault(f"context {context} is of two strata", "stratum", lines[0].word("stratum"),
                                  [line.word("stratum") for line in lines])
    steps = len(terms.offsets)
    ordered = [found[c, k] for c in contexts for k in kinds]

    def table(values: list[States]) -> dict[str, ndarray]:
        whole = {e.name: np.stack([value[e.name] for value in values]) for e in entities}
        return {name: value.reshape(len(contexts), len(kinds), *value.shape[1:]) for name, value in whole.items()}

    arrays: dict[str, Any] = {side: table([line.states(side, entities, steps) for line in ordered])
                              for side in sides} if contexts else {}
    if contexts:
        starts = table([line.states("start", entities, None) for line in ordered])
        other = np.any([(value != value[:, :1]).any(-1) for value in starts.values()], axis=0)
        for c, k in np.argwhere(other)[:1]:
            raise found[contexts[c], kinds[k]].fault(f"context {contexts[c]} does not start from one state", "start",
                                                     "the same start for all", f"another for {kinds[k]}")
        arrays["start"] = {name: value[:, 0] for name, value in starts.items()}
        arrays["kinds"], arrays["strata"] = tuple(kinds), tuple(str(found[c, kinds[0]].table.get("stratum") or "all")
                                                                for c in contexts)
    return contexts, found, arrays


def _effects(sheet: Sheet, kind: str) -> Effects | None:
    read, unsure, placed = (told(sheet.lines[kind], name) for name in ("ceiling", "uncertainty", "step"))
    contexts, found, arrays = _grid(sheet, kind, ("imagined", "real", *(("ceiling",) if read else ())))
    if not contexts:
        return None
    guesses = np.array([[found[c, k].number("uncertainty") for k in arrays["kinds"]] for c in contexts]) if unsure else None
    steps = np.array([found[c, arrays["kinds"][0]].whole("step", 0) for c in contexts]) if placed else None
    return Effects(arrays["start"], arrays["imagined"], arrays["real"], sheet.terms.offsets, arrays["kinds"], arrays["strata"],
                   arrays.get("ceiling"), sheet.noise, guesses, steps, parting(sheet.terms.horizon))


def _answers(sheet: Sheet) -> Answers | None:
    contexts, _, arrays = _grid(sheet, "answer", ("offered", "consequence"))
    known = frozenset(contexts)
    controls: dict[str, dict[str, States]] = {}
    for line in sheet.lines["control"]:
        name, context = line.word("control"), line.word("context")
        rows = controls.setdefault(name, {})
        if name not in CONTROLS:
            raise line.fault("a control that the protocol does not name", "control", list(CONTROLS), name)
        if context not in known:
            raise line.fault("a control in a context without answers", "context", "a context of the answers", context)
        if context in rows:
            raise line.fault(f"context {context} tells its control {name} twice", "control", "each once", name)
        rows[context] = line.states("consequence", sheet.spec.entities, len(sheet.terms.offsets))
    for name, rows in controls.items():
        if len(rows) < len(contexts):
            line = next(line for line in sheet.lines["control"] if line.word("control") == name)
            raise line.fault(f"control {name} is not told in every context", "context", contexts, list(rows))
    whole = {name: {e.name: np.stack([rows[c][e.name] for c in contexts]) for e in sheet.spec.entities}
             for name, rows in controls.items()}
    return None if not contexts else Answers(arrays["start"], arrays["offered"], arrays["consequence"], sheet.terms.offsets,
                                             arrays["kinds"], arrays["strata"], whole)


def _episodes(sheet: Sheet) -> tuple[tuple[Episode, ...] | None, Foresight | None]:
    """Episodes of which only the outcome is known, and their plans."""
    names: dict[str, Line] = {}
    for line in sheet.lines["episode"]:
        if line.word("episode") in names:
            raise line.fault("an episode is told twice", "episode", "each episode once", line.word("episode"))
        names[line.word("episode")] = line
    if not names and not sheet.lines["plan"]:
        return None, None
    episodes = tuple(_outcome(sheet.terms.task, line) for line in names.values())
    place = {name: number for number, name in enumerate(names)}
    sides = ("imagined", "real", "ceiling") if told(sheet.lines["plan"], "ceiling") else ("imagined", "real")
    rows: dict[str, list[States]] = {side: [] for side in ("start", *sides)}
    owner, chunk = [], []
    for number, line in enumerate(sheet.lines["plan"]):
        if line.word("episode") not in place:
            raise line.fault("a plan of an episode that is not told", "episode", "a record of that episode",
                             line.word("episode"))
        steps = line.steps("real", sheet.spec.entities[0])
        start = line.states("start", sheet.spec.entities, None)
        rows["start"].append({name: np.repeat(value[None], steps, 0) for name, value in start.items()})
        for side in sides:
            rows[side].append(line.states(side, sheet.spec.entities, steps))
        owner += [place[line.word("episode")]] * steps
        chunk += [number] * steps
    if not owner:
        return episodes, None
    joined = {side: {e.name: np.concatenate([one[e.name] for one in parts]) for e in sheet.spec.entities}
              for side, parts in rows.items()}
    lines = list(names.values())
    hoped, seen = (np.array([line.flag(name) for line in lines], bool) if told(lines, name) else None
                   for name in ("imagined_success", "read_success"))
    return episodes, Foresight(np.array(owner), np.array(chunk), joined["start"], joined["imagined"], joined["real"],
                               joined.get("ceiling"), hoped, seen)


def _trials(sheet: Sheet) -> Trials | None:
    """Outcomes of the same starts in several arms."""
    starts: dict[str, dict[str, bool]] = {}
    missing: dict[str, str] = {}
    for line in sheet.lines["trial"]:
        if "missing" in line.table:
            if "solved" in line.table:
                raise line.fault("a trial is told and missing", "missing", "solved or missing", "both")
            missing |= line.words("missing")
            _known(line, "missing", missing)
            continue
        name, solved = line.word("start"), line.flags("solved")
        _known(line, "solved", solved)
        if name in starts:
            raise line.fault("a start is told twice", "start", "each start once", name)
        if starts and solved.keys() != next(iter(starts.values())).keys():
            raise line.fault("the starts were not tried in the same arms", "solved", sorted(next(iter(starts.values()))),
                             sorted(solved))
        starts[name] = solved
    if not starts and not missing:
        return None
    arms = next(iter(starts.values()), {})
    for line in sheet.lines["trial"]:
        if both := sorted(arms.keys() & line.words("missing").keys() if "missing" in line.table else ()):
            raise line.fault("an arm is said to be missing but is told", "missing", "arms that no start was tried in", both)
    return Trials({arm: np.array([row[arm] for row in starts.values()], bool) for arm in arms}, missing)


def _known(line: Line, name: str, arms: Mapping[str, object]) -> None:
    for arm in arms:
        if arm not in ARMS:
            raise line.fault("an arm that the protocol does not name", name, list(ARMS), arm)


def _outcome(task: str, line: Line) -> Episode:
    solved, before = line.flag("solved"), line.flag("solved_at_start")
    if solved is None:
        raise line.fault("solved is missing", "solved", "true or false", None)
    success = np.array([bool(before), solved])
    return Episode(task, "", {"main": np.zeros((2, 1, 1, 3), np.uint8)}, np.zeros((2, 0), np.float32),
                   np.zeros((1, 0), np.float32), success)
