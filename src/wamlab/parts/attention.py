"""Transformer blocks over nodes, with weights and a width per expert, levels by adaptive normalisation, and remembered keys and
values; attention across, where a stream is read by an attention of the reader's own.

Adaptive layer norm with zero-initialised gates follows DiT (arXiv 2212.09748); separate weights per stream with one
attention over all of them is a mixture of transformers (arXiv 2411.04996).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

Keys = list[tuple[Tensor, Tensor]]
"""per block: keys and values [B, heads, N, width of a head]"""


class Expert(nn.Module):
    """One block's weights for the tokens of one expert. `inner` is the width of the attention that all experts share."""

    def __init__(self, width: int, inner: int, expansion: int = 4):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(inner, 6 * width)
        self.qkv = nn.Linear(width, 3 * inner)
        self.out = nn.Linear(inner, width)
        self.mlp = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(approximate="tanh"),
                                 nn.Linear(expansion * width, width))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)


class Cross(nn.Module):
    """The weights with which an expert's tokens read other streams by an attention of their own: queries and a gate. Keys and
    values are those that the read tokens have in the block anyway, so that what is remembered serves both."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.q = nn.Linear(width, inner)
        self.out = nn.Linear(inner, width)
        self.gate = nn.Linear(inner, width)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, h: Float[Tensor, "B n d"], level: Float[Tensor, "B n i"], keys: Tensor, values: Tensor,
                mask: Bool[Tensor, "n M"]) -> Float[Tensor, "B n d"]:
        """An addition to the tokens; nothing for those that read nothing this way."""
        seen = mask.any(-1, keepdim=True)
        q = self.q(self.norm(h)).unflatten(-1, (keys.shape[1], -1)).transpose(1, 2)
        found = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask | ~seen).transpose(1, 2).flatten(2)
        return self.gate(level) * self.out(found) * seen


@dataclass(frozen=True, eq=False)
class Layout:
    """What one pass computes: groups of tokens, one per expert, and what they may read."""

    groups: tuple[tuple[str, Tensor, Tensor], ...]
    """(expert, the numbers of its segments among all, the segment of each of its tokens counted among its own)"""
    sizes: tuple[int, ...]
    """tokens per group"""
    mask: Bool[Tensor, "N M"]
    """group after group, to what is remembered and then to themselves"""
    across: Bool[Tensor, "N M"]
    """the same for attention across"""

    @staticmethod
    def of(segments: Sequence[tuple[str, Tensor]], remembered: Tensor, mask: Bool[Tensor, "T T"],
           across: Bool[Tensor, "T T"]) -> Layout:
        """
        Args:
            segments: (expert, places of its tokens in the mask) of all that is computed, sorted by expert.
            remembered: places of what is remembered, in the order of its keys.
            mask, across: of the whole table.
        """
        groups = []
        for expert in dict.fromkeys(expert for expert, _ in segments):
            own = [number for number, (other, _) in enumerate(segments) if other == expert]
            lengths = torch.tensor([len(segments[number][1]) for number in own])
            groups.append((expert, torch.tensor(own), torch.repeat_interleave(torch.arange(len(own)), lengths)))
        rows = torch.cat([places for _, places in segments])
        columns = torch.cat([remembered, rows])
        return Layout(tuple(groups), tuple(len(segment) for _, _, segment in groups), mask[rows][:, columns],
                      across[rows][:, columns])

    def to(self, device: torch.device) -> Layout:
        return Layout(tuple((name, a.to(device), b.to(device)) for name, a, b in self.groups), self.sizes,
                      self.mask.to(device), self.across.to(device))


class Block(nn.Module):
    """Joint attention, attention across where an expert has it here, then an MLP; each token through its expert's weights,
    scaled by its segment's level."""

    def __init__(self, widths: Mapping[str, int], heads: int, inner: int, crossing: Iterable[str] = ()):
        super().__init__()
        self.heads = heads
        self.experts: Mapping[str, Expert] = nn.ModuleDict(  # type: ignore[assignment]
            {name: Expert(width, inner) for name, width in widths.items()})
        self.crossing = nn.ModuleDict({name: Cross(widths[name], inner) for name in sorted(crossing)})

    def forward(self, x: Sequence[Tensor], level: Float[Tensor, "B S i"], layout: Layout,
                past: tuple[Tensor, Tensor] | None) -> tuple[list[Tensor], tuple[Tensor, Tensor]]:
        """`x` has a tensor [B, n, d] for each group, with its expert's width. Returns the same, and the tokens' own keys and
        values."""
        experts = [self.experts[name] for name, _, _ in layout.groups]
        # One modulation per segment, not per token: all tokens of a segment share a level.
        told = [expert.modulation(level[:, own])[:, segment].chunk(6, -1)
                for expert, (_, own, segment) in zip(experts, layout.groups, strict=True)]
        rows = [expert.qkv(expert.norm(h) * (1 + t[1]) + t[0]) for expert, h, t in zip(experts, x, told, strict=True)]
        qkv = rows[0] if len(rows) == 1 else torch.cat(rows, 1)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        keys, values = (k, v) if past is None else (torch.cat([past[0], k], 2), torch.cat([past[1], v], 2))
        found = F.scaled_dot_product_attention(q, keys, values, attn_mask=layout.mask).transpose(1, 2).flatten(2)
        after = []
        for (name, own, segment), expert, h, t, part, across in zip(
                layout.groups, experts, x, told, found.split(layout.sizes, 1), layout.across.split(layout.sizes), strict=True):
            h = h + t[2] * expert.out(part)
            if name in self.crossing:
                h = h + self.crossing[name](h, level[:, own][:, segment], keys, values, across)
            after.append(h + t[5] * expert.mlp(expert.norm(h) * (1 + t[4]) + t[3]))
        return after, (k, v)


class Trunk(nn.Module):
    """A stack of blocks.

    Args:
        widths: expert -> width.
        inner: width of the attention and of the levels' vectors.
        crossing: experts that also attend across, in every second block and in the last.
    """

    def __init__(self, widths: Mapping[str, int], depth: int, heads: int, inner: int, crossing: Iterable[str] = ()):
        super().__init__()
        self.blocks = nn.ModuleList(Block(widths, heads, inner, () if left % 2 else crossing)
                                    for left in reversed(range(depth)))

    def forward(self, x: Sequence[Tensor], level: Float[Tensor, "B S i"], layout: Layout,
                past: Keys | None = None) -> tuple[list[list[Tensor]], Keys]:
        """Returns the groups after every block, and their keys and values."""
        hidden: list[list[Tensor]] = []
        keys: Keys = []
        for number, block in enumerate(self.blocks):
            after, own = block(hidden[-1] if hidden else x, level, layout, past[number] if past else None)
            hidden.append(after)
            keys.append(own)
        return hidden, keys
