"""A study as one page: the gains as a table, and a curve for each source."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from ...data.atomic import write_whole
from ...evaluate.statistics import mean_of_runs
from ...report.svg import INK, SERIES, drawing
from ...report.template import environment
from .score import BETTER, UNITS

HEAD = ("what", "of", "score", "gain", "95 % interval", "unit")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>What the data are worth</title><style>{{ style | safe }}</style></head>
<body><header><h1>What the data are worth</h1>
<p>{{ recipe }}: {{ trainings }} trainings of the same number of steps, {{ seeds }} per cell. A gain is a difference between
trainings of the same seed; positive is better; the interval is Student's over the seeds. Where it holds 0, nothing was
shown.</p>
</header><main>{% for figure in figures %}<figure>{{ figure | safe }}</figure>{% endfor %}
<div class="scroll"><table><thead><tr>{% for cell in head %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table></div>
{% for note in notes %}<p class="note">{{ note }}</p>{% endfor %}
<p class="note">{{ command }}</p></main></body></html>
"""


def cells(row: Mapping[str, Any]) -> list[str]:
    """One gain as words."""
    what = {"amount": f"all instead of {row.get('share', 0):.0%} (+{row.get('episodes', 0)} episodes)",
            "doubling": "twice as many episodes", "filter": "filtered instead of not",
            "order": "last instead of mixed"}[row["kind"]]
    return [what, row["source"], row["score"], f"{row['gain']:+.3f}", f"{row['low']:+.3f} to {row['high']:+.3f}", row["unit"]]


def page(found: Mapping[str, Any], out: Path) -> Path:
    """Write the page of a study's document; it needs nothing else to be opened. Raises DataError if the disk refuses."""
    results = found["results"]
    names = list(results[0]["fractions"])
    figures = [curve(results, name, score) for name in names for score in BETTER
               if all(score in r["scores"] for r in results)]
    style = (files("wamlab.report") / "page.css").read_text(encoding="utf-8")
    study = found["study"]
    text = environment().from_string(PAGE).render(
        style=style, recipe=study["recipe"], trainings=len(results), seeds=study["seeds"], figures=[f for f in figures if f],
        head=HEAD, rows=[cells(row) for row in found["gains"]], notes=found["notes"],
        command=found["command"])
    write_whole(out, text.encode())
    return out


def curve(results: list[dict[str, Any]], name: str, score: str) -> str:
    """A score against the number of a source's episodes, all else whole, with Student's interval; empty without two points."""
    points: dict[int, list[float]] = {}
    for result in results:
        alone = all(share == 1 for other, share in result["fractions"].items() if other != name)
        if alone and not result["filtered"] and not result["last"]:
            points.setdefault(result["episodes"][name], []).append(result["scores"][score])
    if len(points) < 2:
        return ""
    places = sorted(points)
    found = [mean_of_runs(np.array(points[place])) for place in places]
    alt = f"{score} against episodes of {name}: " + ", ".join(f"{p}: {e.value:.3f}" for p, e in zip(places, found, strict=True))
    with drawing(alt, 5.0, 2.6) as canvas:
        axes = canvas.axes[0]
        axes.plot(places, [e.value for e in found], marker="o", color=SERIES[0])
        axes.vlines(places, [e.low for e in found], [e.high for e in found], color=INK, linewidth=1.2)
        better = "more" if BETTER[score] > 0 else "less"
        axes.set(xlabel=f"episodes of {name}", title=f"{score} ({UNITS[score]}; {better} is better)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if UNITS[score] == "rate":
            axes.set_ylim(-0.05, 1.05)
        axes.grid(axis="y", linewidth=0.6)
    return canvas.svg
