"""Intervention records to evidence. The format is in `lines`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
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
from .columns import Lines
from .head import Sheet, read_lines
from .outcomes import outcome, solved

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


def _grid(sheet: Sheet, kind: str, sides: Sequence[str]) -> tuple[list[str], ndarray, dict[str, Any]]:
    """Contexts in order of appearance, the record of every branch [C, K], and arrays per side and entity [C, K, T, D]."""
    lines, terms = sheet.lines[kind], sheet.terms
    allowed = (FACTUAL, *LATE) if kind == "late" else terms.actions
    groups: dict[str, dict[str, int]] = {}
    for number, (context, action) in enumerate(lines.words("context", "action")):
        if action not in allowed:
            raise lines[number].fault("an action that the protocol does not name", "action", list(allowed), action)
        parts = groups.setdefault(context, {})
        if action in parts:
            raise lines[number].fault(f"context {context} tells its action {action} twice", "context, action",
                                      "each branch once", f"again as on {lines[parts[action]].where}")
        parts[action] = number
    there = {action for parts in groups.values() for action in parts}
    kinds = [name for name in allowed if kind == "effect" or name in there]
    strata = [_stratum(lines, context, parts, kinds) for context, parts in groups.items()]
    order = np.array([[parts[name] for name in kinds] for parts in groups.values()], np.int64)
    if not groups:
        return [], order, {}

    def table(side: str, steps: int) -> dict[str, ndarray]:
        return {name: value.reshape(*order.shape, steps, -1)
                for name, value in lines.gather(side, order.ravel(), steps).items()}

    arrays: dict[str, Any] = {side: table(side, len(terms.offsets)) for side in sides}
    starts = {name: value[:, :, 0] for name, value in table("start", 1).items()}
    other = np.any([(value != value[:, :1]).any(-1) for value in starts.values()], axis=0)
    for c, k in np.argwhere(other)[:1]:
        context = list(groups)[c]
        raise lines[order[c, k]].fault(f"context {context} does not start from one state", "start", "the same start for all",
                                       f"another for {kinds[k]}")
    arrays["start"] = {name: value[:, 0] for name, value in starts.items()}
    arrays["kinds"], arrays["strata"] = tuple(kinds), tuple(strata)
    return list(groups), order, arrays


def _stratum(lines: Lines, context: str, parts: Mapping[str, int], kinds: Sequence[str]) -> str:
    """The stratum of a context, all of whose branches must be there."""
    numbers = list(parts.values())
    lacking = [name for name in kinds if name not in parts]
    if lacking:
        raise lines[numbers[0]].fault(f"context {context} lacks branches", "action", f"every action of the protocol: {kinds}",
                                      f"without {lacking}",
                                      "add them; if the model failed there, a record of kind error tells so and where")
    if not lines.told("stratum", numbers):
        return "all"
    strata = [lines.word("stratum", number) for number in numbers]
    if len(set(strata)) > 1:
        raise lines[numbers[-1]].fault(f"context {context} is of two strata", "stratum", strata[0], strata)
    return strata[0]


def _effects(sheet: Sheet, kind: str) -> Effects | None:
    lines = sheet.lines[kind]
    read, unsure, placed = (lines.told(name) for name in ("ceiling", "uncertainty", "step"))
    contexts, order, arrays = _grid(sheet, kind, ("imagined", "real", *(("ceiling",) if read else ())))
    if not contexts:
        return None
    guesses = np.array([[lines[n].number("uncertainty") for n in numbers] for numbers in order]) if unsure else None
    steps = np.array([lines[n].whole("step", 0) for n in order[:, 0]]) if placed else None
    return Effects(arrays["start"], arrays["imagined"], arrays["real"], sheet.terms.offsets, arrays["kinds"], arrays["strata"],
                   arrays.get("ceiling"), sheet.noise, guesses, steps, parting(sheet.terms.horizon))


def _answers(sheet: Sheet) -> Answers | None:
    contexts, _, arrays = _grid(sheet, "answer", ("offered", "consequence"))
    known, lines = frozenset(contexts), sheet.lines["control"]
    controls: dict[str, dict[str, int]] = {}
    for number, (name, context) in enumerate(lines.words("control", "context")):
        rows = controls.setdefault(name, {})
        if name not in CONTROLS:
            raise lines[number].fault("a control that the protocol does not name", "control", list(CONTROLS), name)
        if context not in known:
            raise lines[number].fault("a control in a context without answers", "context", "a context of the answers", context)
        if context in rows:
            raise lines[number].fault(f"context {context} tells its control {name} twice", "control", "each once", name)
        rows[context] = number
    steps, whole = len(sheet.terms.offsets), {}
    for name, rows in controls.items():
        if len(rows) < len(contexts):
            first = lines[min(rows.values())]
            raise first.fault(f"control {name} is not told in every context", "context", contexts, list(rows))
        found = lines.gather("consequence", np.array([rows[c] for c in contexts]), steps)
        whole[name] = {entity: value.reshape(len(contexts), steps, -1) for entity, value in found.items()}
    return None if not contexts else Answers(arrays["start"], arrays["offered"], arrays["consequence"], sheet.terms.offsets,
                                             arrays["kinds"], arrays["strata"], whole)


def _episodes(sheet: Sheet) -> tuple[tuple[Episode, ...] | None, Foresight | None]:
    """Episodes of which only the outcome is known, and their plans."""
    lines, plans = sheet.lines["episode"], sheet.lines["plan"]
    place: dict[str, int] = {}
    for number, (name,) in enumerate(lines.words("episode")):
        if name in place:
            raise lines[number].fault("an episode is told twice", "episode", "each episode once", name)
        place[name] = number
    if not place and not plans:
        return None, None
    ending = cache(partial(outcome, sheet.terms.task))  # there are four outcomes, however many episodes
    episodes = tuple(ending(*solved(line)) for line in lines)
    if not plans:
        return episodes, None
    owner = []
    for number, (name,) in enumerate(plans.words("episode")):
        if name not in place:
            raise plans[number].fault("a plan of an episode that is not told", "episode", "a record of that episode", name)
        owner.append(place[name])
    count, order = plans.lengths("real"), np.arange(len(plans))
    chunk = np.repeat(order, count)
    sides = ("imagined", "real", "ceiling") if plans.told("ceiling") else ("imagined", "real")
    start = {name: value[chunk] for name, value in plans.gather("start", order, 1).items()}
    joined = {side: plans.gather(side, order, count) for side in sides}
    hoped, seen = (np.array([line.flag(name) for line in lines], bool) if lines.told(name) else None
                   for name in ("imagined_success", "read_success"))
    return episodes, Foresight(np.array(owner)[chunk], chunk, start, joined["imagined"], joined["real"],
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
