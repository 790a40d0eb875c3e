"""The settings of a model that is made of streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ..errors import SpecError
from ..fields import whole
from ..parts.streams import Stream
from ..parts.table import Table
from ..parts.vocabulary import SEEN
from ..spec import TaskSpec
from ..types import Query
from .axes import axes
from .stream import StreamWAM

MOST = 10_000
"""steps of sampling, actions of a chunk or steps ahead that no model has"""


@dataclass(frozen=True)
class Streams:
    """A model as streams and who reads whom; `build` makes it.

    Raises:
        SpecError: for a table that cannot be, and for numbers that are none of a model.
    """

    streams: Mapping[str, Stream]
    """beside or in place of text, state and context"""
    reads: Mapping[str, tuple[str, ...]]
    """who reads whom: see `wamlab.parts.table`"""
    chunks: int = 1
    """chunks of time that a training window holds, and after which a session begins anew"""
    networks: tuple[tuple[str, ...], ...] = ()
    clock: Literal["independent", "shared"] = "independent"
    practice: tuple[Query, ...] = ()
    experts: Mapping[str, float] = field(default_factory=dict)
    """expert -> its width as a share of the model's; those not named have the whole"""
    blur: float = 0.0
    """share of training samples whose finished copies are themselves noised to a random level, against exposure bias"""
    skip: float | None = None
    """when filling, a pass is left out and the last one's output used again where the two steps before went the same way: the
    cosine of their directions is above this (as in DreamZero, arXiv 2602.15922); None: never"""
    width: int = 128
    depth: int = 4
    heads: int = 4
    history: int = 1
    """frames of context"""
    chunk: int = 8
    """actions per answer"""
    offsets: tuple[int, ...] = (4, 8)
    """steps ahead of a chunk's start that its future frames show"""
    play_weight: float = 2.0
    """weight of the future's loss on disturbed and playful actions: only they show what unusual actions do"""
    shift: int = 3
    """context frames are shifted by up to this many pixels in training (arXiv 2004.13649)"""
    tied: float = 0.5
    """share of training samples in which future and action have the same level, as they have when sampled together"""
    corners: float = 0.2
    """share of training samples in which one stream is fully given or fully absent (independent levels only)"""

    @cached_property
    def table(self) -> Table:
        """Who reads whom. Conditions that nobody reads are left out."""
        used = {key.partition("@")[0] for keys in self.reads.values() for key in keys} | {*self.reads}
        found = {name: stream for name, stream in SEEN.items() if name in used} | dict(self.streams)
        return Table(found, self.reads, self.chunks, self.networks, self.clock, self.practice)

    def build(self, task_spec: TaskSpec) -> StreamWAM:
        return StreamWAM(checked(self), task_spec)

    def axes(self) -> dict[str, str]:
        """This model's row in the design space, computed from its parts."""
        return axes(self.table)


def checked(config: Streams) -> Streams:
    """The settings, if a model can be made of them. Raises SpecError naming the field."""
    for name, value in (("width", config.width), ("depth", config.depth), ("heads", config.heads)):
        whole(f"Streams.{name}", value, 2**31)
    for name, value in (("history", config.history), ("chunk", config.chunk), *(("offsets", one) for one in config.offsets)):
        whole(f"Streams.{name}", value, MOST)
    if config.width % config.heads:
        raise SpecError("the heads do not share the width evenly", where="Streams.heads", got=config.heads,
                        expected=f"a divisor of {config.width}")
    return config
