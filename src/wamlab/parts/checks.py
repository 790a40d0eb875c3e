"""What a table may not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from torch import nn

from ..errors import SpecError
from ..fields import choice, count
from ..queries import Query
from .streams import VIEWS, Clock, Node, Stream

if TYPE_CHECKING:
    from .table import Table

WHERE = "Streams.reads"


def check(table: Table) -> None:
    """Raises SpecError naming the stream and the fix."""
    count("Streams.chunks", table.chunks, 256)
    choice("Streams.clock", table.clock, get_args(Clock))
    known = [name for name in table.streams]
    for name, stream in table.streams.items():
        _name(table, name)
        if not isinstance(stream, Stream):
            raise SpecError(f"{name} is no stream", where=f"Streams.streams, {name}", expected="a Stream",
                            got=repr(stream)[:60], fix="frames(), actions() and given() make one, or Stream(HOLDS, PROCESS)")
    if not table.generated:
        raise SpecError("nothing is generated", where="Streams.streams", expected="a stream with a process", got=known)
    for reader, keys in table.reads.items():
        if isinstance(keys, str):
            raise SpecError(f"what {reader} reads is one text", where=f"{WHERE}, {reader}", expected="a tuple of names",
                            got=repr(keys), fix=f"({keys!r},) with the comma")
        for key in (reader, *keys):
            name, _, view = key.partition("@")
            if name not in table.streams or view not in VIEWS or key.endswith("@"):
                raise SpecError(f"unknown stream {key!r}", where=f"{WHERE}, {reader}", expected=f"{known}, with "
                                f"{', '.join('@' + view for view in VIEWS if view)} or nothing", got=key,
                                fix="give the stream to Streams.streams, or correct the name")
            if view == "hidden" and name not in table.generated:
                raise SpecError(f"nothing makes {name}, so that it has no hidden states", where=f"{WHERE}, {reader}", got=key,
                                expected=", ".join(f"{one}@hidden" for one in table.generated), fix=f"read {name}")
            copied = view == "clean" and name in table.generated and not table.ordered(name)
            if (copied or view in ("past", "noisy", "hidden")) and table.streams[name].taken == "place":
                raise SpecError(f"{name} is taken place by place, of its own chunk alone", where=f"{WHERE}, {reader}", got=key,
                                expected=name, fix="take it by attention, or read it as it stands")
            if view == "hidden" and table.ordered(name):
                raise SpecError(f"{name} is written token by token, without a pass over noise", where=f"{WHERE}, {reader}",
                                expected=name, got=key, fix="read it as it stands")
    if not isinstance(table.practice, tuple) or not all(isinstance(query, Query) for query in table.practice):
        raise SpecError("these are no questions", where="Streams.practice", expected="a tuple of questions", got=table.practice,
                        fix="make each by query(\"action\", given=\"future\"), with a comma after a single one")
    for query in table.practice:
        for name in sorted(query.sought | query.given):
            if name not in table.streams:
                raise SpecError(f"unknown stream {name!r} in a question", where="Streams.practice", expected=known, got=name)
    for name, stream in table.streams.items():
        anew = sorted({node.stream for node in table.read_by(Node(name)) if not table.streams[node.stream].once})
        if stream.once and anew:
            raise SpecError(f"{name} is there once and reads what comes anew in every chunk", where=f"{WHERE}, {name}",
                            expected="streams that are there once", got=", ".join(anew), fix=f"make {name} come anew, or leave "
                            f"{', '.join(anew)} out of its row")
    for name, stream in table.streams.items():
        if stream.process is not None and not stream.holds.ahead:
            raise SpecError(f"{name} is generated and holds what was seen", where=f"Streams.streams, {name}",
                            expected="a representation of what lies ahead", got=stream.holds,
                            fix="say ahead=True, if it can; or leave the process out")
    _conditions(table)
    _unread(table)
    _networks(table)
    _answers_unseen(table)
    table.stages(table.generated)
    for query in table.practice:
        if why := table.why_not(query):
            raise SpecError(f"a question is practised that the wiring cannot answer: {query}", where="Streams.practice",
                            got=why, expected="; ".join(sorted(map(str, table.answers))) or "nothing", fix="leave it "
                            "out, or let the streams read what it needs")


def _name(table: Table, name: str) -> None:
    """Weights are kept by the names of streams and of their views."""
    words = [f"{other}_{view}" for other in table.streams for view in VIEWS if view]
    if not name.isidentifier() or name in words or "_from_" in name or name == "total" or hasattr(nn.ModuleDict, name):
        raise SpecError(f"{name!r} is no name for a stream", where="Streams.streams", got=name, fix="rename it",
                        expected="letters, digits and _, and none that says something else: of a view (future_clean), of "
                        "weights (values, keys, type) or of the whole loss (total)")


def _conditions(table: Table) -> None:
    for name, stream in table.streams.items():
        if stream.process is not None or name not in table.reads:
            continue
        for key in table.reads[name]:
            other = key.partition("@")[0]
            if other in table.generated:
                raise SpecError(f"{name} reads what is generated", where=f"{WHERE}, {name}", got=key,
                                expected="conditions read conditions only", fix=f"leave {key} out of its row")


def _unread(table: Table) -> None:
    """Words and rows that mean nothing: their writer meant something."""
    read = {key for reader, keys in table.reads.items() for key in keys if key != reader}
    for reader, keys in table.reads.items():
        for key in keys:
            name, _, view = key.partition("@")
            if view in ("past", "noisy") and table.chunks == 1 and not table.streams[name].once:
                raise SpecError(f"{reader} reads earlier chunks, and there is only one", where=f"{WHERE}, {reader}", got=key,
                                expected="two or more chunks", fix="raise Streams.chunks, or leave the word out")
            if view == "noisy" and table.solid(name):
                raise SpecError(f"earlier chunks of {name} are read finished and as they stood, and only one is remembered",
                                where=f"{WHERE}, {reader}", expected=f"{name}@past or {name}@noisy", got=f"{key}, and "
                                f"{', '.join(sorted(table.words & {f'{name}@past', f'{name}@clean'}))}",
                                fix=f"read {name}@past throughout, or {name}@noisy throughout")
        name, _, view = reader.partition("@")
        if view in ("past", "noisy"):
            raise SpecError(f"{reader} has no row of its own", where=f"{WHERE}, {reader}", got=reader,
                            expected=f"a row of {name}", fix="leave the row out")
        words = {reader, f"{name}@past"} if view == "clean" else {reader}
        if view and not words & {key for other, keys in table.reads.items() if other != reader for key in keys}:
            raise SpecError(f"{reader} has a row, and nobody reads it", where=f"{WHERE}, {reader}", got=reader,
                            expected=f"a stream that reads {reader}", fix="leave the row out, or let a stream read it")
    for name, stream in table.streams.items():
        if stream.process is None and not any(key.partition("@")[0] == name for key in read):
            raise SpecError(f"nobody reads {name}", where=f"Streams.streams, {name}", expected="a stream that reads it",
                            got="no row with that word", fix=f"write {name!r} into the rows that are to read it")


def _networks(table: Table) -> None:
    for names in table.networks:
        for name in (names,) if isinstance(names, str) else names:
            stream, _, view = name.partition("@")
            if isinstance(names, str) or stream not in table.streams or view not in VIEWS:
                raise SpecError(f"a network of {name!r}" if isinstance(names, str) else f"unknown stream {name!r} in a network",
                                where="Streams.networks", got=names, fix="write each network as a tuple, with a comma",
                                expected=f"tuples of {', '.join(table.streams)} and of their copies")
    for node in table.nodes:
        homes = [number for number, nodes in enumerate(table.members) if node in nodes]
        if not homes:
            raise SpecError(f"{node.key} is in no network", where="Streams.networks", expected=node.key, got=table.networks,
                            fix=f"name {node.key} in one of the networks")
        if table.streams[node.stream].process is None:
            continue
        if len(homes) > 1:
            raise SpecError(f"{node.key} lives in {len(homes)} networks", where="Streams.networks", expected="one",
                            got=node.key, fix=f"name it in one; the other reads {node.stream}@clean or @hidden")
        inside = {member.key for member in table.members[homes[0]]}
        for key in table.reads.get(node.key, ()):
            for read in table.resolve(key, node.chunk):
                if read.key not in inside and table.streams[read.stream].taken != "place":
                    raise SpecError(f"{node.key} reads {read.key}, which lives in another network",
                                    where=f"{WHERE}, {node.key}", expected=sorted(inside), got=key,
                                    fix=f"read a copy ({read.stream}@clean or {read.stream}@hidden) and name it in "
                                    "the reader's network")


def _answers_unseen(table: Table) -> None:
    """No stream sees in training what it is to say."""
    for name in table.generated:
        for chunk in range(table.chunks):
            target = Node(name, "", chunk)
            for node in table.closure(target):
                own = node.stream == name and node.view == "clean" and node.chunk >= chunk and not table.ordered(name)
                written = table.ordered(name) and node != target and target in table.read_by(node)
                if own or written:
                    raise SpecError(f"{name} sees its own answer in training", where=f"{WHERE}, {name}",
                                    expected="a row through which no finished copy of the same chunk comes back",
                                    got=f"{name} of chunk {chunk} reads {node}",
                                    fix=f"take {node.key} out of what {name} reads, directly or by others")
