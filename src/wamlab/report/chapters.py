"""Chapters made from episodes, arrays, curves and provenance, and their order on the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.store import EpisodeStore
from ..errors import WamError
from ..evaluate.log import FILE, EvalLog
from ..reading import number
from . import scores
from .figures import curves
from .films import film, pick
from .media import beside, jpeg
from .verdicts import verdicts
from .view import Figure, Film, Section, Strip

CONTEXTS, FILMS = 4, 12


def films(log: EvalLog, folder: Path) -> Section:
    """Films of successes and failures from every store whose episodes carry imagined frames."""
    title = "Imagined against executed"
    found: list[Film] = []
    reasons = []
    for name, place in log.episodes.items():
        try:
            store = EpisodeStore.open(folder / place)
            found += [film(name.replace("/", " · "), episode) for episode in pick(store[i] for i in store.indices())]
        except WamError as error:
            reasons.append(f"{name}: {error.problem}")
    if not found:
        why = "; ".join(reasons) or "no model of this run kept imagined frames"
        return Section("films", title, missing=f"unavailable: {why}")
    return Section("films", title, "Left: what happened. Right: what the model had imagined for that moment, before it "
                   "came (grey until the first imagined moment is due). Beside each film its decisions: the frame that the "
                   "model saw, the frames that it imagined and, under each, the frame that came. Chosen by the order of the "
                   "seeds: the first successes and the first failures.", films=found[:FILMS])


def counterfactual(log: EvalLog, folder: Path) -> Section:
    """From one exact state several actions: imagined frames above the true ones."""
    title = "Same state, different actions"
    names = ("context", "true", "imagined")
    missing = [name for name in names if f"counterfactual/{name}" not in log.arrays]
    if missing:
        return Section("counterfactual", title, missing="unavailable: the log holds no counterfactual branches")
    context, true, imagined = (log.arrays[f"counterfactual/{name}"] for name in names)
    facts = log.provenance.get("counterfactual", {})
    actions = facts.get("actions", [f"action {k + 1}" for k in range(true.shape[1])])
    strips = []
    for now, branches, dreams in list(zip(context, true, imagined, strict=True))[:CONTEXTS]:
        ahead = branches.shape[1]
        columns = ["now", *(label if f == 0 else "" for label in actions for f in range(ahead))]
        rows = [(label, jpeg(beside([now, *(beside(list(film), gap=0) for film in films)])))
                for label, films in (("imagined", dreams), ("true", branches))]
        strips.append(Strip(columns, rows, f"Outcomes of {len(actions)} actions from one state: imagined above, true below"))
    return Section("counterfactual", title, "The simulator is put back into exactly the same state and another action is "
                   "tried; the model imagines each. Where the upper row changes from action to action as the lower one does, "
                   "the imagination follows the action.", strips=strips)


def training(log: EvalLog, folder: Path) -> Section:
    """Curves of every model."""
    found = {name: lines for name, lines in log.curves.items() if lines}
    for name, lines in found.items():
        for curve, points in lines.items():
            for point in points if isinstance(points, list) else [points]:
                for value in point if isinstance(point, list) and len(point) == 2 else [None]:
                    number(value, f"{folder / FILE}, field curves.{name}.{curve}, a point (step, loss)")
    if not found:
        return Section("training", "Training", missing="unavailable: the log holds no training curves")
    last = "; ".join(f"{name}: {curve} loss {points[-1][1]:.4g} at step {points[-1][0]:.0f}"
                     for name, lines in found.items() for curve, points in lines.items() if len(points))
    return Section("training", "Training", "Validation is on episodes that were not trained on. Losses of different models are "
                   "sums of different terms and cannot be compared.", figures=[Figure(curves(found, last), last)])


def control_hz(log: EvalLog, folder: Path) -> float | None:
    """Control steps a second of the first store that is there."""
    for place in log.episodes.values():
        if (folder / place / "dataset.json").exists():
            return EpisodeStore.open(folder / place).task_spec.control_hz
    return None


def reproduce(log: EvalLog, folder: Path) -> Section:
    """The command, and everything that the numbers depend on."""
    facts = dict(log.provenance)
    command = str(facts.pop("command", "not recorded"))
    lines = [f"$ {command}", "", *listing(facts), *(["", "timings"] if log.timings else []), *listing(log.timings, 1)]
    return Section("reproduce", "Reproduce it", "The same command on the same hardware gives the same numbers, interrupted or "
                   "not; times differ.", listing="\n".join(lines))


def listing(facts: Mapping[str, Any], depth: int = 0) -> list[str]:
    """Nested values as indented lines; long ones in JSON."""
    lines: list[str] = []
    for key, value in facts.items():
        match value:
            case Mapping() if value:
                lines += [f"{'  ' * depth}{key}", *listing(value, depth + 1)]
            case str() | int() | float():
                lines.append(f"{'  ' * depth}{key}: {value}")
            case _:
                text = json.dumps(value, default=str)
                lines.append(f"{'  ' * depth}{key}: {text if len(text) <= 300 else text[:297] + '...'}")
    return lines


CAUSAL = ("cc.robot", "cc.object", "identification", "f2a.robot", "f2a.object", "pea", "fcs", "necessity", "planning", "dose",
          "onset", "regret")
"""drawn with the saboteurs as marks"""
CAUSAL_TOO = ("cc.robot.gain", "cc.object.gain", "cc.robot.leakage", "cc.object.leakage", "false_effect.object",
              "miss.object", "dose.robot.slope", "dose.object.slope", "null_action", "invariants", "calibration",
              "calibration.gain", "regret.tau", "f2a.swapped", "f2a.frozen", "f2a.blocked", "f2a.specificity", "pea.coverage",
              "specific", "fcs.lucky", "fcs.lift", "fcs.optimism", "fcs.pessimism", "necessity.headroom", "necessity.sham",
              "necessity.own.success", "necessity.swapped.success", "necessity.oracle.success", "planning.truth.success",
              "planning.imagination.success")
IMAGES = ("psnr.changed", "psnr", "ssim.changed", "ssim", "branch.psnr.changed")


def chapters(log: EvalLog, folder: Path) -> Sequence[Section]:
    """The page from top to bottom."""
    ceilings = scores.ceilings(log, CAUSAL)
    more = scores.further(log, (*scores.HEADLINE, *CAUSAL, *CAUSAL_TOO, *IMAGES, *ceilings))
    return (
        scores.headline(log),
        verdicts(log),
        counterfactual(log, folder),
        scores.measured(log, "causal", "Does the future follow the action, and the action the future?",
                        "Dots: trained models with 95 % intervals. Dashed lines: models and policies that are known to be "
                        "right, trivial or wrong, run through the same code. A number is worth something only where it stands "
                        "clear of them.", CAUSAL, CAUSAL_TOO),
        scores.success(log),
        films(log, folder),
        scores.measured(log, "images", "How close are the imagined frames?",
                        "Against copying the last frame, which is hard to beat where nothing moves: therefore also over the "
                        "pixels that change.", IMAGES),
        training(log, folder),
        scores.latency(log, control_hz(log, folder)),
        scores.measured(log, "ceiling", "How finely can this be judged?", "Where the state has to be read from frames, a "
                        "frozen network reads it. The same measures on true frames, read in the same way, are the ceiling: no "
                        "imagined frame can be judged more finely than this.", (), ceilings),
        *([scores.measured(log, "further", "Further measures", "", more)] if more else []),
        scores.everything(log),
        reproduce(log, folder),
    )
