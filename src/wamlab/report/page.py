"""The page: one HTML file without references to anything outside it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.atomic import make_folder, write_whole
from ..evaluate.conformance.gate import admit
from ..evaluate.log import EvalLog
from .chapters import chapters
from .template import environment


def lead(log: EvalLog) -> list[str]:
    """What was run, in sentences; each stands only if the log knows its facts."""
    facts = log.provenance
    tasks = sorted({score.task for score in log.scores if score.metric == "success"})
    starts = max((score.n for score in log.scores if score.metric == "success"), default=0)
    lines = []
    if tasks:
        lines.append(f"Models were trained on demonstrations and then ran in closed loop, from {starts} new starts each, on "
                     f"{', '.join(tasks)}.")
    described: Mapping[str, Any] = facts.get("models", {})
    lines += [f"{name}: {value if isinstance(value, str) else value.get('what', '')}".rstrip(": ")
              for name, value in described.items()]
    goals = [f"{task.rpartition('/')[2]}: {how}" for task, how in facts.get("goal", {}).items() if how]
    if goals:
        lines.append(f"How a policy can know the goal: {'; '.join(goals)}.")
    return lines


def html(log: EvalLog, log_dir: Path, out: Path) -> Path:
    """Write the page of a log, atomically.

    Args:
        log: what was found.
        log_dir: its folder; the paths of `log.episodes` start there.
        out: the file to write; its folder is made.

    Returns: the path of the page.

    Raises:
        DataError: if it cannot be written.
    """
    home = files(__package__)
    template = environment().from_string((home / "page.html").read_text(encoding="utf-8"))
    log, unproven = admit(log, Path(log_dir))
    withheld = [f"Withheld: {', '.join(unproven)}. No conformance file says that this was tested against models known to be "
                "wrong (wam conformance)."] if unproven else []
    when = str(log.provenance.get("date", ""))
    text = template.render(
        title=str(log.provenance.get("title", "What a world action model imagined, did, and got right")),
        lead=[*lead(log), *withheld], sections=chapters(log, Path(log_dir)),
        style=(home / "page.css").read_text(encoding="utf-8"),
        foot=" · ".join(part for part in (f"wamlab {__version__}", when, str(log.provenance.get("cpu", ""))) if part),
    )
    out = Path(out)
    make_folder(out.parent)
    write_whole(out, text.encode())
    return out
