"""A model's row in the design space, computed from its table."""

from __future__ import annotations

from ..parts.streams import Node
from ..parts.table import Table

COPIES = {"clean": "clean", "hidden": "un-denoised", "": "yes"}


def axes(table: Table) -> dict[str, str]:
    """family, future, process, action reads future, future reads action, experts, inference."""
    future, action = "future" in table.generated, "action" in table.generated
    reads = "–"
    if future and action:
        views = {node.view for node in table.closure(Node("action", "", 0)) if node.stream == "future" and node.chunk == 0}
        reads = next((COPIES[view] for view in ("clean", "hidden", "") if view in views), "never")
    both = table.stages(["future", "action"]) if future and action else []
    known = {node.view for node in table.closure(Node("future", "", 0)) if node.stream == "action"} if future else set()
    back = next((COPIES[view] for view in ("clean", "hidden", "") if view in known), "no")
    first = {"clean": "future, then action", "un-denoised": "one pass, then action"}
    if not action:
        inference = "future only"
    elif reads == "yes" or (reads == "never" and back != "no"):
        inference = f"{both[0][0]}, then {both[-1][0]}" if len(both) > 1 else "together"
    else:
        inference = first.get(reads, "action only")
    experts = {table.streams[name].expert for name in table.streams}
    main = table.streams["future" if future else "action" if action else table.generated[0]]
    assert main.process is not None
    return {
        "family": family(table),
        "future": main.holds.title if future else "none",
        "process": main.process.title,
        "action reads future": reads if reads in ("–", "never") or main.taken != "cross" else f"{reads}, across",
        "future reads action": back if future else "–",
        "experts": "separate" if len(table.networks) > 1 else "one" if len(experts) == 1 else "one each",
        "inference": inference,
    }


def family(table: Table) -> str:
    """reactive: no future. world model: no action of its own. representation only: neither reads the other. Else WAM."""
    if "action" not in table.generated:
        return "world model"
    if "future" not in table.generated:
        return "reactive"
    reached = {node.stream for node in table.closure(Node("action", "", 0))}
    back = {node.stream for node in table.closure(Node("future", "", 0))}
    return "WAM" if "future" in reached or "action" in back else "representation only"
