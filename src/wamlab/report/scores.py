"""Chapters made from the scores of a log: tables and drawings."""

from __future__ import annotations

from collections.abc import Sequence

from ..evaluate.log import EvalLog, Score
from .figures import Mark, against_nulls, stages, success_bars
from .view import Figure, Section, Table
from .words import word

QUIET = ("null/", "control/")
ALL = "all"
HEADLINE = {
    "success": "solved", "fcs": "solved as foreseen (FCS)",
    "cc.robot": "imagined robot follows the action (CC-A2F)", "cc.object": "imagined object follows the action (CC-A2F)",
    "psnr.changed.gain": "imagined pixels beat a copy of the last frame by (PSNR where something changes)",
    "latency.total": "time per decision",
}
"""measures of the first table, where the log has them, in plain words"""
BESIDE = {"copy": "copy of the last frame", "chance": "guessing", "ceiling": "ceiling"}
"""children of a measure that are drawn as lines to compare it with"""


def is_quiet(model: str) -> bool:
    """Whether a name belongs to a control or a null model, which stands beside the models only to compare with."""
    return model.startswith(QUIET)


def plain_name(model: str) -> str:
    """"control/open_loop_replay" as words."""
    return model.partition("/")[2].replace("_", " ") if is_quiet(model) else model


def models(log: EvalLog) -> list[str]:
    """Every name that was judged, in the order of the log, the trained models first."""
    names = list(dict.fromkeys(score.model for score in log.scores))
    return sorted(names, key=is_quiet)


def amount(score: Score | None, interval: bool = True) -> str:
    """A value as a reader wants it: with its unit and interval, or the word unavailable."""
    if score is None:
        return "–"
    if score.value is None:
        return "unavailable"
    share = score.unit == "share"

    def number(value: float) -> str:
        return f"{value:.0%}" if share else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"

    if score.unit == "s" and score.value < 1:
        return f"{score.value * 1000:.1f}\u00a0ms"
    text = number(score.value) + (f"\u00a0{score.unit}" if score.unit and not share else "")
    if interval and score.low is not None and score.high is not None:
        text += f" [{number(score.low)},\u00a0{number(score.high)}]"
    return text


def mark(score: Score | None, label: str) -> Mark | None:
    """A score for a drawing; without an interval the value stands for its ends. None where there is no value."""
    if score is None or score.value is None:
        return None
    low = score.value if score.low is None else score.low
    high = score.value if score.high is None else score.high
    return Mark(label, score.value, low, high, is_quiet(score.model))


def headline(log: EvalLog) -> Section:
    """The trained models side by side, a row per measure and task; what they must be compared with at the end of it."""
    names = [name for name in models(log) if not is_quiet(name)]
    rows = []
    for metric, title in HEADLINE.items():
        for task in dict.fromkeys(s.task for s in log.scores if s.metric == metric):
            beside = [s for s in log.scores if s.metric == metric and s.task == task and is_quiet(s.model)]
            compare = [f"{plain_name(s.model)} {amount(s, interval=False)}" for s in beside if s.value is not None]
            rows.append([title, "" if task == ALL else task, *(amount(log.find(name, task, metric)) for name in names),
                         "; ".join(compare)])
    return Section("result", "The result", "In brackets: 95 % confidence intervals. The last column shows controls and null "
                   "models, run through the same code: what a number means when nothing was learned. A dash: does not apply.",
                   tables=[Table(["measure", "task", *names, "controls and null models"], rows)] if rows else [],
                   missing="" if rows else "unavailable: the log holds none of the headline measures")


def success(log: EvalLog) -> Section:
    """Bars per task."""
    found = [score for score in log.select(metric="success") if score.metric == "success"]
    tasks = list(dict.fromkeys(score.task for score in found))
    if not found:
        return Section("success", "Success", missing="unavailable: nothing was run in closed loop")
    names = [name for name in models(log) if any(score.model == name for score in found)]
    bars = {plain_name(name): [mark(log.find(name, task, "success"), task) for task in tasks] for name in names}
    alt = "; ".join(f"{plain_name(s.model)} on {s.task}: {amount(s)}" for s in found)
    starts = sorted({score.n for score in found})
    return Section("success", "Success in closed loop",
                   f"Share of new starts that were solved ({', '.join(map(str, starts))} starts per bar; the black line is the "
                   "95 % interval). Open-loop replay repeats one recorded demonstration blindly: where it succeeds, a task "
                   "needs no eyes and success means little.",
                   figures=[Figure(success_bars(tasks, bars, alt))], tables=comparisons(log))


def comparisons(log: EvalLog) -> list[Table]:
    """Paired tests between models, as notes of their scores."""
    rows = [[s.task, plain_name(s.model), amount(s), s.note] for s in log.scores if s.metric.startswith("success.paired")]
    return [Table(["task", "pair", "difference", "test"], rows, caption="Both models met the same starts.")] if rows else []


