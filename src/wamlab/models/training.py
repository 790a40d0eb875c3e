"""What training descends: every stream of every chunk, in one pass over finished earlier chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..parts.augmentation import shifted
from ..parts.levels import training_levels
from ..parts.processes.continuous import Continuous
from ..parts.representations import Moment, Words
from ..parts.representations.frames import LATENTS, LatentContent
from ..parts.streams import ONCE, Node
from ..queries import INVERSE_DYNAMICS
from ..types import Batch, Signal, query
from .knowledge import Known

if TYPE_CHECKING:
    from .stream import StreamWAM


def moment_of(part: Batch, latents: Mapping[str, Tensor] | None = None) -> Moment:
    """One chunk of a training batch with all that is known of it.

    Args:
        latents: per camera, of the frame now and of the future ones.
    """
    others = {}
    if part.future_state is not None and part.future_mask.shape[1]:
        reached = part.future_mask[:, -1:] & part.context.known[:, None]
        others["after"] = torch.where(reached, part.future_state[:, -1], torch.nan)
    if part.to_success is not None:
        others["to_success"] = part.to_success
    latents = latents or {}
    signals = dict(part.signals)
    for camera, found in latents.items():
        if camera:
            here = torch.ones(found.shape[:2], dtype=torch.bool, device=found.device)
            signals[LATENTS + camera] = Signal(found, here, tuple(range(found.shape[1])))
    return Moment(part.context, part.future.float() / 255, part.action, latents.get(""), others, signals)


@torch.no_grad()
def moments(model: StreamWAM, batch: Batch) -> list[Moment]:
    """The chunks of a training batch."""
    return [moment_of(part, {camera: latents[part.frame_index[:, model.history - 1 :]]
                             for camera, latents in (model.latents or {}).items()}) for part in batch.chunks()]


def loss(model: StreamWAM, batch: Batch, seed: int) -> dict[str, Tensor]:
    """Scalars by stream, and "total". All noise comes from `seed`."""
    table, parts, generator = model.table, _told_alike(model, batch), torch.Generator().manual_seed(seed)
    times, device = moments(model, batch), batch.action.device
    levels = training_levels(table, model.doing, torch.stack([part.imitate for part in parts], 1),
                             torch.stack([part.has_action for part in parts], 1), generator, tied=model.config.tied,
                             corners=model.config.corners, backward=model.config.backward)
    # What is unknown is absent.
    levels = {node: level.to(device) * model.contents[node.stream].known(times[node.chunk]) for node, level in levels.items()}
    known, data, noise = Known(), {}, {}
    for node in levels:
        process, content, moment = model.process(node.stream), model.contents[node.stream], times[node.chunk]
        with torch.no_grad():
            data[node] = content.encode(moment)
            known.beside[node.stream, node.chunk] = content.beside(moment)
        shape = tuple(data[node].shape) + ((content.classes,) if process.discrete else ())
        noise[node] = process.training_noise(shape, generator).to(device)
        known.put(node, process.corrupt(data[node], noise[node], levels[node]), model.told(node.stream, levels[node]))
    _copies(model, known, data, noise, generator, {node: _there(model, node, times, parts) for node in data})
    _conditions(model, known, times, generator)
    errors: dict[Node, Tensor] = {}
    expected: dict[Node, Tensor] = {}
    for number, network in enumerate(model.networks):
        for node in network.nodes:
            if node.view == "hidden":
                here = {other.stream: drawn for other, drawn in noise.items() if other.chunk == node.chunk}
                known.put(node, model.look(node.stream, node.chunk, known, here)[0])
        hidden = model.run(number, [node for node in network.nodes if node in known.values], known)
        for node in hidden:
            if node in data:
                process, output = model.process(node.stream), network.read(node, hidden[node])
                errors[node] = process.loss(output, data[node], noise[node], levels[node])
                if isinstance(process, Continuous):
                    expected[node] = process.estimate(output, known.values[node], levels[node])
    losses = {name: _mean(model, name, parts, levels, errors) for name in table.generated}
    total = torch.stack([losses[name] * table.streams[name].weight for name in losses]).sum()
    drawn = {f"{name} drawn": _drawn(model, name, parts, times, levels, expected) for name in table.generated
             if isinstance(content := model.contents[name], LatentContent) and content.pixels > 0}
    for name, value in drawn.items():
        content = model.contents[name.removesuffix(" drawn")]
        assert isinstance(content, LatentContent)
        total = total + content.pixels * value
    return losses | drawn | {"total": total}


def _told_alike(model: StreamWAM, batch: Batch) -> list[Batch]:
    """The chunks of a batch. Where the instruction is told once, at the start, what is done under another one later on is not
    imitated; a session begins anew there."""
    if not any(stream.once and isinstance(stream.holds, Words) for stream in model.table.streams.values()):
        return list(batch.chunks())
    found = []
    for part in batch.chunks():
        same = [one == other for one, other in zip(part.context.instruction, batch.context.instruction, strict=True)]
        found.append(part if all(same) else replace(part, imitate=part.imitate & torch.tensor(same).to(part.imitate)))
    return found


def _there(model: StreamWAM, node: Node, times: Sequence[Moment], parts: Sequence[Batch]) -> Tensor:
    """In which situations a stream's data is known: [B]."""
    found = model.contents[node.stream].known(times[node.chunk])
    return found & parts[node.chunk].has_action if node.stream in model.doing else found


