"""Transformer blocks over segments, with weights per expert, levels by adaptive normalisation, and a key/value cache.

Adaptive layer norm with zero-initialised gates follows DiT (arXiv 2212.09748); separate weights per stream with one
attention over all of them is a mixture of transformers (arXiv 2411.04996).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from .coupling import attention_mask

Cache = list[tuple[Tensor, Tensor]]
"""per block: keys and values [B, heads, N, width of a head]"""


class Expert(nn.Module):
    """One block's weights for the tokens of one expert."""

    def __init__(self, width: int, expansion: int = 4):
        super().__init__()
        self.modulation = nn.Linear(width, 6 * width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(approximate="tanh"),
                                 nn.Linear(expansion * width, width))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)


@dataclass(frozen=True, eq=False)
class Layout:
    """Which segments a pass computes, where their tokens lie, and what they may read."""

    sizes: Mapping[str, int]
    """active segments in sequence order -> tokens"""
    cached: Mapping[str, int]
    """segments whose keys and values come from the cache, in its order"""
    groups: tuple[tuple[str, int, int], ...]
    """(expert, first token, last token + 1): runs of active tokens with the same weights"""
    segment_of: Tensor
    """[N]: number of each active token's segment"""
    mask: Bool[Tensor, "N Nk"]

    @staticmethod
    def of(sizes: Mapping[str, int], cached: Mapping[str, int], experts: Mapping[str, str],
           reads: Mapping[str, tuple[str, ...]]) -> Layout:
        groups: list[tuple[str, int, int]] = []
        start = 0
        for name, size in sizes.items():
            if groups and groups[-1][0] == experts[name]:
                groups[-1] = (experts[name], groups[-1][1], start + size)
            else:
                groups.append((experts[name], start, start + size))
            start += size
        segment_of = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(list(sizes.values())))
        return Layout(dict(sizes), dict(cached), tuple(groups), segment_of,
                      attention_mask(reads, sizes, {**cached, **sizes}))


class Block(nn.Module):
    """Joint attention, then an MLP; each token through its expert's weights, scaled by its segment's level."""

    def __init__(self, width: int, heads: int, experts: tuple[str, ...]):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.experts: Mapping[str, Expert] = nn.ModuleDict(  # type: ignore[assignment]
            {name: Expert(width) for name in experts})

    def forward(self, x: Float[Tensor, "B N d"], level: Float[Tensor, "B S d"], layout: Layout,
                past: tuple[Tensor, Tensor] | None) -> tuple[Float[Tensor, "B N d"], tuple[Tensor, Tensor]]:
        def each(call, *values):
            """Apply every expert to its own run of tokens."""
            parts = [call(self.experts[name], *(value[:, a:b] for value in values)) for name, a, b in layout.groups]
            return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

        # One modulation per segment, not per token: all tokens of a segment share a level.
        per_expert = {name: self.experts[name].modulation(level) for name in {g[0] for g in layout.groups}}
        rows = [per_expert[name][:, layout.segment_of[a:b]] for name, a, b in layout.groups]
        shift1, scale1, gate1, shift2, scale2, gate2 = torch.cat(rows, 1).chunk(6, -1)
        h = self.norm(x) * (1 + scale1) + shift1
        qkv = each(lambda expert, t: expert.qkv(t), h)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        keys, values = (k, v) if past is None else (torch.cat([past[0], k], 2), torch.cat([past[1], v], 2))
        attended = F.scaled_dot_product_attention(q, keys, values, attn_mask=layout.mask.to(x.device))
        x = x + gate1 * each(lambda expert, t: expert.out(t), attended.transpose(1, 2).flatten(2))
        h = self.norm(x) * (1 + scale2) + shift2
        return x + gate2 * each(lambda expert, t: expert.mlp(t), h), (keys, values)


class Trunk(nn.Module):
    """A stack of blocks."""

    def __init__(self, width: int, depth: int, heads: int, experts: tuple[str, ...]):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, experts) for _ in range(depth))

    def forward(self, x: Float[Tensor, "B N d"], level: Float[Tensor, "B S d"], layout: Layout,
                cache: Cache | None = None) -> tuple[list[Tensor], Cache]:
        """Returns the tokens after every block, and the keys and values of all segments so far."""
        hidden, after = [], []
        for i, block in enumerate(self.blocks):
            x, kept = block(x, level, layout, cache[i] if cache else None)
            hidden.append(x)
            after.append(kept)
        return hidden, after
