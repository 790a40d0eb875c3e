"""The table as a mask over tokens, of which every pass takes some rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from .streams import Node
from .table import Table


def blocks_of(table: Table, name: str, steps: int) -> int:
    """Into how many runs, each written on its own, the tokens of a stream fall that is written token by token."""
    return steps if table.streams[name].within == "step" else 1


def across(table: Table, reader: Node, read: Node) -> bool:
    """Whether a node takes up another, which it reads, by an attention of its own."""
    return table.streams[read.stream].taken == "cross" and read.stream != reader.stream


def cross_mask(table: Table, where: Mapping[Node, slice]) -> Bool[Tensor, "N N"]:
    """True where a token attends to a token by an attention of its own, for nodes that lie as told."""
    total = max((rows.stop for rows in where.values()), default=0)
    mask = torch.zeros(total, total, dtype=torch.bool)
    for reader in where:
        for read in table.read_by(reader):
            if read in where and across(table, reader, read):
                mask[where[reader], where[read]] = True
    return mask


def table_mask(table: Table, nodes: Sequence[Node], sizes: Mapping[str, int],
               steps: Mapping[str, int]) -> tuple[Bool[Tensor, "N N"], dict[Node, slice]]:
    """True where a token may attend to a token by the attention that all share, for all nodes of a network; and where each
    node lies.

    Args:
        sizes: stream or copy -> tokens of one node (with the start tokens of what is written token by token).
        steps: stream -> control steps that its tokens stand for.
    """
    where: dict[Node, slice] = {}
    total = 0
    for node in nodes:
        where[node] = slice(total, total + sizes[node.key])
        total += sizes[node.key]
    mask = torch.zeros(total, total, dtype=torch.bool)
    for reader in nodes:
        for read in table.read_by(reader):
            if read in where and (table.streams[read.stream].taken == "attention" or read.stream == reader.stream):
                mask[where[reader], where[read]] = True
        rows, stream = where[reader], table.streams[reader.stream]
        if stream.within != "full" and mask[rows, rows].any():
            place = torch.arange(sizes[reader.key])
            block = place // (sizes[reader.key] // blocks_of(table, reader.stream, steps[reader.stream]))
            mask[rows, rows] = (block[:, None] == block[None]) & (place[:, None] >= place[None])
    return mask, where
