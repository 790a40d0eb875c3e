"""Which questions a table answers: for each stream, given, sought or absent."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from ..types import Query
from .streams import Node

if TYPE_CHECKING:
    from .table import Table

PUBLIC = frozenset({"future", "action"})


def complete(table: Table, query: Query) -> Query:
    """With what has to be made on the way: a stream other than future and action is made whenever it cannot be absent."""
    sought = set(query.sought)
    while True:
        free = table.clock == "independent" or query in table.practice
        reached = {node for name in sought & set(table.generated) for node in table.closure(Node(name, "", 0))}
        more = {node.stream for node in reached
                if node.stream in table.generated and node.stream not in sought | query.given | PUBLIC
                and (node.view == "clean" or table.ordered(node.stream) or (node.view == "" and not free))}
        if not more:
            return Query(frozenset(sought), query.given)
        sought |= more


def why_not(table: Table, query: Query) -> str:
    """Why the wiring cannot answer; empty if it can."""
    free = table.clock == "independent" or query in table.practice
    query = complete(table, query)
    free = free or query in table.practice
    if not query.sought:
        return "nothing is sought"
    if table.practice and not any(_covers(table, practised, query) for practised in table.practice):
        return "training practises other questions alone"
    near: set[frozenset[str]] = set()
    for name in sorted(query.sought):
        if name not in table.generated:
            return f"{name} is never generated"
        for node in sorted(table.closure(Node(name, "", 0))):
            other = node.stream
            if table.ahead(other) and other not in query.given:
                return f"{name} needs {other} given"
            if other == name or (other not in table.generated and other not in query.given):
                continue
            near.add(frozenset((name, other)))
            if other in query.sought:
                continue
            if node.view == "clean" and other not in query.given:
                return f"{name} needs a finished {other}"
            if node.view == "hidden" and other in query.given:
                return f"{name} reads {other} before it is finished, not a given one"
            if table.ordered(other) and other not in query.given:
                return f"{name} never saw {other} absent"
            if node.view == "" and other in table.generated and not free:
                written = table.ordered(other) and other in query.given
                if not written:
                    return f"{name} never saw {other} given or absent alone"
    for name in sorted(query.given):
        if not any(frozenset((sought, name)) in near for sought in query.sought):
            return f"nothing sought reads {name}"
    return "" if _hang_together(query.sought, near) else "what is sought does not hang together"


def _covers(table: Table, practised: Query, query: Query) -> bool:
    """Whether training saw a question in practising another: what is sought there is seen at every level, what is given or
    absent at that alone."""
    practised = complete(table, practised)
    return all(practised.role(name) in ("sought", query.role(name)) for name in table.generated if not table.ordered(name))


def _hang_together(names: frozenset[str], near: set[frozenset[str]]) -> bool:
    first, *_ = sorted(names)
    linked, queue = set(), [first]
    while queue:
        name = queue.pop()
        linked.add(name)
        queue += [other for other in names - linked if frozenset((name, other)) in near]
    return linked == names


def answers(table: Table) -> frozenset[Query]:
    """Every question over what is generated or has to be given that the wiring answers."""
    names = [name for name in table.streams if name in table.generated or table.ahead(name)]
    found = set()
    for roles in product(("sought", "given", "absent"), repeat=len(names)):
        query = Query(frozenset(n for n, role in zip(names, roles, strict=True) if role == "sought"),
                      frozenset(n for n, role in zip(names, roles, strict=True) if role == "given"))
        if query.sought and not why_not(table, query):
            found.add(query)
    return frozenset(found)
