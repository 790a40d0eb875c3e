"""What one line of records cannot show: units, copies, truths and gaps that contradict each other.

Records are a sender's word. Nothing here proves them; it refuses what cannot all be so, because its numbers would mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy import ndarray

from ..metric import positions, sigma
from ..metrics import Answers, Effects, Evidence, Foresight
from ..sufficiency import WORDS
from .head import Sheet
from .lines import Line
from .states import SIDES

APART = 5.0
"""stated and recomputed sigma may differ by this factor: sigma is over all steps, and records hold only those at the offsets"""
FAR = 1e6
"""sigma; no state is farther from its start"""
SAME = 1e-3
"""of the tolerance; states that are nearer to each other are one"""
EQUAL = 1e-6
"""of the true motion's energy; nearer to the truth, an imagination is a copy of it, or the truth one of the imagination; and a
consequence one of what was offered"""
OWNER = {"effect": ("context", "action"), "late": ("context", "action"), "answer": ("context", "action"),
         "plan": ("episode", "chunk")}
Moves = Mapping[str, ndarray]


def check(sheet: Sheet, effects: Effects | None, late: Effects | None, answers: Answers | None,
          plans: Foresight | None) -> None:
    """Refuse records that contradict themselves. What could not be read as evidence (None) is not looked at.

    Raises:
        DataError: naming line and field.
    """
    kinds = [kind for kind, made in (("effect", effects), ("late", late), ("answer", answers), ("plan", plans))
             if made is not None]
    _gaps(sheet)
    _contexts(sheet, kinds)
    units = _units(sheet, effects, late, answers, plans)
    for kind in kinds:
        _near(sheet, kind, units)
        _copies(sheet, kind)
    if effects is not None and answers is not None:
        _truths(sheet)
    _noise(sheet, effects, units)


def _gaps(sheet: Sheet) -> None:
    """What is said to be missing must not be there."""
    there = {"effects": "effect", "answers": "answer", "foresight": "plan", "episodes": "episode"}
    found: dict[str, Line | None] = {need: next(iter(sheet.lines[kind]), None) for need, kind in there.items()}
    found["trials"] = next((line for line in sheet.lines["trial"] if "solved" in line.table), None)
    for need, line in found.items():
        if need in sheet.missing and line is not None:
            raise sheet.head.fault(f"{need} are said to be missing but are told", "missing", f"no reason for {need}",
                                   f"{sheet.missing[need]!r}, and {line.where}", "leave out the reason, or the records")
    if sheet.imagines is False and sheet.lines["plan"]:
        raise sheet.head.fault("a model that imagines nothing when it acts has no plans", "imagines", "true, or no plans",
                               f"false, and {sheet.lines['plan'][0].where}", "say true, or leave out the plans")


def _contexts(sheet: Sheet, kinds: Sequence[str]) -> None:
    names: dict[str, dict[str, int]] = {kind: {} for kind in kinds if kind in ("effect", "answer")}
    for kind, found in names.items():
        for number, (name,) in enumerate(sheet.lines[kind].words("context")):
            found.setdefault(name, number)
    for kind, found in names.items():
        if len(found) != sheet.terms.contexts:
            raise sheet.head.fault(f"the records of kind {kind} are not of as many contexts as stated", "contexts", len(found),
                                   sheet.terms.contexts, "tell all contexts that were asked; a record of kind error tells "
                                   "where the model failed")
    if len(names) == 2:
        for name in sorted(names["answer"].keys() - names["effect"].keys()):
            raise sheet.lines["answer"][names["answer"][name]].fault("an answer in a context without effects", "context",
                                                                     "a context of the effects", name)


def _units(sheet: Sheet, effects: Effects | None, late: Effects | None, answers: Answers | None,
           plans: Foresight | None) -> dict[str, float]:
    """Sigma per entity, as stated if it can be."""
    sources: list[Moves] = [_moves(e.start, e.real) for e in (effects,) if e is not None]
    sources += [_moves(a.start, a.offered) for a in (answers,) if a is not None]
    sources += [_moves(e.start, e.real) for e in (late,) if e is not None]
    whole = bool(sources)
    sources += [{name: plans.real[name] - start for name, start in plans.start.items()}] if plans is not None else []
    stated = dict(sheet.terms.scales)
    if not sources:
        return stated or {e.name: e.tolerance for e in sheet.spec.entities}
    found = {e.name: sigma(e, sources[0][e.name]) for e in sheet.spec.entities}
    for entity in sheet.spec.entities:
        own, given = found[entity.name], stated.get(entity.name)
        # plans alone are not what sigma is taken over: a policy may hardly touch a thing, so their largest motion bounds it
        most = own if whole else max(own, float(np.abs(sources[0][entity.name][..., :positions(entity)]).max()))
        if given is not None and not own / APART <= given <= most * APART:
            raise sheet.head.fault(f"the scale of {entity.name} is not that of its true displacements", "scales",
                                   f"{own:.6g}, or up to {APART:g} times more or less", f"{given:g}",
                                   "state sigma as the protocol defines it, or leave the scales out")
    return stated or found


def _moves(start: Moves, real: Moves) -> Moves:
    return {name: value - start[name][:, None, None] for name, value in real.items()}


def _near(sheet: Sheet, kind: str, units: Mapping[str, float]) -> None:
    lines, edges = sheet.lines[kind], np.cumsum([0, *(len(e.channels) for e in sheet.spec.entities)])
    for side in SIDES[kind]:
        states = lines.states[side]
        if not len(states.block):
            continue
        owner = np.repeat(np.arange(len(lines)), states.count)
        away = np.abs(states.block - lines.states["start"].rows(owner))
        for entity, edge in zip(sheet.spec.entities, edges, strict=False):
            far = away[:, edge:edge + positions(entity)].max(1)
            if far.max() > FAR * units[entity.name]:
                row = int((far > FAR * units[entity.name]).argmax())
                raise lines[owner[row]].fault(
                    f"{side} of {entity.name} is out of this world", side, f"within {FAR:g} sigma of its start",
                    f"{far[row]:g} away, with sigma {units[entity.name]:g}", "mend the state, or its unit")


def _copies(sheet: Sheet, kind: str) -> None:
    """The same numbers under another name are no further unit of the statistics."""
    (owner, part), lines = OWNER[kind], sheet.lines[kind]
    groups: dict[str, dict[str, int]] = {}
    for number, (name, key) in enumerate(lines.words(owner, part)):
        parts = groups.setdefault(name, {})
        if key in parts:
            raise lines[number].fault(f"{owner} {name} tells its {part} {key} twice", part, "each once",
                                      f"again as on {lines[parts[key]].where}", "leave one out")
        parts[key] = number
    unit = np.concatenate([np.full(len(e.channels), SAME * e.tolerance) for e in sheet.spec.entities])
    sides = [lines.states[side] for side in ("start", *SIDES[kind]) if side != "ceiling"]
    seen: dict[bytes, str] = {}
    for name, parts in groups.items():
        numbers = np.array(list(parts.values()) if kind == "plan" else [parts[key] for key in sorted(parts)])
        told = np.concatenate([states.rows(numbers) for states in sides])
        content = blake2b((np.round(told / unit) + 0.0).tobytes(), digest_size=16).digest()
        if content in seen:
            raise lines[numbers[0]].fault(f"{owner} {name} is {owner} {seen[content]} under another name", owner,
                                          f"every {owner} once", f"start and futures as those of {seen[content]}",
                                          f"leave out the copy, and count each {owner} once")
        seen[content] = name


def _truths(sheet: Sheet) -> None:
    """What is offered is what really comes of that action in that context."""
    answers, effects = sheet.lines["answer"], sheet.lines["effect"]
    there = {key: number for number, key in enumerate(effects.words("context", "action"))}
    pairs = np.array([(number, there[key]) for number, key in enumerate(answers.words("context", "action")) if key in there])
    if not len(pairs):
        return
    slack = np.concatenate([np.full(len(e.channels), SAME * e.tolerance) for e in sheet.spec.entities])
    for side, true in (("start", "start"), ("offered", "real")):
        one, two = answers.states[side].rows(pairs[:, 0]), effects.states[true].rows(pairs[:, 1])
        wrong = (np.abs(one - two) > slack + 1e-6 * np.abs(two)).reshape(len(pairs), -1, len(slack))
        if wrong.any():
            number, _, column = np.argwhere(wrong)[0]
            mine, other = answers[pairs[number, 0]], effects[pairs[number, 1]]
            width = np.cumsum([len(e.channels) for e in sheet.spec.entities])
            name = sheet.spec.entities[int(np.searchsorted(width, column, "right"))].name
            raise mine.fault(f"{side} of {name} is not what its effect tells", side,
                             f"{true} on {other.where}: {other.table[true].tolist()}", mine.table[side].tolist(),
                             "offer the true future of that action from that saved state")


def _noise(sheet: Sheet, effects: Effects | None, units: Mapping[str, float]) -> None:
    """A readout's noise is no larger than the largest displacement that it reads anywhere, or else than sigma."""
    for entity in sheet.spec.entities:
        read = None if effects is None or effects.ceiling is None else _moves(effects.start, effects.ceiling)[entity.name]
        seen = 0.0 if read is None else float(np.linalg.norm(read[..., :positions(entity)], axis=-1).max())
        most = max(units[entity.name], seen)
        if sheet.noise.get(entity.name, 0.0) > most * (1 + 1e-6):
            raise sheet.head.fault(f"the readout's noise of {entity.name} is larger than what it reads", "noise",
                                   f"at most {most:g} (sigma, or the largest displacement among the ceilings)",
                                   f"{sheet.noise[entity.name]:g}", "state the noise where nothing moves, or leave it out")



