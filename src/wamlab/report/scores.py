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
    "psnr.changed.gain": "imagined frames better than a copy of now (PSNR over pixels that change)",
    "latency.total": "time per decision",
}
"""measures of the first table, where the log has them, in plain words"""
FINER = {"s": "ms", "m": "mm"}
"""units in which what is below one is told in thousandths"""
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
    share, fine = score.unit == "share", score.unit in FINER and abs(score.value) < 1

    def number(value: float) -> str:
        if fine:
            return f"{value * 1000:.1f}"
        value = round(value, 4) + 0.0  # no minus before a zero
        return f"{value:.0%}" if share else f"{round(value, 2) + 0.0:.2f}" if abs(value) < 100 else f"{value:.0f}"

    unit = FINER[score.unit] if fine else score.unit
    text = number(score.value) + (f"\u00a0{unit}" if unit and not share else "")
    if interval and score.low is not None and score.high is not None:
        text += f" [{number(score.low)},\u00a0{number(score.high)}]"
    return text


def place(log: EvalLog, task: str) -> str:
    """A task as the page names it: without the simulator, where that is the same for all."""
    tasks = {score.task for score in log.scores} - {"", ALL}
    shared = len({task.partition("/")[0] for task in tasks}) == 1
    return "" if task == ALL else task.partition("/")[2] or task if shared else task


def mark(score: Score | None, label: str) -> Mark | None:
    """A score for a drawing; without an interval the value stands for its ends. None where there is no value."""
    if score is None or score.value is None:
        return None
    low = score.value if score.low is None else score.low
    high = score.value if score.high is None else score.high
    return Mark(label, score.value, low, high, is_quiet(score.model))


def headline(log: EvalLog) -> Section:
    """The trained models side by side, a row per measure and task; what they must be compared with at the end of it."""
    names = [name for name in models(log) if not is_quiet(name) and any(log.select(model=name, metric=m) for m in HEADLINE)]
    rows: list[list[str]] = []
    for metric, title in HEADLINE.items():
        for task in dict.fromkeys(s.task for s in log.scores if s.metric == metric):
            beside = [s for s in log.scores if s.metric == metric and s.task == task and is_quiet(s.model)]
            compare = [f"{plain_name(s.model)} {amount(s, interval=False)}" for s in beside if s.value is not None]
            rows.append(["" if title in (row[0] for row in rows) else title, place(log, task),
                         *(under_ceiling(log, log.find(name, task, metric)) for name in names), "; ".join(compare)])
    return Section("result", "The result", "In brackets: 95 % confidence intervals. The last column shows controls and null "
                   "models, run through the same code: what a number means when nothing was learned. A dash: does not apply.",
                   tables=[Table(["measure", "task", *names, "controls and null models"], rows, (), audit(log))] * bool(rows),
                   missing="" if rows else "unavailable: the log holds none of the headline measures")


def under_ceiling(log: EvalLog, score: Score | None) -> str:
    """An amount with what the readout itself reaches on true frames beside it. FCS is not told without."""
    ceiling = None if score is None else log.find(score.model, score.task, f"{score.metric}.ceiling")
    if score is None or score.value is None:
        return amount(score)
    if ceiling is None or ceiling.value is None:
        return "withheld: no ceiling of the readout" if score.metric == "fcs" else amount(score)
    return f"{amount(score)}; ceiling of the readout\u00a0{amount(ceiling, interval=False)}"


def audit(log: EvalLog) -> str:
    """How exactly states are read off true frames, in a sentence; empty where nothing is read."""
    found = [s for s in log.scores if s.metric.startswith("readout.") and s.metric.endswith(".median") and s.value is not None]
    tasks = list(dict.fromkeys(s.task for s in found))
    told = ["; ".join((f"{place(log, task)}: " if len(tasks) > 1 else "") + ", ".join(
        f"{s.metric.split('.')[1]}\u00a0{amount(s)}" for s in found if s.task == task) for task in tasks)]
    return f"What frames show is read by a frozen network. Its median error on true frames: {told[0]}." if found else ""


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
    named = [place(log, task) for task in tasks]
    return Section("success", "Success in closed loop",
                   f"Share of new starts that were solved ({', '.join(map(str, starts))} starts per bar; the black line is the "
                   "95 % interval). Open-loop replay repeats one recorded demonstration blindly: where it succeeds, a task "
                   "needs no eyes and success means little.",
                   figures=[Figure(success_bars(named, bars, alt))], tables=comparisons(log))


def comparisons(log: EvalLog) -> list[Table]:
    """Paired tests between models, as notes of their scores."""
    rows = [[place(log, s.task), plain_name(s.model), amount(s), s.note] for s in log.scores
            if s.metric.startswith("success.paired")]
    return [Table(["task", "pair", "difference", "test"], rows, caption="Both models met the same starts.")] if rows else []


