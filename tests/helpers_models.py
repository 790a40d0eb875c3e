"""Small random inputs for model tests."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wamlab.data.sealed import seal, unseal
from wamlab.models.base import WorldActionModel
from wamlab.models.knowledge import Known
from wamlab.models.session import Session
from wamlab.models.stream import StreamWAM
from wamlab.models.training import moment_of
from wamlab.parts.streams import ONCE, Node
from wamlab.spec import ActionSpec, TaskSpec
from wamlab.types import Batch, Context, Given, Query

CONTEXT_SIZE = 3


def small_spec() -> TaskSpec:
    action = ActionSpec(("x", "y", "z", "grip"), (-1.0,) * 4, (1.0,) * 4, ("1",) * 4)
    return TaskSpec("toy", "push it", ("main",), (32, 32), ("x", "y", "z"), action, (), 20.0, 50)


def random_context(size: int = CONTEXT_SIZE, seed: int = 0) -> Context:
    g = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (size, 1, 3, 32, 32), dtype=torch.uint8, generator=g)
    return Context(frames, torch.randn(size, 1, 3, generator=g), ("push it",) * size)


def random_batch(size: int = 6, action_seed: int = 1, imitate: bool = True, chunks: int = 1, seed: int = 0,
                 frames: int = 2) -> Batch:
    """Chunks of unrelated frames; those of two action seeds differ in the actions alone."""
    parts = []
    for chunk in range(chunks):
        g = torch.Generator().manual_seed(2 + 100 * chunk + 1000 * seed)
        h = torch.Generator().manual_seed(action_seed + 100 * chunk)
        yes = torch.ones(size, 8, dtype=torch.bool)
        parts.append(Batch(random_context(size, 100 * chunk + 1000 * seed),
                           torch.randint(0, 256, (size, frames, 3, 32, 32), dtype=torch.uint8, generator=g),
                           yes[:, :frames], torch.rand(size, 8, 4, generator=h) * 2 - 1, yes,
                           torch.full((size,), imitate), torch.zeros(size, 1 + frames, dtype=torch.int64),
                           torch.randn(size, frames, 3, generator=g), torch.randint(0, 40, (size,), generator=g).float()))
    return replace(parts[0], later=tuple(parts[1:]))


def batch_for(model: StreamWAM, size: int = 6, **told: Any) -> Batch:
    """As `random_batch`, with the chunks and future frames that a model trains on."""
    return random_batch(size, **{"chunks": model.chunks, "frames": len(model.offsets) or 2, **told})


def given_for(model: StreamWAM, query: Query, part: Batch) -> Given:
    """What a question gives, as it is in a chunk of a batch."""
    moment = moment_of(part)
    others = {name: model.contents[name].decode(model.contents[name].encode(moment), moment)
              for name in sorted(query.given - {"future", "action"})}
    return Given(moment.future if query.future == "given" else None, moment.action if query.action == "given" else None, others)


def everything(model: StreamWAM, batch: Batch, seed: int = 0) -> Known:
    """All that a training pass may be shown: noisy streams, finished copies, random hidden states; nothing is disturbed."""
    known = Known()
    for chunk, part in enumerate(batch.chunks()):
        moment = moment_of(part)
        for place in ([ONCE] if chunk == 0 else []) + [chunk]:
            model.observed(known, moment, place)
        for name in model.table.generated:
            g = torch.Generator().manual_seed(7 + chunk + 100 * seed)
            content, process, value = model.contents[name], model.process(name), model.contents[name].encode(moment)
            shape = tuple(value.shape) + ((content.classes,) if process.discrete else ())
            level = torch.rand(len(value), generator=g) * 0.8 + 0.1
            known.put(Node(name, "", chunk), process.corrupt(value, process.noise(shape, g), level), model.told(name, level))
            known.put(Node(name, "clean", chunk), value)
            known.put(Node(name, "hidden", chunk),
                      torch.randn(*value.shape[:2], model.config.depth * model.config.width, generator=g))
    for node in (Node("text"), Node("understanding")):  # they are the same in all batches
        if node in known.values:
            known.values[node] = known.values[node] + seed
    return known


def happened(part: Batch) -> Given:
    return Given(part.future.float() / 255, part.action)


def session_agrees(model: StreamWAM, batch: Batch) -> None:
    """A session that remembers the chunks before says of each what one pass over all says."""
    known, parts = everything(model, batch), batch.chunks()
    with torch.inference_mode():
        whole = {node: value for number, network in enumerate(model.networks)
                 for node, value in model.run(number, [n for n in network.nodes if n in known.values], known).items()}
        session = Session(model, parts[0].context)
        for chunk in range(model.chunks):
            told = known.copy()
            told.forget(chunk)
            for number, network in enumerate(model.networks):
                here = [node for node in network.nodes if node.chunk == chunk and node in known.values]
                for node, tokens in model.run(number, here, told, session.memories[number].copy()).items():
                    torch.testing.assert_close(tokens[-1], whole[node][-1], rtol=1e-4, atol=1e-4)
            if chunk + 1 < model.chunks:
                session.observe(parts[chunk + 1].context, happened(parts[chunk]))
                assert session.chunk == chunk + 1


def no_leak(model: StreamWAM) -> None:
    """Perturbing a node changes another exactly where the table lets it, and nowhere else, to the bit."""
    known, other = (everything(model, batch_for(model, 2, seed=seed, action_seed=seed), seed)
                    for seed in (0, 3))
    checked = 0
    for number, network in enumerate(model.networks):
        nodes = [node for node in network.nodes if node in known.values]
        clean = model.run(number, nodes, known)
        for changed in nodes:
            spoilt = known.copy()
            spoilt.values[changed] = other.values[changed]
            after = model.run(number, nodes, spoilt)
            for reader in set(nodes) - {changed}:
                same = torch.equal(after[reader][-1], clean[reader][-1])
                assert same == (changed not in model.table.closure(reader, number)), (number, str(changed), str(reader))
                checked += 1
    assert checked >= 6


def randomise(model: WorldActionModel) -> WorldActionModel:
    """Give every weight a value: freshly built gates are zero, and a closed gate would hide any leak."""
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1 or (parameter == 0).all():
                parameter.add_(torch.randn(parameter.shape, generator=g) * 0.1)
    return model


def edit_header(folder: Path, change: Callable[[dict[str, Any]], object], sealed: bool = True) -> None:
    """Another header for a checkpoint, with its checksum (or without: as somebody would leave it who edits the file)."""
    header, tensors = folder / "checkpoint.json", folder / "tensors.safetensors"
    said = json.loads(header.read_text())
    change(said)
    header.write_text(json.dumps(said))
    if sealed:
        arrays = unseal(tensors, "the tensors", "").arrays
        tensors.write_bytes(seal(arrays, {"header": str(zlib.crc32(header.read_bytes()))}))
