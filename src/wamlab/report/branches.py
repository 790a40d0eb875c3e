"""Same state, different actions: what was imagined for each, beside what really happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DataError
from ..evaluate.log import EvalLog
from ..reading import table
from .media import beside, jpeg
from .scores import place
from .view import Branch, Fan, Fans

CONTEXTS = 4
"""starts that are shown at most"""
WHERE = "counterfactual"
SAID = {"factual": "as recorded", "null": "hold still", "dose 0.25": "a quarter as far", "dose 0.5": "half as far",
        "reverse": "backwards", "turn +90": "turned by 90°", "turn -90": "turned by −90°", "random direction": "elsewhere",
        "random chunk": "at random", "late stop": "stop halfway", "late turn": "turn halfway"}
"""actions in plain words; others keep their names"""


def fans(log: EvalLog) -> Fans:
    """A fan of futures per saved state that the log keeps pictures of.

    Raises:
        DataError: if pictures and what is said of them do not fit each other.
    """
    arrays = [log.arrays.get(f"{WHERE}/{name}") for name in ("context", "true", "imagined")]
    if any(array is None for array in arrays):
        return Fans(missing="unavailable: the log holds no counterfactual branches")
    context, true, imagined = (array for array in arrays if array is not None)
    if true.ndim != 6 or imagined.shape != true.shape or context.shape != (len(true), *true.shape[3:]):
        raise DataError("the pictures of the branches do not fit each other", where=f"the log's arrays, {WHERE}",
                        expected="context [N, h, w, 3]; true and imagined [N, actions, ahead, h, w, 3]",
                        got=f"{context.shape}, {true.shape} and {imagined.shape}")
    facts = table(log.provenance.get(WHERE, {}), f"the log's provenance, {WHERE}")
    starts, count, ahead = true.shape[:3]
    names = told(facts, "actions", count) or [f"action {k + 1}" for k in range(count)]
    tasks = [place(log, task) for task in told(facts, "tasks", starts)] or [""] * starts
    steps = [f"after {step} steps" for step in told(facts, "offsets", ahead) or offsets(log, ahead)]
    made = []
    for k, task in enumerate(tasks[:CONTEXTS]):
        branches = [Branch(SAID.get(name, name), name, jpeg(beside(list(imagined[k, a]), gap=0)),
                           jpeg(beside(list(true[k, a]), gap=0))) for a, name in enumerate(names)]
        made.append(Fan(" · ".join(part for part in (task, f"start {tasks[:k + 1].count(task)}") if part), jpeg(context[k]),
                        branches, steps or [f"picture {f + 1} of {ahead}" for f in range(ahead)],
                        context.shape[2] / context.shape[1]))
    return Fans(made, str(facts.get("model", "")))


def told(facts: Mapping[str, Any], name: str, count: int) -> list[str]:
    """A list of so many words; empty if the log does not say it."""
    said = facts.get(name)
    return [str(one) for one in said] if isinstance(said, list | tuple) and len(said) == count else []


def offsets(log: EvalLog, count: int) -> list[str]:
    """Steps ahead by the protocol's terms, where all tasks agree and there are so many; else none."""
    terms = table(log.provenance.get("protocol", {}), "the log's provenance, protocol")
    found = {tuple(told(table(said, "protocol"), "offsets", count)) for said in terms.values()}
    return list(found.pop()) if len(found) == 1 else []
