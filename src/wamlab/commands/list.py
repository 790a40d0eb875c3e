"""`wam list`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..models.streams import Streams, checked
from ..recipe import Recipe, axes, load, names
from ..spec import ActionSpec, TaskSpec
from ..types import QUERIES
from .console import print_json, print_table, say

ANY_TASK = TaskSpec("any", "", ("main",), (64, 64), ("x",), ActionSpec(("x",), (-1.0,), (1.0,), ("m/step",)), (), 20.0, 60)


def answers(recipe: Recipe) -> list[str]:
    """Names of the queries that a model of this recipe answers, whatever its task."""
    model = recipe.model
    # What is made of streams answers what its table does, whichever cameras it needs.
    if isinstance(model, Streams):
        found = checked(model).table.answers
    else:
        found = recipe.sized("debug").model.build(ANY_TASK).answers()
    return [name for name, query in QUERIES.items() if query in found]


def facts(recipe: Recipe) -> dict[str, Any]:
    """One row of the list."""
    return {"name": recipe.name, "summary": recipe.summary, "paper": recipe.paper, "differs": recipe.differs,
            "axes": axes(recipe), "answers": answers(recipe)}


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table of the README."""
    head = ["recipe", *rows[0]["axes"], "answers"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [f"`{row['name']}`", *row["axes"].values(), ", ".join(row["answers"]).replace("_", " ")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Command:
    """List the recipes with their place in the design space, computed from their parts, and the queries they answer.

    policy: action sought. imagine_and_act: future and action sought. world_model: future sought, action given.
    inverse_dynamics: action sought, future given. video: future sought, no action.

    examples:
      wam list
      wam list --json
      wam list --tasks
      wam list --filters
      wam list --markdown
    """

    tasks: bool = False
    """list the tasks of the simulators in place of the recipes"""
    filters: bool = False
    """list the quality filters (wam data filter): what each sees, and what it cannot see"""
    markdown: bool = False
    """print the recipes as a Markdown table"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        if self.tasks:
            from ..simulators import tasks

            print_json(tasks()) if self.json else say(*tasks())
            return
        if self.filters:
            from ..curate.filters import discover

            known = [{"name": one.name, "better": one.direction, "unit": one.unit, "meaning": one.meaning, "blind": one.blind,
                      "source": one.source, "usual": one.usual} for one in discover().values()]
            print_json(known) if self.json else print_table(
                "filters", ["filter", "better", "sees", "cannot see"],
                [[row["name"], row["better"], row["meaning"], row["blind"]] for row in known])
            return
        rows = [facts(load(name)) for name in names()]
        if self.json:
            print_json(rows)
        elif self.markdown:
            say(*markdown(rows).split("\n"))
        else:
            print_table("recipes", ["recipe", *rows[0]["axes"], "answers"],
                        [[row["name"], *row["axes"].values(), ", ".join(row["answers"]).replace("_", " ")] for row in rows])
            say("", "wam show RECIPE says more; wam train RECIPE --data DIR trains one")