def unproven(sheet: Sheet, evidence: Evidence) -> tuple[str, ...]:
    """What a sender's records lack beside the evidence's own minimum: contexts numbered before they were asked, and
    imaginations and consequences that are not the truth and the offer themselves."""
    effects, answers = evidence.effects, evidence.answers
    found, names = [], list(dict.fromkeys(name for name, in sheet.lines["effect"].words("context")))
    if {*names} not in ({*map(str, range(first, first + len(names)))} for first in (0, 1)):
        found.append(f"the contexts are not numbered from 0 without gaps, as they were drawn: {', '.join(names[:6])}, ...")
    if effects is not None and _copied(sheet, effects.start, effects.imagined, effects.real):
        found.append("what was imagined is what truly happened, to the last digits: no measured truth is that near to an "
                     "imagination")
    if answers is not None and _copied(sheet, answers.start, answers.consequence, answers.offered):
        found.append("what came of the answers is what was offered, to the last digits: nobody does what is shown that exactly")
    return tuple(WORDS + why for why in found)


def _copied(sheet: Sheet, start: Moves, made: Moves, true: Moves) -> bool:
    names = [e.name for e in sheet.spec.of_group("robot", "object", "articulation") if e.name in true]
    left = sum(float(((made[name] - true[name]) ** 2).sum()) for name in names)
    size = sum(float(((true[name] - start[name][:, None, None]) ** 2).sum()) for name in names)
    return size > 0 and left < EQUAL * size
