"""One network: embeds its nodes, runs the trunk over them, reads out what is generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..parts.attention import Layout, Trunk
from ..parts.conditioning import LevelEmbedding
from ..parts.masks import across, blocks_of, cross_mask, table_mask
from ..parts.memory import Memory
from ..parts.representations import Content
from ..parts.steering import Steering
from ..parts.streams import Node
from ..parts.table import Table

Values = Mapping[Node, Tensor]
"""[B, n, w] numbers or [B, n] codes of each node"""


class Network(nn.Module):
    """Nodes that share a trunk.

    Args:
        nodes: those that live here.
        contents: stream -> what it holds.
        shares: expert -> its width as a share of `width`; those not named have the whole.
        offsets: steps ahead that the future's frames show.
    """

    def __init__(self, table: Table, nodes: Sequence[Node], contents: Mapping[str, Content], *, width: int, depth: int,
                 heads: int, shares: Mapping[str, float], offsets: tuple[int, ...]):
        super().__init__()
        self.table, self.width, self.depth = table, width, depth
        experts = sorted({table.streams[node.stream].expert for node in nodes})
        self.widths = {name: max(1, round(width * shares.get(name, 1.0))) for name in experts}
        # By expert, so that each one's tokens lie side by side.
        self.nodes = tuple(sorted(nodes, key=lambda node: experts.index(table.streams[node.stream].expert)))
        # Start tokens of what is written token by token: one for each run.
        self.starts = {node.stream: blocks_of(table, node.stream, contents[node.stream].steps) * table.ordered(node.stream)
                       for node in nodes}
        self.sizes = {node.key: contents[node.stream].tokens + self.starts[node.stream] for node in nodes}
        self.steps = {node.stream: contents[node.stream].steps for node in nodes}
        self.start = {node.stream: contents[node.stream].classes for node in nodes}
        self.level = LevelEmbedding(width)
        crossing = {table.streams[reader.stream].expert for reader in nodes for read in table.read_by(reader)
                    if read in nodes and across(table, reader, read)}
        self.trunk = Trunk(self.widths, depth, heads, width, crossing)
        keys = list(dict.fromkeys(node.key for node in nodes))
        self.inputs = nn.ModuleDict({self.name(key): self._input(key, contents) for key in keys})
        self.body = "state"
        self.steered = next((key for key in ("action", "action@clean") if key in table.reads.get("future", ())), "")
        """as what the future reads the actions that tell where the body will be"""
        self.steering = self._steering(contents, offsets) if "future" in keys else None
        self.taken = nn.ModuleDict({
            self.name(f"{reader}<{key}"): self._placed(contents[key.partition("@")[0]], self.wide(reader.partition("@")[0]))
            for reader in keys for key in table.reads.get(reader, ())
            if table.streams[key.partition("@")[0]].taken == "place" and key.partition("@")[0] != reader.partition("@")[0]})
        told = [key for key in keys if "@" not in key and table.streams[key].process is not None]
        self.norms = nn.ModuleDict({expert: nn.LayerNorm(self.widths[expert])
                                    for expert in sorted({table.streams[name].expert for name in told})})
        self.outputs = nn.ModuleDict({name: nn.Linear(self.wide(name), contents[name].classes or contents[name].width)
                                      for name in told})
        self.positions = nn.ParameterDict({
            self.name(key): nn.Parameter(torch.randn(self.count(key), self.sizes[key], self.wide(key.partition("@")[0])) * 0.02)
            for key in keys})
        self.layouts: dict[tuple[object, ...], Layout] = {}

    @staticmethod
    def name(key: str) -> str:
        """A word of the table as a module's name."""
        return key.replace("@", "_").replace("<", "_from_")

    def wide(self, stream: str) -> int:
        return self.widths[self.table.streams[stream].expert]

    def count(self, key: str) -> int:
        """How many chunks have places of their own."""
        return 1 if self.table.streams[key.partition("@")[0]].once else self.table.chunks

    def _input(self, key: str, contents: Mapping[str, Content]) -> nn.Module:
        stream, _, view = key.partition("@")
        content, wide = contents[stream], self.wide(stream)
        if view == "hidden":
            return nn.Linear(self.depth * wide, wide)  # as wide as where they come from: the same expert's
        # Two codes more: the start of a run, and a code that is absent.
        return nn.Embedding(content.classes + 2, wide) if content.classes else content.embedding(wide)

    @staticmethod
    def _placed(content: Content, wide: int) -> nn.Module:
        return nn.Embedding(content.classes + 2, wide) if content.classes else nn.Linear(content.width, wide)

    def _steering(self, contents: Mapping[str, Content], offsets: tuple[int, ...]) -> Steering | None:
        """Where a future reads actions that are numbers, and the body's place at the chunk's start is told."""
        if not self.steered or self.body not in contents:
            return None
        future, action, fresh = contents["future"], contents["action"], not self.table.streams[self.body].once
        if future.codec is None or not future.width or action.width * action.steps == 0 or action.tokens != action.steps \
                or not (fresh or self.table.chunks == 1):
            return None
        return Steering(action.width, contents[self.body].width, future.codec.tokens, self.wide("future"), offsets)

    @cached_property
    def whole(self) -> tuple[Tensor, dict[Node, slice]]:
        """The mask of all nodes, and where each lies."""
        return table_mask(self.table, self.nodes, self.sizes, self.steps)

    @cached_property
    def crossed(self) -> Tensor:
        """The mask of attention across."""
        return cross_mask(self.table, self.whole[1])

    def places(self, node: Node) -> Tensor:
        rows = self.whole[1][node]
        return torch.arange(rows.start, rows.stop)

    def embed(self, node: Node, values: Tensor, beside: Tensor | None, placed: Values) -> Float[Tensor, "B n d"]:
        """Tokens of a node.

        Args:
            beside: what each token is shown beside its own value.
            placed: streams that are taken up place by place.
        """
        key = self.name(node.key)
        if self.table.ordered(node.stream):
            x = values.unflatten(1, (self.starts[node.stream], -1))
            values = F.pad(x, (1, 0), value=self.start[node.stream]).flatten(1)
        if node.view == "hidden" or isinstance(self.inputs[key], nn.Embedding):
            h = self.inputs[key](values)
        else:
            h = self.inputs[key](values, beside)
        h = h + self.positions[key][max(node.chunk, 0)]
        for word in self.table.entries(node):
            name = self.name(f"{node.key}<{word}")
            if name in self.taken:
                (other,) = self.table.resolve(word, node.chunk)
                told = self.taken[name](placed[other])
                if self.table.ordered(node.stream):
                    told = self._foretelling(node, told)
                h = h + told.repeat_interleave(h.shape[1] // told.shape[1], 1)
        return h

    def forward(self, tokens: Values, levels: Mapping[Node, Tensor], memory: Memory | None = None,
                write: bool = False) -> dict[Node, list[Tensor]]:
        """Run the trunk.

        Args:
            tokens: active nodes -> [B, n, d].
            levels: node -> [B]; nodes without one are finished (level 1).
            memory: what is remembered of other nodes is read too; `write` keeps these.

        Returns:
            node -> its tokens after every block.
        """
        order = [node for node in self.nodes if node in tokens]
        kept = [node for node in memory.slots if node not in tokens] if memory is not None else []
        layout = self.layout(order, kept, tokens[order[0]].device)
        ones = torch.ones(len(tokens[order[0]]), device=tokens[order[0]].device)
        level = self.level(torch.stack([levels.get(node, ones) for node in order], 1))
        grouped = [[order[i] for i in own.tolist()] for _, own, _ in layout.groups]
        hidden, keys = self.trunk([torch.cat([tokens[node] for node in group], 1) for group in grouped], level, layout,
                                  memory.gather(kept) if memory is not None else None)
        if write and memory is not None:
            memory.write([(node, tokens[node].shape[1]) for node in order], keys)
        found: dict[Node, list[Tensor]] = {node: [] for node in order}
        for after in hidden:
            for group, h in zip(grouped, after, strict=True):
                for node, part in zip(group, h.split([tokens[node].shape[1] for node in group], 1), strict=True):
                    found[node].append(part)
        return found

    def _foretelling(self, node: Node, told: Float[Tensor, "B m d"]) -> Float[Tensor, "B n d"]:
        """What is told of places, for a stream that is written token by token: beside the token that foretells that place."""
        runs = self.starts[node.stream]
        each = told.repeat_interleave((self.sizes[node.key] - runs) // told.shape[1], 1).unflatten(1, (runs, -1))
        return F.pad(each, (0, 0, 0, 1)).flatten(1, 2)

    def extend(self, node: Node, tokens: Float[Tensor, "B n d"], place: int, levels: Mapping[Node, Tensor], memory: Memory,
               before: Sequence[Node]) -> list[Tensor]:
        """Run the trunk over one more token of each run of a node that is written token by token, and remember it.

        Args:
            tokens: all of the node's; those at `place` of each run are taken.
            memory: under `node` alone: what is remembered of `before`, then of the earlier places.

        Returns:
            those tokens [B, runs, d] after every block.
        """
        runs = self.starts[node.stream]
        first = torch.arange(runs) * (self.sizes[node.key] // runs)
        key = (node, place, tuple(before), tokens.device)
        if key not in self.layouts:
            own = self.places(node)
            remembered = [*(self.places(one) for one in before), *(own[first + earlier] for earlier in range(place))]
            self.layouts[key] = Layout.of([(self.table.streams[node.stream].expert, own[first + place])],
                                          torch.cat([own[:0], *remembered]), self.whole[0],
                                          self.crossed).to(tokens.device)
        level = self.level(levels.get(node, torch.ones(len(tokens), device=tokens.device))[:, None])
        hidden, keys = self.trunk([tokens[:, first + place]], level, self.layouts[key], memory.slots.get(node))
        memory.append(node, keys)
        return [part for (part,) in hidden]

    def layout(self, order: Sequence[Node], kept: Sequence[Node], device: torch.device) -> Layout:
        key = (tuple(order), tuple(kept), device)
        if key not in self.layouts:
            none = [torch.zeros(0, dtype=torch.long)]
            segments = [(self.table.streams[node.stream].expert, self.places(node)) for node in order]
            self.layouts[key] = Layout.of(segments, torch.cat(none + [self.places(node) for node in kept]),
                                          self.whole[0], self.crossed).to(device)
        return self.layouts[key]

    def read(self, node: Node, hidden: list[Tensor]) -> Float[Tensor, "B n c"]:
        """The network's output for a node that is generated. Of what is written token by token: what each token foretells is
        the next, so that the last of each run foretells nothing and is left out."""
        h = hidden[-1]
        if self.table.ordered(node.stream):
            h = h.unflatten(1, (self.starts[node.stream], -1))[:, :, :-1].flatten(1, 2)
        return self.speak(node.stream, h)

    def speak(self, stream: str, h: Float[Tensor, "B n d"]) -> Float[Tensor, "B n c"]:
        """The output of a generated stream's tokens after the last block."""
        return self.outputs[stream](self.norms[self.table.streams[stream].expert](h))


