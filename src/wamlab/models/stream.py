"""StreamWAM: any world action model that is made of streams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import SpecError
from ..parts.codecs import Codec
from ..parts.memory import Memory
from ..parts.processes import Process
from ..parts.representations import Content, Moment, Site
from ..parts.representations.conditions import StateContent
from ..parts.representations.frames import LatentContent
from ..parts.representations.vector import ActionContent
from ..parts.streams import ONCE, Node
from ..signals import FRAMES, collected, kind_of
from ..spec import TaskSpec
from ..types import Batch, Context, Given, Need, Prediction, Query
from .base import WorldActionModel
from .filling import blank
from .knowledge import Known
from .network import Network
from .session import Session
from .training import loss, moments

if TYPE_CHECKING:
    from .streams import Streams


class StreamWAM(WorldActionModel):
    """See `Streams`. Normalisation lives inside: batches and answers are in physical units."""

    def __init__(self, config: Streams, task_spec: TaskSpec):
        super().__init__()
        self.config, self.task_spec, self.table = config, task_spec, config.table
        self.history, self.chunk, self.chunks = config.history, config.chunk, config.chunks
        self.offsets = config.offsets if "future" in self.table.streams else ()
        site = Site(task_spec, config.history, config.chunk, self.offsets)
        self.contents: Mapping[str, Content] = nn.ModuleDict(  # type: ignore[assignment]
            {name: stream.holds.build(site) for name, stream in self.table.streams.items()})
        for name, content in self.contents.items():
            if content.called not in ("", name):
                raise SpecError(f"what {name} holds is found by another name", where=f"Streams.streams, {name}", got=name,
                                expected=content.called, fix=f"call the stream {content.called!r}")
        self._needs = collected((name, content.needs) for name, content in self.contents.items())
        for signal, need in self._needs.items():
            if signal.startswith(FRAMES) and signal.removeprefix(FRAMES) not in task_spec.cameras:
                raise SpecError(f"the task has no {kind_of(signal)}", where=need.where, expected=signal.removeprefix(FRAMES),
                                got=", ".join(task_spec.cameras), fix="choose one of the task's cameras, or data that has it: "
                                f"wam collect TASK --cameras {signal.removeprefix(FRAMES)}")
        self.networks: Sequence[Network] = nn.ModuleList(  # type: ignore[assignment]
            Network(self.table, nodes, dict(self.contents.items()), width=config.width, depth=config.depth, heads=config.heads,
                    shares=config.experts, offsets=self.offsets)
            for nodes in self.table.members)

        for name in self.table.generated:
            if self.process(name).discrete != bool(self.contents[name].classes):
                holds = "codes" if self.contents[name].classes else "numbers"
                raise SpecError(f"{name} holds {holds}, and its process makes the other", where=f"Streams.streams, {name}",
                                got=self.process(name), expected="NextToken or MaskedTokens for codes, others for numbers",
                                fix="choose another process, or another representation (Codes, Bins)")
        for stage in self.table.stages(self.table.generated):
            if set(stage) <= set(config.order):
                continue
            steps = {name: len(self.process(name).grid(self.contents[name].tokens)) - 1 for name in stage}
            if len(set(steps.values())) > 1:
                raise SpecError("streams that are made together take different numbers of steps", where=f"Streams.streams, "
                                f"{', '.join(stage)}", expected="one number", got=steps,
                                fix="give their processes the same number of steps, or let one read the other finished")
        self.doing = frozenset(name for name, stream in self.table.streams.items() if stream.holds.doing)

    @property
    def codec(self) -> Codec | None:
        return next((content.codec for content in self.contents.values() if content.codec is not None), None)

    @property
    def draws(self) -> bool:
        return any(isinstance(content, LatentContent) and content.pixels > 0 for content in self.contents.values())

    @property
    def filmed(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(content.camera for content in self.contents.values() if content.codec is not None))

    @property
    def needs(self) -> Mapping[str, Need]:
        return self._needs

    @property
    def remembers(self) -> frozenset[str]:
        return frozenset(name for name in self.table.recalled if name in self.table.generated or self.table.ahead(name))

    @property
    def outlooks(self) -> Mapping[str, str]:
        return {name: signal for name, content in self.contents.items() if self.table.streams[name].holds.ahead
                for signal in content.needs}

    @property
    def reads_actions(self) -> bool:
        return any(node.stream in self.doing for name in self.table.generated if name not in self.doing
                   for node in self.table.closure(Node(name, "", 0)))

    def answers(self) -> frozenset[Query]:
        return self.table.answers

    def part(self, name: str) -> str:
        """"codec", the stream that a tensor serves, or what all share."""
        words = name.split(".")
        if "codec" in words:
            return "codec"
        if words[0] == "contents":
            return words[1]
        if "steering" in words:
            return "steering"
        served = words[3] if words[0] == "networks" and words[2] in ("inputs", "outputs", "positions", "taken") else ""
        return max((one for one in self.table.streams if served == one or served.startswith(f"{one}_")), key=len,
                   default="trunk")

    def unlike(self, name: str, spec: TaskSpec) -> str:
        mine, served = self.task_spec, self.part(name)
        acts = served == "steering" or (served in self.table.streams and self.table.streams[served].holds.doing)
        if acts and (mine.action, mine.control_hz) != (spec.action, spec.control_hz):
            return "other actions"
        if served in ("steering", "state") and mine.state != spec.state:
            return "another proprioception"
        return "another size of frames" if served == "codec" and mine.image_size != spec.image_size else ""

    def fit(self, action: Float[Tensor, "N A"], state: Float[Tensor, "M P"]) -> None:
        for content in self.contents.values():
            content.fit(action, state)

    def fit_motion(self, latents: Tensor, action: Float[Tensor, "M K A"], moved: Float[Tensor, "M F P"]) -> None:
        for content in self.contents.values():
            if content.codec is not None and not content.camera:
                content.fit_latents(latents)
        for network in self.networks:
            if network.steering is not None and len(action):
                doing, body = self.contents["action"], self.contents[network.body]
                assert isinstance(doing, ActionContent) and isinstance(body, StateContent)
                network.steering.fit(doing.scaled(action), moved / body.scale)

    def fit_frames(self, now: Float[Tensor, "N C h w"], future: Float[Tensor, "N F C h w"]) -> None:
        for content in self.contents.values():
            content.fit_frames(now, future)

    def fit_signals(self, batch: Batch) -> None:
        moment = moments(self, batch)[0]
        for content in self.contents.values():
            content.fit_signals(moment)

    def loss(self, batch: Batch, seed: int) -> dict[str, Tensor]:
        return loss(self, batch, seed)

    def process(self, name: str) -> Process:
        """How a generated stream is made."""
        process = self.table.streams[name].process
        assert process is not None
        return process

    def told(self, name: str, level: Tensor) -> Tensor:
        """The level that the network is told. What is written token by token stays at the level at which it was written."""
        return (level > 0).float() if self.table.ordered(name) else level

    def observed(self, known: Known, moment: Moment, chunk: int) -> list[Node]:
        """Take in what is seen at a chunk's start: the conditions of that chunk (ONCE: those that are there once), and what its
        tokens are shown beside their own. Returns the nodes told."""
        told = []
        for name, stream in self.table.streams.items():
            content = self.contents[name]
            if stream.once == (chunk == ONCE) and not self.table.ahead(name):
                if stream.process is None:
                    node = Node(name, "", chunk)
                    known.put(node, content.encode(moment), content.known(moment).float())
                    told.append(node)
                else:
                    known.beside[name, chunk] = content.beside(moment)
        return told

    def run(self, number: int, active: Iterable[Node], known: Known, memory: Memory | None = None, write: bool = False,
            further: tuple[int, Sequence[Node]] | None = None) -> dict[Node, list[Tensor]]:
        """One pass of a network over nodes whose values are known. Returns node -> its tokens after every block.

        Args:
            further: of the only active node, which is written token by token: the place in its runs, and what is remembered
                before them; see `Network.extend`.
        """
        network = self.networks[number]
        tokens = {node: network.embed(node, known.values[node], known.beside.get((node.stream, node.chunk)), known.values)
                  for node in active}
        for node in tokens:
            if network.steering is not None and node.stream == "future" and not node.view:
                action = Node(*network.steered.partition("@")[::2], node.chunk)
                body = Node(network.body, "", ONCE if self.table.streams[network.body].once else node.chunk)
                if action in known.values and body in known.values:
                    ones = torch.ones(len(known.values[action]), device=known.values[action].device)
                    extra = network.steering(known.values[action], known.values[body][:, -1], known.levels.get(action, ones))
                    tokens[node] = tokens[node] + extra * known.levels.get(body, ones)[:, None, None]
        if further is not None and memory is not None:
            return {node: network.extend(node, h, further[0], known.levels, memory, further[1]) for node, h in tokens.items()}
        return network(tokens, known.levels, memory, write)

    def look(self, name: str, chunk: int, known: Known, noise: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """One pass of a stream's network over pure noise, without gradient: nothing that is made there shows yet, whatever is
        known of it by now.

        Args:
            noise: of every stream that is generated.

        Returns:
            hidden states of all blocks [B, n, depth * d], and the stream that this single pass expects.
        """
        with torch.no_grad():
            node, process = Node(name, "", chunk), self.process(name)
            number, glance = self.table.home(node), known.copy()
            inside = self.table.closure(node) & set(self.networks[number].nodes)
            for one in inside:
                if one.view == "" and one.chunk == chunk and one.stream in self.table.generated:
                    glance.put(one, blank(self.process(one.stream), noise[one.stream]),
                               torch.zeros(len(noise[one.stream]), device=noise[one.stream].device))
            hidden = self.run(number, [one for one in inside if one in glance.values], glance)[node]
            expected = process.step(glance.values[node], self.networks[number].read(node, hidden), noise[name], 0.0, 1.0)
            return torch.cat(hidden, -1), expected

    def session(self, context: Context, use_cache: bool = True) -> Session:
        """A running situation, of which more is seen and asked chunk after chunk."""
        return Session(self, context, use_cache)

    def _predict(self, context: Context, given: Given, query: Query, seeds: Sequence[int]) -> Prediction:
        return self.session(context).answer(given, query, seeds)
