"""The page: one HTML file without references to anything outside it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from .. import __version__
from ..data.atomic import make_folder, write_whole
from ..evaluate.conformance.gate import admit
from ..evaluate.log import EvalLog
from .branches import fans
from .chapters import chapters
from .films import films
from .glance import MEANINGS, TITLES, glances, lead
from .template import environment
from .view import Film

Tab = tuple[int, str, str]
"""number, what stands on it, what is read out"""
SIGNS = {"solved": "✓", "not solved": "✗"}


def chips(films: Sequence[Film]) -> list[tuple[str, list[Tab]]]:
    """The tabs of the films, by model and task."""
    groups: dict[str, list[Tab]] = {}
    for number, it in enumerate(films):
        said = f"{it.group}, {it.outcome} after {it.steps} steps"
        groups.setdefault(it.group, []).append((number, f"{SIGNS.get(it.outcome, '?')} {it.steps}", said))
    return list(groups.items())


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
    withheld = (f"Withheld: {', '.join(unproven)}. No conformance file says that this was tested against models known to be "
                "wrong (wam conformance).") if unproven else ""
    when, shown, fan = str(log.provenance.get("date", "")), films(log, Path(log_dir)), fans(log)
    text = template.render(
        title=str(log.provenance.get("title", "What a world action model imagined, did, and got right")),
        lead=lead(log), shown=shown, glances=glances(log), titles=TITLES, meanings=MEANINGS, fans=fan, withheld=withheld,
        chips=chips(shown.films), starts=[("", [(number, it.title, it.title) for number, it in enumerate(fan.fans)])],
        sections=chapters(log, Path(log_dir), shown),
        style=(home / "page.css").read_text(encoding="utf-8"), script=(home / "page.js").read_text(encoding="utf-8"),
        foot=" · ".join(part for part in (f"wamlab {__version__}", when, str(log.provenance.get("cpu", ""))) if part),
    )
    out = Path(out)
    make_folder(out.parent)
    write_whole(out, text.encode())
    return out
