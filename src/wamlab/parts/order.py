"""In which order the streams of one chunk are filled."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING

from ..errors import SpecError
from .streams import Node

if TYPE_CHECKING:
    from .table import Table


def stages(table: Table, sought: Iterable[str]) -> list[tuple[str, ...]]:
    """Together what reads one another as it stands; before it, what is read finished or hidden.

    Raises:
        SpecError: if streams wait for one another.
    """
    names = [name for name in table.streams if name in set(sought)]
    last = table.chunks - 1
    group, before = {name: {name} for name in names}, set()
    for reader in names:
        for node in table.closure(Node(reader, "", last)):
            if node.stream == reader or node.stream not in names or node.chunk != last:
                continue
            if node.view or table.ordered(node.stream):
                before.add((node.stream, reader))
            else:
                joined = group[reader] | group[node.stream]
                group |= {name: joined for name in joined}
    left, order = list(names), []
    while left:
        ready = [name for name in left
                 if not any(first in left and then in group[name] for first, then in before if first not in group[name])]
        if not ready or any((b, a) in before for a, b in product(group[ready[0]], repeat=2)):
            raise SpecError("streams wait for one another", where="Streams.reads",
                            expected="an order in which they can be made", got=", ".join(left),
                            fix="let one of them read the other as it stands, or not at all")
        stage = tuple(name for name in table.streams if name in group[ready[0]])
        if len(stage) > 1 and any(table.ordered(name) for name in stage):
            written = next(name for name in stage if table.ordered(name))
            raise SpecError(f"{written} is written token by token beside what is made step by step", where="Streams.reads",
                            expected=f"streams that {written} reads finished", got=", ".join(stage),
                            fix="read them @clean")
        order.append(stage)
        left = [name for name in left if name not in stage]
    return order
