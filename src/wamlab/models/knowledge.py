"""What is known of the table's nodes while a model is trained or asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import Tensor

from ..parts.streams import Node


@dataclass(eq=False)
class Known:
    """Values of nodes, the levels at which they stand, and what their tokens are shown beside their own."""

    values: dict[Node, Tensor] = field(default_factory=dict)
    """[B, n, w] numbers or [B, n] codes"""
    levels: dict[Node, Tensor] = field(default_factory=dict)
    """[B]; nodes without one are finished (level 1)"""
    beside: dict[tuple[str, int], Tensor | None] = field(default_factory=dict)
    """(stream, chunk) -> [B, n, k]"""

    def copy(self) -> Known:
        return Known(dict(self.values), dict(self.levels), dict(self.beside))

    def put(self, node: Node, value: Tensor, level: Tensor | None = None) -> None:
        self.values[node] = value
        if level is not None:
            self.levels[node] = level
        else:
            self.levels.pop(node, None)

    def forget(self, later: int, also: Iterable[Node] = ()) -> None:
        """Drop what is told of chunks after `later`, and of further nodes."""
        gone = {*also}
        for part in (self.values, self.levels):
            for node in [node for node in part if node.chunk > later or node in gone]:
                del part[node]
        self.beside = {key: value for key, value in self.beside.items() if key[1] <= later}
