"""`wam show`."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..data.store import EpisodeStore
from ..errors import CheckpointError
from ..evaluate.conformance.gate import admit
from ..evaluate.log import FILE, EvalLog
from ..learn.checkpoint import load_model, read_header
from ..recipe import load
from ..signals import MODALITIES
from . import list as listing
from .console import line, print_json, say
from .places import log_folder

if TYPE_CHECKING:
    from ..report.glance import Glance


def dataset(path: Path) -> dict[str, Any]:
    """What a dataset holds."""
    store = EpisodeStore.open(path)
    episodes = [store.load(index, frames=False) for index in store.indices()]
    judged, spec = [episode for episode in episodes if episode.outcome_known], store.task_spec
    said = dict.fromkeys(text for episode in episodes for _, text in episode.instructions)
    senses = {name.removeprefix(MODALITIES): shape[1:] for index in store.indices()
              for name, shape in store.shapes(index).items() if name.startswith(MODALITIES)}
    return {"kind": "dataset", "task": spec.task, "instruction": spec.instruction, "instructions": list(said),
            "episodes": len(episodes), "actions": sum(map(len, episodes)),
            "unknown_actions": sum(int((~e.has_action).sum()) for e in episodes if e.has_action is not None),
            "unknown_states": sum(not episode.has_state for episode in episodes),
            "solved": sum(episode.solved for episode in judged) if judged else "unknown",
            "unknown_outcomes": len(episodes) - len(judged),
            "cameras": spec.cameras, **({"senses": senses} if senses else {}),
            "image_size": spec.image_size, "state": spec.state, "action": spec.action.names,
            "units": [None if unit == "?" else unit for unit in spec.action.units], "action_kind": spec.action.kind,
            "entities": [entity.name for entity in spec.entities], "control_hz": spec.control_hz,
            "renderer": store.renderer, "provenance": store.provenance}


def checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds; of a training under way, or a recipe from outside the package, what its header says."""
    header = read_header(path)
    kept = {key: header[key] for key in ("stage", "step", "seed") if key in header}
    seen = {f"{part['source']}, {part['part']}": f"{part['windows']} windows seen {part['epochs']:.2f} times"
            for part in header.get("sources", [])}
    facts = {"kind": "checkpoint", "recipe": header["recipe"]["name"], "task": header["task_spec"]["task"], **kept}
    facts |= {"seen": seen} if seen else {}
    if header.get("stage") == "done":
        try:
            model = load_model(path)
        except CheckpointError as error:
            return facts | {"model": f"not loaded: {error.problem}"}
        facts |= {"parameters": sum(p.numel() for p in model.parameters()), "answers": sorted(map(str, model.answers())),
                  "history": model.history, "chunk": model.chunk, "offsets": model.offsets}
        facts |= {"needs": {name: need.steps for name, need in model.needs.items()}} if model.needs else {}
    return facts


def run(path: Path) -> dict[str, Any]:
    """What a run found: its success rates, what is said of each model at a glance, and where everything lies."""
    from ..report.glance import TITLES, glances

    folder = log_folder(path)
    log = EvalLog.load(folder)
    success = {f"{s.model} on {s.task}": {"success": s.value, "ci": [s.low, s.high], "episodes": s.n}
               for s in log.scores if s.metric == "success"}
    models = {it.model: {"sentence": it.sentence, "tasks": {row.task or "all": {
        title: {"value": number.value, "ci": [number.low, number.high], "unavailable": number.why}
        for title, number in zip(TITLES, row.numbers, strict=True)} for row in it.rows}}
        for it in glances(admit(log, folder)[0])}
    return {"kind": "run", "log": folder, "page": page if (page := page_of(folder)).exists() else None,
            "command": log.provenance.get("command", ""), "models": models, "success": success,
            "measures": sorted({score.metric for score in log.scores}), "episodes": dict(log.episodes),
            "arrays": {name: list(array.shape) for name, array in log.arrays.items()}}


def page_of(folder: Path) -> Path:
    """Where the page of the log in this folder is written."""
    return folder.parent / "report.html"


def glance(path: Path) -> None:
    """A run in one screen: a sentence and three numbers per model, where its page is, and what to do next."""
    from ..report.glance import TITLES, glances, lead

    folder = log_folder(path)
    log, _ = admit(EvalLog.load(folder), folder)
    found = glances(log)
    wrap(lead(log) or "no model acted in closed loop")
    wide = max((len(row.task) for it in found for row in it.rows), default=0)
    widths = [max(wide, 11), 18, len(TITLES[1]), 0]
    for number, it in enumerate(found):
        say("")
        wrap(f"{it.model}: {it.sentence}")
        if number == 0:
            say(columns(["", *TITLES], widths))
        for row in it.rows:
            cells = [f"{one.text} ({one.interval})" if one.interval else one.text for one in row.numbers]
            say(columns([row.task or "all tasks", *cells], widths))
        why = dict.fromkeys(one.why for row in it.rows for one in row.numbers if one.why)
        if why:
            wrap(f"not known: {'; '.join(why)}", "  ")
    say("")
    if beside := compared(found):
        wrap(f"beside: {'; '.join(beside)}")
    page, name = page_of(folder), shlex.quote(str(folder.parent if folder.name == "log" else folder))
    say(f"page:   {page}" if page.exists() else f"page:   not there; wam report {name} writes it",
        f"next:   {'open the page in a browser; ' * page.exists()}wam card {name} asks more of the models;",
        f"        wam show {name} --json names every measure and folder")


def compared(found: Sequence[Glance]) -> list[str]:
    """What the numbers have to be compared with, and on which tasks where that differs."""
    rows = [row for it in found for row in it.rows]
    tasks: dict[str, dict[str, None]] = {}
    for place, row in ((place, row) for place in range(3) for row in rows):
        if said := row.numbers[place].beside:
            tasks.setdefault(said, {})[row.task or "all tasks"] = None
    every = {row.task or "all tasks" for row in rows if row.numbers[0].beside}
    return [said if set(named) >= every else f"{said} ({', '.join(named)})" for said, named in tasks.items()]


def columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def wrap(text: str, indent: str = "") -> None:
    say(*textwrap.wrap(line(text), 100, initial_indent=indent, subsequent_indent=f"{indent}  "))


@dataclass(frozen=True)
class Command:
    """Say what a thing holds: a recipe by name or file, a run's folder, a checkpoint's, or a dataset's.

    Of a run: a sentence and three numbers per model, where its page is, and what to do next; the rest with --json.

    examples:
      wam show uwm
      wam show my_wam.py
      wam show runs/first
      wam show runs/first --json
      wam show data/drawer --json
    """

    thing: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="THING")]
    """name of a recipe, or a path"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        path = Path(self.thing)
        if (path / "dataset.json").exists():
            facts = dataset(path)
        elif (path / "checkpoint.json").exists():
            facts = checkpoint(path)
        elif path.is_dir() or path.name == FILE:
            if not self.json:
                return glance(path)
            facts = run(path)
        else:
            facts = {"kind": "recipe"} | listing.facts(load(self.thing))
        if self.json:
            print_json(facts)
        else:
            lines(facts)


def lines(facts: Mapping[str, Any], indent: str = "") -> None:
    """Nested facts, one per line; None is what the thing does not say."""
    for name, value in facts.items():
        match value:
            case None:
                say(f"{indent}{name:<14} unknown")
            case Mapping():
                say(f"{indent}{name}")
                lines(value, indent + "  ")
            case list() | tuple():
                say(f"{indent}{name:<14} {', '.join('unknown' if one is None else str(one) for one in value)}")
            case _:
                say(f"{indent}{name:<14} {value}")
