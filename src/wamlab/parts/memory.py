"""Keys and values of what was computed before, a slot for each node of the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .attention import Keys
from .streams import Node


@dataclass(eq=False)
class Memory:
    """What one network remembers. Writing a node again overwrites it; nothing is ever changed in place."""

    slots: dict[Node, Keys] = field(default_factory=dict)
    """node -> keys and values [B, heads, n, width of a head] per block; of a node that is being written, the tokens so far"""

    def write(self, nodes: Sequence[tuple[Node, int]], keys: Keys) -> None:
        """Keep what a pass computed for nodes, given with their number of tokens in the order of the pass."""
        sizes = [size for _, size in nodes]
        parts = [(k.split(sizes, 2), v.split(sizes, 2)) for k, v in keys]
        for number, (node, _) in enumerate(nodes):
            self.slots[node] = [(k[number], v[number]) for k, v in parts]

    def append(self, node: Node, keys: Keys) -> None:
        """Keep further tokens of a node that is written token by token."""
        old = self.slots.get(node)
        self.slots[node] = keys if old is None else [
            (torch.cat([a, c], 2), torch.cat([b, d], 2)) for (a, b), (c, d) in zip(old, keys, strict=True)]

    def forget(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self.slots.pop(node, None)

    def copy(self) -> Memory:
        """Another memory of the same: what is written to one does not show in the other."""
        return Memory(dict(self.slots))

    def gather(self, nodes: Sequence[Node]) -> Keys | None:
        """Keys and values of several nodes, side by side."""
        if not nodes:
            return None
        blocks = zip(*(self.slots[node] for node in nodes), strict=True)
        return [(_joined([k for k, _ in block]), _joined([v for _, v in block])) for block in blocks]

    @staticmethod
    def stacked(memories: Sequence[Memory]) -> Memory:
        """The memories of several sets of situations, which hold the same nodes, as one."""
        return Memory({node: [(torch.cat([m.slots[node][i][0] for m in memories]),
                               torch.cat([m.slots[node][i][1] for m in memories])) for i in range(len(keys))]
                       for node, keys in memories[0].slots.items()})


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), 2)
