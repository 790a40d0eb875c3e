"""Filling the sought streams of one chunk, stage after stage, with everything that does not change computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import SpecError
from ..parts.memory import Memory
from ..parts.processes import Process
from ..parts.streams import Node
from ..types import Query
from .knowledge import Known
from .writing import write

if TYPE_CHECKING:
    from .stream import StreamWAM


def noise_of(model: StreamWAM, seeds: Sequence[int], device: torch.device) -> dict[str, Tensor]:
    """Per situation its own generator: what is drawn for one does not depend on the others."""
    rows: dict[str, list[Tensor]] = {name: [] for name in model.table.generated}
    for seed in seeds:
        generator = torch.Generator().manual_seed(int(seed))
        for name, found in rows.items():
            content = model.contents[name]
            found.append(model.process(name).noise((content.tokens, content.classes or content.width), generator))
    return {name: torch.stack(row).to(device) for name, row in rows.items()}


def blank(process: Process, noise: Tensor) -> Tensor:
    """A stream of which nothing is known: what its process makes of level 0."""
    data = torch.zeros(noise.shape[:2], dtype=torch.long, device=noise.device) if process.discrete else noise
    return process.corrupt(data, noise, torch.zeros(len(noise), device=noise.device))


def answer(model: StreamWAM, known: Known, memories: Sequence[Memory], chunk: int, query: Query, given: Mapping[str, Tensor],
           noise: Mapping[str, Tensor], use_cache: bool) -> dict[str, Tensor]:
    """The sought streams of a chunk.

    Args:
        known: everything finished so far, and the conditions of this chunk; it is left as it is.
        memories: keys and values per network; they are left as they are.
        given: streams of this chunk that are fixed, as tokens' values.
    """
    table, known, asked = model.table, known.copy(), query.sought
    query = table.complete(query)
    zero = next(iter(noise.values())).new_zeros(len(next(iter(noise.values()))))
    for name in table.generated:
        node = Node(name, "", chunk)
        if name in query.given:
            known.put(node, given[name])
            known.put(Node(name, "clean", chunk), given[name])
        elif name not in query.sought or name in model.config.order:  # in an order: absent until its turn comes
            known.put(node, blank(model.process(name), noise[name]), zero)
    for name in table.streams:
        if table.ahead(name) and name in given:
            known.put(Node(name, "", chunk), given[name])
    found: dict[str, Tensor] = {}
    glanced = {name for name in table.generated if f"{name}@hidden" in table.words}
    for stage in in_order(table.stages(query.sought), model.config.order):
        read = {node for one in stage for node in table.closure(Node(one, "", chunk))}
        for name in glanced & {node.stream for node in read if node.view == "hidden"}:
            known.put(Node(name, "hidden", chunk), model.look(name, chunk, known, noise)[0])
        if len(stage) == 1 and stage[0] in glanced and len(query.sought) > 1:
            # Who reads a first glance acts on it; that glance is the future it acts on.
            found[stage[0]] = model.look(stage[0], chunk, known, noise)[1]
        else:
            found |= fill(model, stage, known, memories, chunk, noise, use_cache)
        for name in stage:
            known.put(Node(name, "", chunk), found[name])
            known.put(Node(name, "clean", chunk), found[name])
    return {name: found[name] for name in asked}


def in_order(stages: Sequence[tuple[str, ...]], order: Sequence[str]) -> list[tuple[str, ...]]:
    """Stages in which those of the order come one after the other, and the others together after them."""
    found: list[tuple[str, ...]] = []
    for stage in stages:
        found += [(name,) for name in order if name in stage]
        found += [left] if (left := tuple(name for name in stage if name not in order)) else []
    return found


def fill(model: StreamWAM, stage: Sequence[str], known: Known, memories: Sequence[Memory], chunk: int,
         noise: Mapping[str, Tensor], use_cache: bool) -> dict[str, Tensor]:
    """Take the streams of one stage from noise to data."""
    table, heads = model.table, [Node(name, "", chunk) for name in stage]
    number = table.home(heads[0])
    inside = set(model.networks[number].nodes)
    closures = {node: table.closure(node, number) for node in inside}
    needed = frozenset[Node]().union(*(closures[node] for node in heads)) & inside
    # A fixed node that reads a changing one changes with it; all others are computed once.
    moving = {node for node in needed if closures[node] & set(heads)}
    still, held = needed - moving, moving - set(heads)
    if lacking := [str(node) for node in sorted(still | held) if node not in known.values]:
        raise SpecError("what is read is not known", where=f"{', '.join(stage)} of chunk {chunk}",
                        expected="all that the table says is read", got=f"no {', '.join(lacking)}",
                        fix="observe the earlier chunks with all their streams")
    scratch = Memory({node: memories[number].slots[node] for node in still if node in memories[number].slots})
    if use_cache:
        if fresh := [node for node in model.networks[number].nodes if node in still and node not in scratch.slots]:
            model.run(number, fresh, known, scratch, write=True)
        scratch = Memory({node: scratch.slots[node] for node in model.networks[number].nodes if node in still})
    else:
        scratch, held = Memory(), held | still
    if table.ordered(stage[0]):
        return {stage[0]: write(model, heads[0], known, noise[stage[0]], scratch, held if not use_cache else None)}
    now = known.copy()
    for name, node in zip(stage, heads, strict=True):
        now.put(node, blank(model.process(name), noise[name]))
    grids = {name: model.process(name).grid(model.contents[name].tokens).tolist() for name in stage}
    active = [node for node in model.networks[number].nodes if node in held or node in heads]
    outputs: dict[Node, Tensor] = {}
    before: list[tuple[Tensor, Tensor]] = []
    """of the last two steps: their directions [B, all tokens of the stage], and where an old output was used [B]"""
    for step in range(len(grids[stage[0]]) - 1):
        again = _alike(before, model.config.skip, len(noise[stage[0]]))
        for name, node in zip(stage, heads, strict=True):
            level = torch.full((len(noise[name]),), grids[name][step], device=noise[name].device)
            now.put(node, now.values[node], model.told(name, level))
        hidden = model.run(number, active, now, scratch) if not again.all() else {}
        moved = []
        for name, node in zip(stage, heads, strict=True):
            if hidden:
                output = model.networks[number].read(node, hidden[node])
                old = again.to(output.device).reshape(-1, *[1] * (output.dim() - 1))
                outputs[node] = torch.where(old, outputs[node], output) if again.any() else output
            grid, x = grids[name], now.values[node]
            now.values[node] = model.process(name).step(x, outputs[node], noise[name], grid[step], grid[step + 1])
            moved.append((now.values[node] - x).flatten(1).float())
        before = [*before[-1:], (torch.cat(moved, 1), again)]
    return {name: now.values[node] for name, node in zip(stage, heads, strict=True)}


def _alike(before: Sequence[tuple[Tensor, Tensor]], least: float | None, size: int) -> Tensor:
    """In which situations the last two steps were computed and went the same way [B]; each by itself, so that company changes
    no answer."""
    if least is None or len(before) < 2:
        return torch.zeros(size, dtype=torch.bool)
    (one, old), (other, older) = before
    return (torch.nn.functional.cosine_similarity(one, other, dim=1).cpu() > least) & ~old & ~older