def figure(log: EvalLog, metric: str) -> Figure | None:
    """Trained models as dots, null models and the measure's own yardsticks as lines; None if nobody has a value."""
    found = [score for score in log.scores if score.metric == metric]
    dots = [m for s in found if not is_quiet(s.model)
            if (m := mark(s, " · ".join(part for part in (s.model, place(log, s.task)) if part)))]
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
    references = {name: sum(values) / len(values) for name, values in lines.items()}
    limits = whole_range(metric, [v for m in dots for v in (m.low, m.high)] + list(references.values()))
    drawn = against_nulls(f"{named.title}{f' ({unit})' if unit else ''}", dots, merge(references), alt, limits)
    return Figure(drawn, f"{named.title}: {named.meaning}." if named.meaning else "")


def whole_range(metric: str, values: Sequence[float]) -> tuple[float, float] | None:
    """The ends of an axis for a measure that is a share or a correlation; None where the values should choose."""
    low, high = word(metric.split(".")[0]).limits or (0.0, float("inf"))
    if low < -1 or high > 1 or min(values) < low or max(values) > high:
        return None
    return low - 0.05, high + 0.05


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
    rows = [[word(s.metric).title, s.model, place(log, s.task), amount(s), s.unavailable or word(s.metric).short]
            for s in found]
    return [Table(["measure", "model", "task", "value", "meaning"], rows)] if rows else []


def measured(log: EvalLog, anchor: str, title: str, lead: str, drawn: Sequence[str], listed: Sequence[str] = ()) -> Section:
    """A chapter about some measures: the main ones drawn, others listed, and those that are unavailable named."""
    figures = [it for metric in drawn if (it := figure(log, metric))]
    reasons: dict[tuple[str, str], dict[str, list[str]]] = {}
    for s in log.scores:
        if s.unavailable and s.metric in drawn and not is_quiet(s.model):
            reasons.setdefault((s.model, s.unavailable), {}).setdefault(word(s.metric).title, []).append(place(log, s.task))
    rows = [[model, ", ".join(measures), ", ".join(dict.fromkeys(t for tasks in measures.values() for t in tasks)), why]
            for (model, why), measures in reasons.items()]
    refused = [Table(["model", "measures", "tasks", "unavailable because"], rows)] if rows else []
    tables = [*rows_of(log, listed), *refused]
    missing = "" if figures or tables else f"unavailable: the log holds no score of {', '.join(map(str, drawn or listed))}"
    return Section(anchor, title, lead, figures=figures, tables=tables, missing=missing)


def ceilings(log: EvalLog, drawn: Sequence[str]) -> list[str]:
    """What says how finely the drawn measures can be judged, where there is a value."""
    wanted = {f"{metric}.ceiling" for metric in drawn}
    return list(dict.fromkeys(s.metric for s in log.scores if s.value is not None and (
        s.metric in wanted or (s.metric.startswith("readout.") and s.metric.endswith((".rmse", ".median", ".r2"))))))


def further(log: EvalLog, shown: Sequence[str]) -> list[str]:
    """Whole measures that no chapter shows yet, such as a user's own."""
    roots = {metric.split(".")[0] for metric in shown}
    return list(dict.fromkeys(s.metric for s in log.scores
                              if s.metric.removeprefix("branch.").split(".")[0] not in roots and "." not in s.metric))


def latency(log: EvalLog, hertz: float | None) -> Section:
    """Stages of a decision, stacked, beside the time between two control steps."""
    rows: dict[str, dict[str, float]] = {}
    for score in log.select(metric="latency"):
        stage = score.metric.partition(".")[2]
        if score.value is not None and stage not in ("total", "predict"):
            milliseconds = score.value * (1000 if score.unit == "s" else 1)
            rows.setdefault(plain_name(score.model), {}).setdefault(stage, milliseconds)
    order = ("encode", "sample", "decode")
    rows = {name: {k: parts[k] for k in sorted(parts, key=lambda k: order.index(k) if k in order else 9)}
            for name, parts in rows.items()}
    if not rows:
        return Section("latency", "Time per decision", missing="unavailable: no decision was timed")
    alt = "; ".join(f"{name}: " + ", ".join(f"{k} {v:.1f} ms" for k, v in parts.items()) for name, parts in rows.items())
    return Section("latency", "Time per decision", "From a frame to a chunk of actions, on the hardware named below.",
                   figures=[Figure(stages(rows, 1000 / hertz if hertz else None, alt))])


def everything(log: EvalLog) -> Section:
    """Every score of the log."""
    ordered = sorted(log.scores, key=lambda s: (is_quiet(s.model), *s.key))
    rows = [[plain_name(s.model), s.task, s.metric, amount(s) if s.value is not None else f"unavailable: {s.unavailable}",
             str(s.n or ""), s.note] for s in ordered]
    return Section("scores", "Every number", tables=[
        Table(["model", "task", "measure", "value", "n", "note"], rows, [is_quiet(s.model) for s in ordered])])
