"""A stream, and a run of its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from ..errors import SpecError
from ..fields import LARGEST, choice, number
from .processes import Process
from .representations import Representation

ONCE = -1
"""the chunk of what is there once, for all chunks"""
VIEWS = ("", "clean", "past", "noisy", "hidden")


Clock = Literal["independent", "shared"]
Within = Literal["full", "causal", "step"]
Taken = Literal["attention", "cross", "place"]


class Node(NamedTuple):
    """A run of tokens: a stream as it stands (view ""), its finished copy or its hidden states, in one chunk."""

    stream: str
    view: str = ""
    chunk: int = ONCE

    @property
    def key(self) -> str:
        """The name that a table has for it."""
        return f"{self.stream}@{self.view}" if self.view else self.stream

    def __str__(self) -> str:
        return self.key if self.chunk == ONCE else f"{self.key} of chunk {self.chunk}"


@dataclass(frozen=True)
class Stream:
    """What one stream is.

    Raises:
        SpecError: for what is no representation or process, a word that is none of the options, a weight that is none; if what
            is generated is there only once, or what is written token by token reads tokens ahead.
    """

    holds: Representation
    """a representation: how named signals become tokens"""
    process: Process | None = None
    """how it is generated; None: it can only be given"""
    expert: str = "shared"
    """name of the weights that its tokens go through"""
    within: Within = "full"
    """which of its own tokens a token reads: all, the earlier ones, or the earlier ones of the same control step"""
    taken: Taken = "attention"
    """how others take it up: by the attention that all share, by one of their own over this stream alone, at every second
    block, or each place of theirs the same place of this one"""
    once: bool = False
    """there once, instead of anew in every chunk"""
    weight: float = 1.0
    """of its loss"""

    def __post_init__(self) -> None:
        for name, part, kind, such in (("holds", self.holds, Representation, "Actions()"),
                                       ("process", self.process, Process | None, "FlowMatching()")):
            if isinstance(part, type) or not isinstance(part, kind):
                raise SpecError(f"a stream's {name} is none", where=f"Stream.{name}", expected=such, got=repr(part)[:60],
                                fix=f"give an object, with brackets: {such}")
        choice("Stream.within", self.within, get_args(Within))
        choice("Stream.taken", self.taken, get_args(Taken))
        number("Stream.weight", self.weight, 0, LARGEST)
        if self.once and self.process is not None:
            raise SpecError("what is generated comes anew in every chunk", where="Stream.once", expected=False, got=True)
        if self.process is not None and self.process.ordered and self.within == "full":
            raise SpecError("what is written token by token cannot read the tokens that follow", where="Stream.within",
                            expected="causal or step", got=self.within)
