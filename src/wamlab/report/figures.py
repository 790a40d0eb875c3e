"""The drawings of the report. Each takes plain numbers and returns inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from .svg import INK, LINE, MUTED, NULL, SERIES, drawing


@dataclass(frozen=True)
class Mark:
    """One measured value with its interval."""

    label: str
    value: float
    low: float
    high: float
    null: bool = False
    """a control or null model, drawn in grey"""


def success_bars(tasks: Sequence[str], models: Mapping[str, Sequence[Mark | None]], alt: str) -> str:
    """Success per task (0..1) with intervals, one bar per model; None leaves a gap marked n/a."""
    thick = 0.8 / len(models)
    styles = product(("", "///"), SERIES)  # the seventh model is hatched, so that no two look alike
    with drawing(alt, 7.2, 0.7 + 0.26 * len(tasks) * (len(models) + 1)) as canvas:
        axes = canvas.axes[0]
        for number, (model, marks) in enumerate(models.items()):
            null = any(mark.null for mark in marks if mark)
            hatch, colour = ("", NULL) if null else next(styles)
            for row, mark in enumerate(marks):
                place = row + (number - (len(models) - 1) / 2) * thick
                if mark is None:
                    axes.text(0.005, place, "n/a", va="center", color=MUTED, fontsize=8)
                    continue
                axes.barh(place, mark.value, thick * 0.82, color=colour, hatch=hatch, edgecolor=INK if hatch else "none",
                          linewidth=0, label=model if row == 0 else None)
                axes.hlines(place, mark.low, mark.high, color=INK, linewidth=1.2)
                axes.text(max(mark.high, mark.value) + 0.012, place, f"{mark.value:.0%}", va="center", fontsize=8.5)
        axes.set(yticks=range(len(tasks)), yticklabels=tasks, xlim=(0, 1.08), xticks=[0, 0.25, 0.5, 0.75, 1])
        axes.set_xticklabels(["0 %", "25 %", "50 %", "75 %", "100 %"])
        axes.invert_yaxis()
        axes.grid(axis="x", linewidth=0.6)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        canvas.figure.legend(loc="outside upper left", ncols=4, fontsize=9)
    return canvas.svg


def levels(labels: Sequence[tuple[str, float]], span: float) -> list[int]:
    """On which line above the axis each label stands, so that none covers another; sorted by place."""
    ends: list[float] = []
    chosen = []
    for text, place in labels:
        half = len(text) * span / 150
        level = next((k for k, end in enumerate(ends) if place - half > end), len(ends))
        ends[level:level + 1] = [place + half]
        chosen.append(level)
    return chosen


def against_nulls(title: str, marks: Sequence[Mark], references: Mapping[str, float], alt: str,
                  limits: tuple[float, float] | None = None) -> str:
    """Values with intervals as dots; what null models score as labelled lines across."""
    places = [v for m in marks for v in (m.low, m.high)] + list(references.values())
    low, high = limits or (min(places), max(places))
    margin = 0.0 if limits else 0.06 * (high - low) or 0.1
    labels = sorted(references.items(), key=lambda item: item[1])
    stacked = levels(labels, high - low + 2 * margin)
    with drawing(alt, 7.2, 0.75 + 0.3 * len(marks) + 0.17 * (1 + max(stacked, default=-1))) as canvas:
        axes = canvas.axes[0]
        for row, mark in enumerate(marks):
            colour = NULL if mark.null else SERIES[row % len(SERIES)]
            axes.hlines(row, mark.low, mark.high, color=colour, linewidth=2.2)
            axes.plot(mark.value, row, "o", color=colour, markersize=7)
            axes.annotate(f"{mark.value:.2f}", (mark.value, row), (0, 6), textcoords="offset points", ha="center", fontsize=8)
        for (label, value), level in zip(labels, stacked, strict=True):
            axes.axvline(value, color=NULL, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
            axes.annotate(label, (value, 1), (0, 3 + 11.5 * level), xycoords=("data", "axes fraction"), ha="center",
                          textcoords="offset points", va="bottom", fontsize=8, color=MUTED)
        axes.set(yticks=range(len(marks)), yticklabels=[mark.label for mark in marks], ylim=(len(marks) - 0.45, -0.8))
        axes.set_xlim(low - margin, high + margin)
        axes.set_xlabel(title)
        axes.grid(axis="x", linewidth=0.6)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
    return canvas.svg


def curves(models: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], alt: str) -> str:
    """Loss over steps; a panel per model, on a logarithmic axis when every loss is positive.

    Args:
        models: {model: {curve name: [[step, loss], ...]}}.
    """
    with drawing(alt, 7.2, 2.6, panels=len(models)) as canvas:
        for axes, (model, lines) in zip(canvas.axes, models.items(), strict=True):
            for number, (name, points) in enumerate(lines.items()):
                steps, losses = [p[0] for p in points], [p[1] for p in points]
                few = len(points) < 40
                axes.plot(steps, losses, "o-" if few else "-", markersize=3, color=SERIES[number % 6], label=name)
            if all(point[1] > 0 for points in lines.values() for point in points):
                axes.set_yscale("log")
            axes.set(title=model, xlabel="training step", ylabel="loss")
            axes.grid(linewidth=0.5)
            axes.legend(fontsize=8.5)
    return canvas.svg


def stages(rows: Mapping[str, Mapping[str, float]], limit_ms: float | None, alt: str) -> str:
    """Milliseconds per stage of a decision, stacked; a line where the control loop's budget ends."""
    names = list(dict.fromkeys(stage for stages in rows.values() for stage in stages))
    with drawing(alt, 7.2, 0.9 + 0.34 * len(rows)) as canvas:
        axes = canvas.axes[0]
        for row, parts in enumerate(rows.values()):
            left = 0.0
            for name, width in parts.items():
                axes.barh(row, width, 0.6, left=left, color=SERIES[names.index(name) % 6], edgecolor=LINE, linewidth=0.5)
                left += width
            axes.text(left, row, f" {left:.1f} ms", va="center", fontsize=8.5)
        for number, name in enumerate(names):
            axes.barh(0, 0, color=SERIES[number % 6], label=name)
        if limit_ms is not None:
            axes.axvline(limit_ms, color=INK, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(f"one control step: {limit_ms:.0f} ms", (limit_ms, 1), (-3, 2), ha="right", fontsize=8,
                          color=MUTED, xycoords=("data", "axes fraction"), textcoords="offset points")
        axes.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel="milliseconds per decision (median)")
        axes.set_xlim(0, axes.get_xlim()[1] * 1.08)
        axes.invert_yaxis()
        axes.grid(axis="x", linewidth=0.6)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        canvas.figure.legend(loc="outside upper left", ncols=6, fontsize=9)
    return canvas.svg
