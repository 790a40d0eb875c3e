"""Who reads whom, as data. The training mask, the sampling order, the cache and the leak tests all come from here.

A *segment* is a run of tokens of one kind:

- conditions: "text", "state", "context" (the frames seen so far); never corrupted;
- generated: "future", "action"; corrupted to a level between 0 (noise: absent) and 1 (data: given);
- copies of the future that only the action reads: "future@clean" (data in training, the model's own finished sample
  at inference: explicit cascades) and "future@hidden" (hidden states of the network that predicts the future, after
  one pass over pure noise: implicit cascades).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from ..errors import SpecError
from ..types import IMAGINE_AND_ACT, INVERSE_DYNAMICS, POLICY, VIDEO, WORLD_MODEL, Query

CONDITIONS = ("text", "state", "context")
GENERATED = ("future", "action")
COPIES = ("future@clean", "future@hidden")
SEGMENTS = (*CONDITIONS, *COPIES, *GENERATED)


@dataclass(frozen=True)
class Coupling:
    """The wiring of one model.

    Raises:
        SpecError: if a segment is unknown, reads a segment of another network, a condition reads what is generated, or anything
            but the action reads a copy of the future.
    """

    reads: Mapping[str, tuple[str, ...]]
    """segment -> the segments its tokens may attend to (itself included, if it may)"""
    networks: tuple[tuple[str, ...], ...]
    """which segments share a network; attention never crosses networks, only copies do"""
    levels: Literal["independent", "shared"] = "independent"
    """whether training draws the noise levels of future and action apart (then either can be given or absent) or as one"""
    teacher_noise: float = 0.0
    """share of training samples whose "future@clean" is itself noised to a random level, against exposure bias"""

    def __post_init__(self) -> None:
        for segment, keys in self.reads.items():
            for name in (segment, *keys):
                if name not in SEGMENTS:
                    raise SpecError(f"unknown segment {name!r}", where="Coupling.reads", expected=SEGMENTS, got=name)
            if segment in CONDITIONS and set(keys) & set(GENERATED):
                raise SpecError(f"{segment} reads what is generated", where="Coupling.reads",
                                expected="conditions read conditions only", got=keys)
            if (copies := set(keys) & set(COPIES) - {segment}) and segment != "action":
                raise SpecError(f"{segment} reads a copy of the future, which holds the answer in training",
                                where="Coupling.reads", expected="only the action reads copies", got=sorted(copies))
            homes = [network for network in self.networks if segment in network]
            if not homes:
                raise SpecError(f"{segment} is in no network", where="Coupling.networks", expected=segment, got=self.networks)
            if segment not in CONDITIONS and not set(keys) <= set(homes[0]):
                raise SpecError(f"{segment} reads a segment of another network", where="Coupling.reads",
                                expected=homes[0], got=keys, fix="read a copy: future@clean or future@hidden")

    @cached_property
    def streams(self) -> tuple[str, ...]:
        """The generated segments this model has."""
        return tuple(name for name in GENERATED if name in self.reads)

    @cached_property
    def copy(self) -> str | None:
        """The copy of the future that the action reads, if any."""
        return next((name for name in COPIES if name in self.reads.get("action", ())), None)

    def home(self, segment: str) -> int:
        """The network a generated segment or copy lives in."""
        return next(i for i, network in enumerate(self.networks) if segment in network)

    def closure(self, segment: str, network: int | None = None) -> frozenset[str]:
        """`segment` and everything that can change its tokens within one pass of its network (default: where it lives):
        the transitive closure of `reads` among the segments of that network."""
        present = self.networks[self.home(segment) if network is None else network]
        seen: set[str] = set()
        queue = [segment]
        while queue:
            name = queue.pop()
            if name not in seen:
                seen.add(name)
                queue += [key for key in self.reads.get(name, ()) if key in present]
        return frozenset(seen)

    def directly(self, reader: str, read: str) -> bool:
        return read in self.reads.get(reader, ())

    @cached_property
    def answers(self) -> frozenset[Query]:
        """The queries this wiring can answer; see the roles in the design."""
        free = self.levels == "independent"
        found = set()
        joint = self.directly("action", "future")
        if "action" in self.streams:
            if self.copy is None and (not joint or free):
                found.add(POLICY)
            if self.copy == "future@hidden":
                found.add(POLICY)
            if (joint and free) or self.copy == "future@clean":
                found.add(INVERSE_DYNAMICS)
            if joint or self.copy:
                found.add(IMAGINE_AND_ACT)
        if "future" in self.streams:
            reads_action = self.directly("future", "action")
            if reads_action and free:
                found.add(WORLD_MODEL)
            if not reads_action or free:
                found.add(VIDEO)
        return frozenset(found)

    def stages(self, sought: Iterable[str]) -> list[tuple[str, ...]]:
        """In which order inference fills the sought streams: together, or the future before the action that reads it."""
        order = [name for name in GENERATED if name in set(sought)]
        return [(name,) for name in order] if self.copy else [tuple(order)]


def attention_mask(reads: Mapping[str, tuple[str, ...]], queries: Mapping[str, int],
                   keys: Mapping[str, int]) -> Bool[Tensor, "Nq Nk"]:
    """True where a query token may attend to a key token.

    Args:
        reads: segment -> segments read.
        queries, keys: segment -> number of tokens, in sequence order.
    """
    mask = torch.zeros(sum(queries.values()), sum(keys.values()), dtype=torch.bool)
    row = 0
    for query, height in queries.items():
        column = 0
        for key, width in keys.items():
            mask[row : row + height, column : column + width] = key in reads[query]
            column += width
        row += height
    return mask
