"""One network: embeds its segments, runs the trunk over them, reads out the generated streams."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..parts.attention import Cache, Layout, Trunk
from ..parts.conditioning import FrameEncoder, InstructionEncoder, LevelEmbedding
from ..parts.coupling import CONDITIONS, SEGMENTS
from ..parts.steering import Steering


class Network(nn.Module):
    """Segments that share a trunk.

    Args:
        segments: the segments that live here.
        reads: segment -> segments read (the coupling's table).
        experts: segment -> name of the weights its tokens go through.
        sizes: generated segment or copy -> (tokens, numbers per token of its input, of its output).
        state_width, history, image: shapes of the conditions.
        offsets: steps ahead that the future's frames show.
    """

    def __init__(self, segments: tuple[str, ...], reads: Mapping[str, tuple[str, ...]], experts: Mapping[str, str],
                 sizes: Mapping[str, tuple[int, int, int]], *, width: int, depth: int, heads: int,
                 state_width: int, history: int, image: tuple[int, int], offsets: tuple[int, ...] = ()):
        super().__init__()
        self.segments = tuple(name for name in SEGMENTS if name in segments)
        self.experts = {name: experts[name] for name in self.segments}
        self.reads, self.history, self.width = reads, history, width
        self.level = LevelEmbedding(width)
        self.trunk = Trunk(width, depth, heads, tuple(sorted(set(self.experts.values()))))
        self.kind = nn.Embedding(len(SEGMENTS), width)
        self.frames = FrameEncoder(width, image)
        self.state = nn.Linear(state_width, width)
        self.text = InstructionEncoder(width) if "text" in self.segments else None
        generated = [name for name in self.segments if name not in CONDITIONS]
        self.inputs = nn.ModuleDict({self.key(name): nn.Linear(sizes[name][1], width) for name in generated})
        self.steering = None
        if "future" in self.segments and "action" in reads["future"]:
            self.steering = Steering(sizes["action"][1], state_width, sizes["future"][0] // len(offsets), width, offsets)
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.ModuleDict({name: nn.Linear(width, sizes[name][2]) for name in generated if "@" not in name})
        lengths = {name: sizes[name][0] for name in generated}
        lengths |= {"text": 1, "state": history, "context": history * self.frames.tokens}
        self.positions = nn.ParameterDict(
            {self.key(name): nn.Parameter(torch.randn(lengths[name], width) * 0.02) for name in self.segments})
        self.layouts: dict[tuple[tuple[tuple[str, int], ...], ...], Layout] = {}

    @staticmethod
    def key(segment: str) -> str:
        """Segment name as a module name."""
        return segment.replace("@", "_")

    def conditions(self, frames: Float[Tensor, "B H C h w"], state: Float[Tensor, "B H P"],
                   instruction: tuple[str, ...]) -> dict[str, Float[Tensor, "B n d"]]:
        """Tokens of what is given: frames in [0, 1], normalised state."""
        found = {"state": self.state(state), "context": self.frames(frames)}
        if self.text is not None:
            found["text"] = self.text(instruction)
        return {name: self.place(name, found[name]) for name in self.segments if name in CONDITIONS}

    def place(self, segment: str, tokens: Tensor) -> Tensor:
        return tokens + self.positions[self.key(segment)] + self.kind.weight[SEGMENTS.index(segment)]

    def embed(self, segment: str, values: Float[Tensor, "B n c"],
              seen: Float[Tensor, "B m k"] | None) -> Float[Tensor, "B n d"]:
        """Tokens of a generated stream or a copy of it. `seen`: what the same places look like now, for future frames."""
        if seen is not None and segment in ("future", "future@clean"):
            values = torch.cat([values, seen], -1)
        return self.place(segment, self.inputs[self.key(segment)](values))

    def forward(self, tokens: Mapping[str, Tensor], levels: Mapping[str, Tensor], cached: Mapping[str, int] | None = None,
                cache: Cache | None = None) -> tuple[dict[str, list[Tensor]], Cache]:
        """Run the trunk.

        Args:
            tokens: active segments -> [B, n, d].
            levels: segment -> [B]; segments without one are clean (level 1).
            cached, cache: segments (and their sizes) whose keys and values come from an earlier pass.

        Returns:
            segment -> its tokens after every block; and the cache including the active segments.
        """
        order = [name for name in self.segments if name in tokens]
        sizes = {name: tokens[name].shape[1] for name in order}
        key = (tuple(sizes.items()), tuple((cached or {}).items()))
        if key not in self.layouts:
            self.layouts[key] = Layout.of(sizes, cached or {}, self.experts, self.reads)
        first = tokens[order[0]]
        ones = torch.ones(len(first), device=first.device)
        level = self.level(torch.stack([levels.get(name, ones) for name in order], 1))
        hidden, after = self.trunk(torch.cat([tokens[name] for name in order], 1), level, self.layouts[key], cache)
        split = [h.split(list(sizes.values()), 1) for h in hidden]
        return {name: [parts[i] for parts in split] for i, name in enumerate(order)}, after

    def read(self, segment: str, hidden: list[Tensor]) -> Float[Tensor, "B n c"]:
        """The network's output for a generated stream."""
        return self.outputs[segment](self.norm(hidden[-1]))
