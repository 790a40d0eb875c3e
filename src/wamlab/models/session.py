"""A running situation: the only place where memory lives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import SpecError, Unanswerable
from ..parts.memory import Memory
from ..parts.representations import Moment
from ..parts.streams import ONCE, Node
from ..signals import STATE, kind_of
from ..types import Context, Given, Prediction, Query
from .asked import check_asked
from .filling import answer, noise_of
from .knowledge import Known

if TYPE_CHECKING:
    from .stream import StreamWAM


class Session:
    """B situations that all stand at the start of the same chunk.

    `predict` never writes. `observe` tells what really happened and takes the place of what was imagined there; `adopt` goes on
    with what was imagined. After as many chunks as the model was trained on, or when the instruction changes, a session begins
    anew from what is seen then.
    """

    def __init__(self, model: StreamWAM, context: Context, use_cache: bool = True):
        self.model, self.use_cache = model, use_cache
        self.begin(context)

    def begin(self, context: Context) -> None:
        """Forget everything; chunk 0 starts at what is seen now. Raises SpecError if the context lacks what the model needs."""
        self._check(context)
        self.known, self.memories = Known(), [Memory() for _ in self.model.networks]
        self.moments: list[Moment] = [Moment(context)]
        self.real: list[bool] = []
        self.model.observed(self.known, self.moments[0], ONCE)
        self._stand(0)

    def _check(self, context: Context) -> None:
        for name, need in self.model.needs.items():
            if need.steps[0] <= 0 and name not in context.signals:
                raise SpecError(f"the context lacks {kind_of(name)}", where=need.where, expected=f"Context.signals[{name!r}]",
                                got=", ".join(context.signals) or "no further signals",
                                fix="cut the windows with needs=model.needs, or ask the model through a policy")

    @property
    def chunk(self) -> int:
        """The chunk that is about to happen."""
        return len(self.moments) - 1

    def _stand(self, chunk: int) -> None:
        told = self.model.observed(self.known, self.moments[chunk], chunk)
        once = [node for node in self.known.values if node.chunk == ONCE] if chunk == 0 else []
        self._write([*once, *told])

    def _write(self, nodes: Sequence[Node]) -> None:
        """Compute keys and values of what is finished; what read other things there is forgotten first."""
        stale = self.model.table.stale(nodes)
        for number, network in enumerate(self.model.networks):
            self.memories[number].forget(stale)
            here = [node for node in network.nodes if node in nodes]
            if self.use_cache and here:
                with torch.no_grad():
                    self.model.run(number, here, self.known, self.memories[number], write=True)

    def observe(self, context: Context, happened: Given, chunk: int | None = None, real: bool = True) -> None:
        """What happened in a chunk (default: the one that was about to), and what is seen at its end. What was told of that
        chunk before, and of all later ones, is forgotten.

        Args:
            context: what is seen now, at the chunk's end.
            happened: frames at the chunk's offsets, the actions executed, and further streams that others read finished.

        Raises:
            SpecError: if a chunk is named that was never begun, or the context lacks what the model needs.
        """
        self._check(context)
        chunk = self.chunk if chunk is None else chunk
        if not 0 <= chunk <= self.chunk:
            raise SpecError("no such chunk", where="Session.observe", expected=f"0 to {self.chunk}", got=chunk)
        if chunk + 1 >= self.model.chunks or context.instruction != self.moments[0].context.instruction:
            self.begin(context)
            return
        del self.moments[chunk + 1 :], self.real[chunk:]
        table = self.model.table
        happens = {name for name in table.streams if name in table.generated or table.ahead(name)}
        made = [node for node in table.nodes if node.chunk == chunk and node.stream in happens]
        self.known.forget(chunk, made)
        for memory in self.memories:
            memory.forget([node for node in memory.slots if node.chunk > chunk or node in made])
        moment = replace(self.moments[chunk], future=happened.future, action=happened.action)
        values = self._values(happened, moment)
        told = []
        for name, value in values.items():
            if name in self.model.remembers:
                node = Node(name, table.solid(name), chunk)
                self.known.put(node, value)
                told.append(node)
        self._write([node for node in told if any(node in network.nodes for network in self.model.networks)])
        self.real.append(real)
        self.moments.append(Moment(context))
        self._stand(chunk + 1)

    def adopt(self, prediction: Prediction) -> None:
        """Go on with what was imagined: its last frame is what is seen next, and likewise of other streams that tell what lies
        ahead. Proprioception and further signals of which nothing was imagined are unknown.

        Raises:
            SpecError: if no frame was imagined at the chunk's end, or the model sees more frames than that one.
        """
        if self.model.history > 1:
            raise SpecError("what is seen next cannot be made of what was imagined", where="Session.adopt",
                            expected="a model that sees one frame", got=f"history {self.model.history}",
                            fix="tell the session what is seen by observe, or take a model of history 1")
        if prediction.future is None or self.model.offsets[-1:] != (self.model.chunk,):
            raise SpecError("nothing was imagined at the chunk's end", where="Session.adopt",
                            expected=f"a future whose last frame is {self.model.chunk} steps ahead",
                            got=f"offsets {self.model.offsets}",
                            fix="seek the future, with a model whose last offset is its chunk")
        before = self.moments[-1].context
        last = (prediction.future[:, -1:].clamp(0, 1) * 255).round().to(torch.uint8)
        frames = torch.cat([before.frames, last], 1)[:, -self.model.history :]
        known, state = torch.zeros(len(before), dtype=torch.bool, device=before.state.device), before.state
        signals = {name: signal.unknown() for name, signal in before.signals.items()}
        for stream, name in self.model.outlooks.items():
            if (imagined := prediction.others.get(stream)) is None:
                continue
            if name == STATE:
                state, known = torch.cat([state, imagined[:, -1:]], 1)[:, -self.model.history :], before.known
            elif name in signals:
                signals[name] = before.signals[name].followed(imagined[:, -1:])
        self.observe(replace(before, frames=frames, state=state, has_state=known, signals=signals),
                     Given(prediction.future, prediction.action, prediction.others), real=False)

    def predict(self, given: Given | None = None, want: AbstractSet[str] = frozenset({"future", "action"}),
                seeds: Sequence[int] | None = None) -> Prediction:
        """Answer a question about the chunk that is about to happen; see `WorldActionModel.predict`. Nothing is written."""
        given = given or Given()
        query = Query(frozenset(want) - {*given.named}, frozenset(given.named))
        if why := self.model.table.why_not(query):
            raise Unanswerable(f"this model cannot answer: {query}", where=type(self.model).__name__, got=why,
                               expected="; ".join(sorted(map(str, self.model.answers()))))
        check_asked(self.model, len(self.moments[-1].context), given, seeds)
        return self.answer(given, query, seeds if seeds is not None else [0] * len(self.moments[-1].context))

    def answer(self, given: Given, query: Query, seeds: Sequence[int]) -> Prediction:
        """As `predict`, for a question that the model answers."""
        start, model, moment = time.perf_counter(), self.model, self.moments[-1]
        noise = noise_of(model, seeds, moment.context.frames.device)
        values = self._values(given, replace(moment, future=given.future, action=given.action))
        encoded = time.perf_counter()
        found = answer(model, self.known, self.memories, self.chunk, query, values, noise, self.use_cache)
        sampled = time.perf_counter()
        told = {name: model.contents[name].decode(value, moment) for name, value in found.items()}
        done = time.perf_counter()
        return Prediction(told.pop("future", None), told.pop("action", None),
                          {"encode": encoded - start, "sample": sampled - encoded, "decode": done - sampled}, told)

    def _values(self, told: Given, moment: Moment) -> dict[str, Tensor]:
        moment = replace(moment, others=dict(told.others))
        contents = self.model.contents
        return {name: contents[name].encode(contents[name].given(value, moment)) for name, value in told.named.items()
                if name in contents}

