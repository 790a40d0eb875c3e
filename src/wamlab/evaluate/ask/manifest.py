"""What a model can be asked, and why not: a question that cannot be put is unavailable, never answered with zero."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ...types import IMAGINE_AND_ACT, INVERSE_DYNAMICS, POLICY, VIDEO, WORLD_MODEL, Query

NO_IMAGINATION = "this model imagines no future by its wiring"
NO_FUTURE = "it imagines no future when it acts, by its wiring"
DEAF = "its future does not read an action that is given, by its wiring"
NOT_OFFERED = "its action does not read a future that is offered, by its wiring"


@dataclass(frozen=True)
class Capability:
    """One thing that the card would like to ask."""

    name: str
    """a2f, f2a, plan, blocked, video"""
    available: bool
    why: str
    """how it is asked, or why it cannot be"""


def manifest(answers: AbstractSet[Query]) -> tuple[Capability, ...]:
    """The entries of a model from the queries that its wiring answers."""
    none = "" if any(query.future == "sought" for query in answers) else NO_IMAGINATION
    rows = (
        ("a2f", WORLD_MODEL, "a given action, held fixed while the future is generated",
         none or DEAF),
        ("f2a", INVERSE_DYNAMICS, "a given future, read by the action on the model's own path",
         NOT_OFFERED),
        ("plan", IMAGINE_AND_ACT, "future and action sought together; the episode shows which came true",
         "it acts without imagining: foresight-conditioned success is unavailable by construction"),
        ("blocked", POLICY, "the action alone, with the future absent", "its action cannot do without a future"),
        ("video", VIDEO, "the future alone", none or "its future cannot do without an action"),
    )
    return tuple(Capability(name, query in answers, how if query in answers else why) for name, query, how, why in rows)
