"""Chapters made from episodes, arrays, curves and provenance, and their order on the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.store import EpisodeStore
from ..evaluate.log import FILE, EvalLog
from ..reading import number
from . import scores
from .figures import curves
from .verdicts import verdicts
from .view import Figure, Films, Section, Table


def films(found: Films) -> Section:
    """The films at the pace of the robot's steps; their decisions one at a time stand first on the page."""
    return Section("films", "Imagined against executed", "Left: what happened. Right: what the model had imagined for that "
                   "moment, before it came (grey until the first imagined moment is due). Chosen by the order of the seeds: "
                   "the first successes and the first failures.", films=found.films, missing=found.missing)


def about(log: EvalLog) -> Section:
    """What was run, in sentences; each stands only if the log knows its facts."""
    facts = log.provenance
    tasks = sorted({score.task for score in log.scores if score.metric == "success"})
    starts = max((score.n for score in log.scores if score.metric == "success"), default=0)
    told = [f"Models were trained on demonstrations and then ran in closed loop, from {starts} new starts each, on "
            f"{', '.join(tasks)}."] if tasks else []
    described: Mapping[str, Any] = facts.get("models", {})
    rows = [[name, value if isinstance(value, str) else value.get("what", "")] for name, value in described.items()]
    goals = [f"{task.rpartition('/')[2]}: {how}" for task, how in facts.get("goal", {}).items() if how]
    told += [f"How a policy can know the goal: {'; '.join(goals)}."] if goals else []
    return Section("about", "What was run", " ".join(told), tables=[Table(["model", "what it is"], rows)] if rows else [],
                   missing="" if told or rows else "unavailable: the log does not say what was run")


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


def chapters(log: EvalLog, folder: Path, shown: Films) -> Sequence[Section]:
    """Everything that was measured, from top to bottom."""
    ceilings = scores.ceilings(log, CAUSAL)
    more = scores.further(log, (*scores.HEADLINE, *CAUSAL, *CAUSAL_TOO, *IMAGES, *ceilings))
    return (
        about(log),
        scores.headline(log),
        verdicts(log),
        scores.measured(log, "causal", "Does the future follow the action, and the action the future?",
                        "Dots: trained models with 95 % intervals. Dashed lines: models and policies that are known to be "
                        "right, trivial or wrong, run through the same code. A number is worth something only where it stands "
                        "clear of them.", CAUSAL, CAUSAL_TOO),
        scores.success(log),
        films(shown),
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