def _copies(model: StreamWAM, known: Known, data: dict[Node, Tensor], noise: dict[Node, Tensor],
            generator: torch.Generator, there: dict[Node, Tensor]) -> None:
    """Finished copies are the data; some of them blurred, as the model's own answers will be; those unknown are absent."""
    for node in model.table.nodes:
        source = Node(node.stream, "", node.chunk)
        if node.view == "clean" and source in data:  # a batch may hold fewer chunks than the table
            process = model.process(node.stream)
            value, level = data[source], None
            if model.config.blur and not process.discrete:
                size, device = len(value), value.device
                blurred = torch.rand(size, generator=generator).to(device) < model.config.blur
                level = torch.where(blurred, torch.rand(size, generator=generator).to(device), torch.ones((), device=device))
                value = process.corrupt(value, noise[source], level)
            if not there[source].all():
                level = there[source] * (torch.ones(len(value), device=value.device) if level is None else level)
                value = process.corrupt(data[source], noise[source], level)
            known.put(node, value, level)


def _conditions(model: StreamWAM, known: Known, times: list[Moment], generator: torch.Generator) -> None:
    """What is given: seen a little shifted, so that the model does not lean on exact pixels; or what lies ahead, as it is."""
    for chunk, moment in [(ONCE, times[0]), *enumerate(times)]:
        names = [name for name, stream in model.table.streams.items()
                 if stream.process is None and stream.once == (chunk == ONCE)]
        if not names:
            continue
        shaken = replace(moment, context=shifted(moment.context, model.config.shift, generator)) if model.training else moment
        for name in names:
            content = model.contents[name]
            seen = moment if model.table.ahead(name) else shaken
            known.put(Node(name, "", chunk), content.encode(seen), content.known(seen).float())


def _mean(model: StreamWAM, name: str, parts: Sequence[Batch], levels: dict[Node, Tensor],
          errors: dict[Node, Tensor]) -> Tensor:
    """Error of a stream over all tokens that are worth learning."""
    total, count = [], []
    for chunk, part in enumerate(parts):
        weight = _worth(model, name, chunk, part, levels)
        total.append((errors[Node(name, "", chunk)] * weight).sum())
        count.append(weight.sum())
    return torch.stack(total).sum() / torch.stack(count).sum().clamp_min(1)


def _worth(model: StreamWAM, name: str, chunk: int, part: Batch, levels: dict[Node, Tensor]) -> Tensor:
    """How much each token of a stream is worth learning [B, n]; 0: nothing can be learned from it."""
    table, node, doing = model.table, Node(name, "", chunk), name in model.doing
    if doing:
        usable = part.imitate | (part.has_action & _shown(model, name, chunk, part, levels))
    else:
        reads = any(one.stream in model.doing and one.view != "hidden" for one in table.closure(Node(name, "", 0)))
        usable = torch.where(part.has_action, part.imitate | reads, not table.why_not(query(name)))
    weight = (model.contents[name].mask(part) & (usable & (levels[node] < 1))[:, None]).float()
    if not doing:
        weight = weight * torch.where(part.imitate | ~part.has_action, 1.0, model.config.play_weight)[:, None]
    return weight


def _shown(model: StreamWAM, name: str, chunk: int, part: Batch, levels: dict[Node, Tensor]) -> Tensor:
    """In which situations a stream of actions is shown the whole finished future [B]: which action leads there is a question
    that an action nobody should imitate answers as well. What lies beyond an episode's end was never seen."""
    future = Node("future", "", chunk)
    if not model.config.backward or INVERSE_DYNAMICS not in model.table.answers or future not in levels:
        return torch.zeros_like(part.imitate)
    seen = model.contents["future"].mask(part).all(1)
    read = {node for node in model.table.closure(Node(name, "", chunk)) if node.stream == "future" and node.chunk == chunk}
    return seen if future not in read and read else seen & (levels[future] == 1)


def _drawn(model: StreamWAM, name: str, parts: Sequence[Batch], times: Sequence[Moment], levels: dict[Node, Tensor],
           expected: dict[Node, Tensor]) -> Tensor:
    """How unlike the pictures of a few situations are to what came, where they are worth learning."""
    content, found, weights = model.contents[name], [], []
    assert isinstance(content, LatentContent)
    for chunk, part in enumerate(parts):
        worth = _worth(model, name, chunk, part, levels).unflatten(1, (len(content.offsets), -1))[..., 0]
        rows = torch.where(worth.any(1))[0]
        rows = rows[torch.linspace(0, len(rows) - 1, min(len(rows), content.pictures)).round().long().to(rows.device)]
        if len(rows):
            found.append((content.unlike(expected[Node(name, "", chunk)], times[chunk], rows) * worth[rows]).sum())
            weights.append(worth[rows].sum())
    return torch.stack(found).sum() / torch.stack(weights).sum() if found else times[0].context.state.new_zeros(())
