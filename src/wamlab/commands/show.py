"""`wam show`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..data.store import EpisodeStore
from ..errors import CheckpointError
from ..evaluate.log import FILE, EvalLog
from ..learn.checkpoint import load_model, read_header
from ..recipe import load
from ..signals import MODALITIES
from . import list as listing
from .console import print_json, say
from .places import log_folder


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
    """What a run found: its success rates, and where everything lies."""
    folder = log_folder(path)
    log = EvalLog.load(folder)
    success = {f"{s.model} on {s.task}": {"success": s.value, "ci": [s.low, s.high], "episodes": s.n}
               for s in log.scores if s.metric == "success"}
    return {"kind": "run", "log": folder, "command": log.provenance.get("command", ""), "success": success,
            "measures": sorted({score.metric for score in log.scores}), "episodes": dict(log.episodes),
            "arrays": {name: list(array.shape) for name, array in log.arrays.items()}}


@dataclass(frozen=True)
class Command:
    """Say what a thing holds: a recipe by name or file, a run's folder, a checkpoint's, or a dataset's.

    examples:
      wam show uwm
      wam show my_wam.py
      wam show runs/small
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
