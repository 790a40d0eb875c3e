"""Filling the sought streams in the order the coupling prescribes, with everything that does not change cached."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..parts.coupling import CONDITIONS
from ..types import Context, Given, Prediction, Query

if TYPE_CHECKING:
    from .stream import StreamWAM


def noise_of(seeds: Sequence[int], shapes: Mapping[str, tuple[int, ...]], device: torch.device) -> dict[str, Tensor]:
    """Per situation its own generator: what is drawn for one does not depend on the others."""
    rows: dict[str, list[Tensor]] = {name: [] for name in shapes}
    for seed in seeds:
        generator = torch.Generator().manual_seed(int(seed))
        for name, shape in shapes.items():
            rows[name].append(torch.randn(shape, generator=generator))
    return {name: torch.stack(row).to(device) for name, row in rows.items()}


def sample(model: StreamWAM, context: Context, given: Given, query: Query, seeds: Sequence[int],
           use_cache: bool = True) -> Prediction:
    """Answer a query that the model's coupling can answer. `use_cache=False` recomputes everything at every step."""
    c, size, start = model.coupling, len(context), time.perf_counter()
    device = model.action_mean.device
    shapes: dict[str, tuple[int, ...]] = {}
    fixed: dict[str, Tensor] = {}
    levels = model.given(context)
    reference = now = seen = None
    if model.codec is not None:
        shapes["future"] = (len(model.offsets) * model.codec.tokens, model.codec.width)
        reference = context.frames[:, -1].float() / 255
        now = model.codec.encode(reference)
        seen = model.seen(now)
    shapes["action"] = (model.chunk, model.task_spec.action.width)
    noise = noise_of(seeds, shapes, device)
    zero, one = torch.zeros(size, device=device), torch.ones(size, device=device)

    def hold(name: str, values: Tensor, level: Tensor) -> None:
        fixed[name], levels[name] = values, level

    if given.future is not None and now is not None:
        hold("future", model.encode_future(given.future, now), one)
        fixed["future@clean"] = fixed["future"]
    if given.action is not None:
        hold("action", model.normalised(given.action), one)
    sought = [name for name in c.streams if getattr(query, name) == "sought"]
    for name in c.streams:
        if getattr(query, name) == "absent":
            process = model.processes[name]
            hold(name, process.corrupt(noise[name], noise[name], zero), zero)
    encoded = time.perf_counter()
    answer: dict[str, Tensor] = {}
    for stage in c.stages(sought):
        if c.copy == "future@hidden" and stage == ("future",) and "action" in sought:
            # An implicit cascade acts on its first glance; that glance is the future it acts on.
            _, answer["future"] = model.look(context, noise["future"], seen)
            continue
        if c.copy == "future@hidden" and stage == ("action",):
            fixed["future@hidden"], _ = model.look(context, noise["future"], seen)
        answer |= fill(model, stage, context, fixed, levels, noise, seen, use_cache)
        if "future" in stage and c.copy == "future@clean":
            fixed["future@clean"] = answer["future"]
    sampled = time.perf_counter()
    frames = None
    if "future" in answer and now is not None and reference is not None:
        frames = model.decode_future(answer["future"], now, reference)
    action = answer["action"] * model.action_scale + model.action_mean if "action" in answer else None
    done = time.perf_counter()
    return Prediction(frames, action, {"encode": encoded - start, "sample": sampled - encoded, "decode": done - sampled})


def fill(model: StreamWAM, stage: tuple[str, ...], context: Context, fixed: Mapping[str, Tensor],
         levels: Mapping[str, Tensor], noise: Mapping[str, Tensor], seen: Tensor | None, use_cache: bool) -> dict[str, Tensor]:
    """Take the streams of one stage from noise to data."""
    c, size = model.coupling, len(context)
    network = model.networks[c.home(stage[0])]
    needed = frozenset[str]().union(*(c.closure(name) for name in stage))
    # A fixed segment that reads a changing one changes with it; all others are computed once.
    moving = {name for name in needed if c.closure(name, c.home(stage[0])) & set(stage)}
    conditions = model._conditions(network, context)
    still = {name: conditions[name] if name in CONDITIONS else network.embed(name, fixed[name], seen)
             for name in needed - moving}
    held = {name: network.embed(name, fixed[name], seen) for name in moving - set(stage)}
    cache, cached = None, None
    if use_cache and still:
        _, cache = network(still, levels)
        cached = {name: still[name].shape[1] for name in network.segments if name in still}
        still = {}
    x = {name: model.processes[name].corrupt(noise[name], noise[name], torch.zeros(size, device=noise[name].device))
         for name in stage}
    grid = model.processes[stage[0]].grid()
    for now, then in zip(grid[:-1].tolist(), grid[1:].tolist(), strict=True):
        clock = dict(levels) | {name: torch.full((size,), now, device=x[name].device) for name in stage}
        tokens = still | held | {name: network.embed(name, x[name], seen) for name in stage}
        hidden, _ = network(model.steer(network, tokens, x.get("action", fixed.get("action")), context, clock),
                            clock, cached, cache)
        for name in stage:
            process = model.processes[name]
            estimate = process.estimate(network.read(name, hidden[name]), x[name], clock[name])
            x[name] = process.step(x[name], estimate, now, then)
    return x
