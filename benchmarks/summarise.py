"""A finished run's scores and circumstances in one JSON file, for docs/results; and the tables of README and docs from those
files.

    python benchmarks/summarise.py runs/first docs/results/first-run.json
    python benchmarks/summarise.py --table
    python benchmarks/summarise.py --cards
    python benchmarks/summarise.py --recipes
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from wamlab.evaluate.log import EvalLog

RESULTS = Path(__file__).parents[1] / "docs" / "results"
KEPT = ("success", "psnr", "branch.psnr", "ssim", "cc", "fcs", "pea", "identification", "false_effect", "latency", "readout")
TASKS = ("metaworld/drawer-open", "metaworld/plate-slide")
SHARE, NUMBER, DECIBEL = "{:.0%}", "{:.2f}", "{:+.1f} dB"
ROWS = (
    ("`uwm`, solved", "uwm", "success", SHARE),
    ("`vla` (no future), solved", "vla", "success", SHARE),
    ("control: best of 4 demonstrations replayed blindly", "control/replay", "success", SHARE),
    ("control: `vla` trained and run with black pictures", "blind", "success", SHARE),
    ("imagined robot follows the action (CC-A2F)", "uwm", "cc.robot", NUMBER),
    ("the same of the readout on true frames, a ceiling", "uwm", "cc.robot.ceiling", NUMBER),
    ("imagined object follows the action (CC-A2F)", "uwm", "cc.object", NUMBER),
    ("the same of the readout on true frames, a ceiling", "uwm", "cc.object.ceiling", NUMBER),
    ("control: CC-A2F (object) of a model that ignores the action", "null/action_blind", "cc.object", NUMBER),
    ("imagined frames against a copy of now: pixels that change", "uwm", "psnr.changed.gain", DECIBEL),
    ("pixels that change, or that the model changed", "uwm", "psnr.either.gain", DECIBEL),
    ("all pixels", "uwm", "psnr.gain", DECIBEL),
    ("what happens follows the plan (PEA, 1 is exact, 0 no better than \"nothing moves\")", "uwm", "pea", NUMBER),
    ("solved as foreseen (FCS)", "uwm", "fcs", SHARE),
)
MEDIANS = (("`uwm`, solved", "success", SHARE), ("imagined robot follows the action", "cc.robot", NUMBER),
           ("imagined object follows the action", "cc.object", NUMBER),
           ("frames against a copy of now: pixels that change", "psnr.changed.gain", DECIBEL))


ON_CARD = (("solved", "success", SHARE), ("action → robot (CC-A2F)", "cc.robot", NUMBER), ("→ object", "cc.object", NUMBER),
           ("future → robot (CC-F2A)", "f2a.robot", NUMBER), ("→ object", "f2a.object", NUMBER), ("FCS", "fcs", SHARE),
           ("necessity", "necessity", "{:+.0%}"), ("planning gap (by chance)", "planning", "{:+.0%}"))


def kept(metric: str) -> bool:
    return any(metric == name or metric.startswith(name + ".") for name in KEPT)


def summary(folder: Path) -> dict[str, Any]:
    log = EvalLog.load(folder / "log")
    facts = {k: log.provenance.get(k) for k in ("command", "seeds", "cpu", "cores", "threads", "packages", "renderer",
                                                "commit", "date")}
    facts["command"] = str(facts["command"]).partition(" --out")[0]
    return facts | {"seconds": dict(log.timings), "scores": [s.told() for s in log.scores if kept(s.metric)]}


def cell(score: dict[str, Any] | None, form: str) -> str:
    if score is None:
        return "not measured"
    if "value" not in score:
        return "unavailable: " + score["unavailable"]
    ends = [form.format(score[end]).removesuffix(" dB").removesuffix("%") for end in ("low", "high") if end in score]
    return form.format(score["value"]).replace("%", " %") + (f" [{', '.join(ends)}]" if ends else "")


def find(scores: list[dict[str, Any]], model: str, task: str, metric: str) -> dict[str, Any] | None:
    return next((s for s in scores if (s["model"], s["task"], s["metric"]) == (model, task, metric)), None)


def table() -> str:
    """The README's block, from the files in docs/results."""
    first, seeds, blind = (json.loads((RESULTS / f"{name}.json").read_text()) for name in ("first-run", "seeds", "blind"))
    scores = first["scores"] + blind["results"][0]["scores"]
    lines = ["| | " + " | ".join(task.partition("/")[2] for task in TASKS) + " |", "|---|---|---|"]
    for title, model, metric, form in ROWS:
        lines.append(f"| {title} | " + " | ".join(cell(find(scores, model, task, metric), form) for task in TASKS) + " |")
    runs = [first["scores"], *(result["scores"] for result in seeds["results"])]
    lines += ["", f"Median over {len(runs)} training seeds (each seed), on the same demonstrations and starts:", "",
              "| | " + " | ".join(task.partition("/")[2] for task in TASKS) + " |", "|---|---|---|"]
    for title, metric, form in MEDIANS:
        cells = []
        for task in TASKS:
            found = [s["value"] for run in runs if (s := find(run, "uwm", task, metric)) is not None]
            each = ", ".join(form.format(value).removesuffix(" dB") for value in found)
            cells.append(f"{form.format(statistics.median(found))} ({each})".replace("%", " %"))
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cards() -> str:
    """The block of docs/causal-card.md, from docs/results/cards.json."""
    found = json.loads((RESULTS / "cards.json").read_text())["cards"]
    lines = []
    for task in TASKS:
        lines += [f"**{task.partition('/')[2]}**", "", "| | " + " | ".join(title for title, _, _ in ON_CARD) + " | verdict |",
                  "|---" * (len(ON_CARD) + 2) + "|"]
        for card in found:
            if card["task"] == task:
                scores = {score["metric"]: score for score in card["scores"]}
                cells = ["–" if "value" not in (score := scores.get(metric, {})) else cell(score, form)
                         for _, metric, form in ON_CARD]
                if cells[-1] != "–" and "value" in (chance := scores.get("planning.chance", {})):
                    cells[-1] += f" ({chance['value']:+.0%})".replace("%", " %")
                lines.append(f"| `{card['model']}` | " + " | ".join(cells) + f" | {card['verdict']} |")
        lines.append("")
    return "\n".join(lines)


def recipes() -> str:
    """The block of docs/recipes.md, from docs/results/recipes.json."""
    rows = json.loads((RESULTS / "recipes.json").read_text())["results"]
    tasks = (*TASKS, "pushworld")
    lines = ["| | " + " | ".join(f"{task.rpartition('/')[2]}: solved" for task in tasks)
             + " | film against a copy of now, where it changes | steps |", "|---" * 6 + "|"]
    for name in sorted({row["recipe"] for row in rows}, key=lambda name: ("control" in name, name)):
        scores = [score for row in rows if row["recipe"] == name for score in row["scores"]]
        steps = ", ".join(str(row["steps"]) for row in rows if row["recipe"] == name and "steps" in row)
        cells = [cell(find(scores, name, task, "success"), SHARE) for task in tasks]
        film = [f"{s['value']:+.1f}" for task in tasks if (s := find(scores, name, task, "psnr.changed.gain"))]
        cells += [f"{', '.join(film)} dB" if film else "–", steps or "–"]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--recipes"]:
        print(recipes(), end="")
    elif sys.argv[1:] == ["--table"]:
        print(table(), end="")
    elif sys.argv[1:] == ["--cards"]:
        print(cards(), end="")
    else:
        Path(sys.argv[2]).write_text(json.dumps(summary(Path(sys.argv[1])), indent=1) + "\n")
