"""Who reads whom, as data: over streams, finished copies and chunks of time. Mask, order of sampling, questions, cache and leak
tests all come from this one table.

A *stream* is a kind of tokens. `reads` maps a stream to what its tokens may attend to:

    "x"         x of the same chunk, as it stands
    "x@clean"   x of the same chunk, finished: data in training, the model's own answer at inference
    "x@past"    x of all earlier chunks, finished
    "x@noisy"   x of all earlier chunks, as it stands
    "x@hidden"  states of the network that makes x, after one pass over noise, read by another network

A stream's finished copy may have a row of its own ("future@clean": ...). What is not told reads the conditions, and a copy
also itself and its past.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..types import Query
from .checks import check
from .order import stages
from .questions import answers, complete, why_not
from .streams import Clock, Node, Stream


@dataclass(frozen=True)
class Table:
    """Streams, and who reads whom.

    Raises:
        SpecError: naming the stream, if a name is unknown, a stream sees its own answer, what is there once reads what comes
            anew, a stream reads another network's tokens, or streams wait for one another in a circle.
    """

    streams: Mapping[str, Stream]
    reads: Mapping[str, tuple[str, ...]]
    chunks: int = 1
    networks: tuple[tuple[str, ...], ...] = ()
    """which streams and copies share a network; none told: all share one. Attention never crosses networks"""
    clock: Clock = "independent"
    """whether training draws the streams' levels apart (then each can be given or absent) or as one"""
    practice: tuple[Query, ...] = ()
    """questions that training poses beside what the clock covers, equally often; one that stands twice, twice as often"""

    def __post_init__(self) -> None:
        check(self)

    @cached_property
    def generated(self) -> tuple[str, ...]:
        return tuple(name for name, stream in self.streams.items() if stream.process is not None)

    @cached_property
    def words(self) -> frozenset[str]:
        """All that is read, as it is written."""
        return frozenset(key for keys in self.reads.values() for key in keys)

    def ordered(self, name: str) -> bool:
        """Whether a stream is written token by token: causality inside it makes its finished copy and itself one."""
        process = self.streams[name].process
        return process is not None and process.ordered

    def solid(self, name: str) -> str:
        """The view in which others find it finished."""
        copied = self.streams[name].process is not None and not self.ordered(name)
        return "clean" if copied and {f"{name}@clean", f"{name}@past"} & self.words else ""

    @cached_property
    def recalled(self) -> frozenset[str]:
        """The streams of which later chunks read what earlier ones were."""
        return frozenset(name for name, _, view in (key.partition("@") for key in self.words) if view in ("past", "noisy"))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All runs of tokens, in the order in which they stand."""
        found = [Node(name) for name, stream in self.streams.items() if stream.once]
        for chunk in range(self.chunks):
            for name, stream in self.streams.items():
                if stream.once or (stream.taken == "place" and stream.process is None):
                    continue
                last = chunk == self.chunks - 1
                if self.solid(name) and stream.taken != "place" and (f"{name}@clean" in self.words or not last):
                    found.append(Node(name, "clean", chunk))
                if f"{name}@hidden" in self.words:
                    found.append(Node(name, "hidden", chunk))
                found.append(Node(name, "", chunk))
        return tuple(found)

    @cached_property
    def members(self) -> tuple[tuple[Node, ...], ...]:
        """Per network: its nodes."""
        names = self.networks or (tuple({*self.streams} | {node.key for node in self.nodes}),)
        return tuple(tuple(node for node in self.nodes if node.key in keys) for keys in names)

    def home(self, node: Node) -> int:
        """The network in which a node lives; conditions live in every network that names them, first in the first."""
        return next(number for number, nodes in enumerate(self.members) if node in nodes)

    def entries(self, node: Node) -> tuple[str, ...]:
        """What the table says a node reads."""
        if node.key in self.reads:
            return self.reads[node.key]
        once = self.streams[node.stream].once
        given = tuple(name for name, stream in self.streams.items() if stream.process is None and stream.once >= once
                      and stream.taken != "place" and not self.ahead(name))
        own = {"clean": (f"{node.stream}@clean", f"{node.stream}@past"), "hidden": (f"{node.stream}@hidden",), "": ()}
        return given + own[node.view]

    def resolve(self, key: str, chunk: int) -> tuple[Node, ...]:
        """The nodes that a word means to a reader in a chunk."""
        name, _, view = key.partition("@")
        if self.streams[name].once:
            return (Node(name),)
        solid, here = self.solid(name), max(chunk, 0)
        if view in ("past", "noisy"):
            return tuple(Node(name, solid if view == "past" else "", earlier) for earlier in range(here))
        return (Node(name, solid if view == "clean" else view, here),)

    def read_by(self, node: Node) -> frozenset[Node]:
        return frozenset(found for key in self.entries(node) for found in self.resolve(key, node.chunk))

    def closure(self, node: Node, network: int | None = None) -> frozenset[Node]:
        """`node` and everything that can change its tokens within one pass of a network (default: where it lives)."""
        home = self.home(node) if network is None else network
        if (node, home) not in self._closures:
            inside, seen, queue = frozenset(self.members[home]), set[Node](), [node]
            while queue:
                found = queue.pop()
                if found not in seen:
                    seen.add(found)
                    queue += [more for more in self.read_by(found) if more in inside
                              or self.streams[more.stream].taken == "place"]
            self._closures[node, home] = frozenset(seen)
        return self._closures[node, home]

    @cached_property
    def _closures(self) -> dict[tuple[Node, int], frozenset[Node]]:
        return {}

    def directly(self, reader: str, read: str) -> bool:
        """Whether a stream reads another one of the same chunk as it stands."""
        return read in self.reads.get(reader, ())

    def ahead(self, name: str) -> bool:
        """Whether a stream tells of what lies ahead though nothing generates it: it has to be given."""
        stream = self.streams[name]
        return stream.process is None and not stream.once and stream.holds.ahead

    def stale(self, written: Iterable[Node]) -> frozenset[Node]:
        """Nodes whose keys and values no longer hold once others have changed."""
        changed = set(written)
        return frozenset(node for node in self.nodes if node not in changed and self.closure(node) & changed)

    def stages(self, sought: Iterable[str]) -> list[tuple[str, ...]]:
        """In which order the sought streams of a chunk are filled. Raises SpecError if they wait for one another."""
        return stages(self, sought)

    def complete(self, query: Query) -> Query:
        """A question with the streams that have to be made on the way."""
        return complete(self, query)

    def why_not(self, query: Query) -> str:
        """Why the wiring cannot answer a question; empty if it can."""
        return why_not(self, query)

    @cached_property
    def answers(self) -> frozenset[Query]:
        """The questions that the wiring answers."""
        return answers(self)
