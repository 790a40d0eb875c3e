"""The settings of a model that is made of streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..errors import SpecError
from ..fields import LARGEST, count, listed, number
from ..parts.streams import Clock, Stream
from ..parts.table import Table
from ..parts.vocabulary import SEEN
from ..reading import PIXELS
from ..spec import TaskSpec
from ..types import Query
from .axes import axes
from .stream import StreamWAM

WIDEST = 64
"""times the model's width that no expert has"""
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
    clock: Clock = "independent"
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
    backward: float = 0.0
    """share of training samples with disturbed or playful actions that ask which action led to the future given, where the
    streams answer that"""
    order: tuple[str, ...] = ()
    """streams that read one another and are sought together are made in this order, each given those before: p(a) p(f | a) is
    p(f, a) as much as steps taken together are. None: together (independent levels only)"""

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
        count(f"Streams.{name}", value, 2**31)
    if not listed("Streams.offsets", config.offsets):
        raise SpecError("the future's frames have no place in time", where="Streams.offsets", expected="at least one",
                        got="none")
    for name, value in (("history", config.history), ("chunk", config.chunk), *(("offsets", one) for one in config.offsets)):
        count(f"Streams.{name}", value, MOST)
    if list(config.offsets) != sorted({*config.offsets}):
        raise SpecError("the offsets are out of order", where="Streams.offsets", expected="ascending, each once",
                        got=config.offsets)
    if config.width % config.heads:
        raise SpecError("the heads do not share the width evenly", where="Streams.heads", got=config.heads,
                        expected=f"a divisor of {config.width}", fix="--size debug and base change the width, to 32 and 256")
    for name, share in (("blur", config.blur), ("tied", config.tied), ("corners", config.corners),
                        ("backward", config.backward)):
        number(f"Streams.{name}", share, 0, 1)
    number("Streams.play_weight", config.play_weight, 0, LARGEST)
    if config.shift:
        count("Streams.shift", config.shift, PIXELS)
    if config.skip is not None:
        number("Streams.skip", config.skip, -1, 1)
    _experts(config)
    _memory(config)
    _order(config)
    return config


def _experts(config: Streams) -> None:
    known = sorted({stream.expert for stream in config.table.streams.values()})
    for name, share in config.experts.items():
        if name not in known:
            raise SpecError(f"no stream goes through an expert {name!r}", where="Streams.experts", expected=", ".join(known),
                            got=name, fix="name it in a stream (expert=...), or correct the name")
        number(f"Streams.experts, {name}", share, 0, WIDEST, "give the share of the model's width", above=True)


def _order(config: Streams) -> None:
    """What is made one after the other asks each question on the way."""
    made: list[str] = []
    for name in config.order:
        if name not in config.table.generated or name in made:
            raise SpecError("only what is generated is made in an order, each once", where="Streams.order", got=name,
                            expected=", ".join(config.table.generated))
        asked = Query(frozenset({name}), frozenset(made))
        if config.clock == "shared" or config.table.why_not(asked):
            raise SpecError(f"{name} cannot be made at that place: {asked}", where="Streams.order", got=config.order,
                            expected="; ".join(sorted(map(str, config.table.answers))),
                            fix="choose another order, or none: then they are made together")
        made.append(name)


def _memory(config: Streams) -> None:
    """What is remembered of a chunk must have happened when the next one starts: else training shows what is to be said."""
    late = [offset for offset in config.offsets if offset > config.chunk]
    told = sorted(name for name in config.table.recalled if config.table.streams[name].holds.ahead
                  and not config.table.streams[name].holds.doing)
    if late and told and config.chunks > 1:
        raise SpecError(f"{', '.join(told)} of earlier chunks would tell of what is still to come", where="Streams.offsets",
                        expected=f"at most {config.chunk}, as Streams.chunk", got=late,
                        fix=f"leave those offsets out, make chunk at least {max(late)}, or read no @past")