def figure(log: EvalLog, metric: str) -> Figure | None:
    """Trained models as dots, null models and the measure's own yardsticks as lines; None if nobody has a value."""
    found = [score for score in log.scores if score.metric == metric]
    dots = [m for s in found if not is_quiet(s.model)
            if (m := mark(s, s.model if s.task in ("", ALL) else f"{s.model} · {s.task}"))]
    if not dots:
        return None
    lines: dict[str, list[float]] = {}
    for score in log.scores:
        parent, _, child = score.metric.rpartition(".")
        if score.value is not None and score.metric == metric and is_quiet(score.model):
            lines.setdefault(plain_name(score.model), []).append(score.value)
        elif score.value is not None and parent == metric and child in BESIDE and not is_quiet(score.model):
            lines.setdefault(BESIDE[child], []).append(score.value)
    named = word(metric)
    unit = next((score.unit for score in found if score.unit), "")
    alt = "; ".join(f"{plain_name(s.model)}, {s.task}: {amount(s)}" for s in found)
    small = named.limits is not None and named.limits[0] >= -1 and named.limits[1] <= 1 and unit != "dB"
    limits = (named.limits[0] - 0.05, named.limits[1] + 0.05) if named.limits and small else None
    references = {name: sum(values) / len(values) for name, values in lines.items()}
    drawn = against_nulls(f"{named.title}{f' ({unit})' if unit else ''}", dots, merge(references), alt, limits)
    return Figure(drawn, f"{named.title}: {named.meaning}." if named.meaning else "")


def merge(references: dict[str, float]) -> dict[str, float]:
    """Null models that score the same share one line."""
    lines: dict[float, list[str]] = {}
    for name, value in sorted(references.items(), key=lambda item: item[1]):
        near = next((known for known in lines if abs(known - value) < 0.03), value)
        lines.setdefault(near, []).append(name)
    return {", ".join(names): value for value, names in lines.items()}


def rows_of(log: EvalLog, metrics: Sequence[str]) -> list[Table]:
    """The trained models' values of some measures, as one table with their meaning."""
    found = [s for metric in metrics for s in log.scores if s.metric == metric and not is_quiet(s.model)]
    rows = [[word(s.metric).title, s.model, s.task, amount(s), s.unavailable or word(s.metric).meaning] for s in found]
    return [Table(["measure", "model", "task", "value", "meaning"], rows)] if rows else []


def measured(log: EvalLog, anchor: str, title: str, lead: str, drawn: Sequence[str], listed: Sequence[str] = ()) -> Section:
    """A chapter about some measures: the main ones drawn, others listed, and those that are unavailable named."""
    figures = [it for metric in drawn if (it := figure(log, metric))]
    rows = [[plain_name(s.model), s.task, word(s.metric).title, s.unavailable] for s in log.scores
            if s.unavailable and s.metric in drawn and not is_quiet(s.model)]
    refused = [Table(["model", "task", "measure", "unavailable because"], rows)] if rows else []
    tables = [*rows_of(log, listed), *refused]
    missing = "" if figures or tables else f"unavailable: the log holds no score of {', '.join(map(str, drawn or listed))}"
    return Section(anchor, title, lead, figures=figures, tables=tables, missing=missing)


def ceilings(log: EvalLog) -> list[str]:
    """Measures that say how finely the others can be judged."""
    return list(dict.fromkeys(s.metric for s in log.scores if s.metric.split(".")[0] == "readout"
                              or s.metric.endswith((".ceiling", ".floor"))))


def further(log: EvalLog, shown: Sequence[str]) -> list[str]:
    """Whole measures that no chapter shows yet, such as a user's own."""
    roots = {metric.split(".")[0] for metric in shown}
    return list(dict.fromkeys(s.metric for s in log.scores
                              if s.metric.removeprefix("branch.").split(".")[0] not in roots and "." not in s.metric))


def latency(log: EvalLog) -> Section:
    """Stages of a decision, stacked."""
    rows: dict[str, dict[str, float]] = {}
    for score in log.select(metric="latency"):
        stage = score.metric.partition(".")[2]
        if score.value is not None and stage not in ("total", "predict"):
            milliseconds = score.value * (1000 if score.unit == "s" else 1)
            rows.setdefault(plain_name(score.model), {}).setdefault(stage, milliseconds)
    if not rows:
        return Section("latency", "Time per decision", missing="unavailable: no decision was timed")
    hertz = log.provenance.get("control_hz")
    alt = "; ".join(f"{name}: " + ", ".join(f"{k} {v:.1f} ms" for k, v in parts.items()) for name, parts in rows.items())
    return Section("latency", "Time per decision", "From a frame to a chunk of actions, on the hardware named below.",
                   figures=[Figure(stages(rows, 1000 / hertz if hertz else None, alt))])


def everything(log: EvalLog) -> Section:
    """Every score of the log."""
    ordered = sorted(log.scores, key=lambda s: (is_quiet(s.model), *s.key))
    rows = [[plain_name(s.model), s.task, s.metric, amount(s) if s.value is not None else f"unavailable: {s.unavailable}",
             str(s.n or ""), s.note] for s in ordered]
    return Section("scores", "Every number", folded=True, tables=[
        Table(["model", "task", "measure", "value", "n", "note"], rows, [is_quiet(s.model) for s in ordered])])
