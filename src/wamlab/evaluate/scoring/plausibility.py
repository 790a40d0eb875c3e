"""Imagined futures of branches, decoded, executed from the restored states, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from ...errors import DataError
from ...simulators import Simulator, make
from ..ask.branch_data import Branches
from ..ask.f2a import execute
from ..ask.imagining import Futures
from ..eyes.plausibility.decoders import Decoder, Read
from ..log import Score
from ..metric import Decoded, Evidence
from ..metrics import get
from .score import effect


def decode_branches(branches: Branches, futures: Futures, read: Read, decoders: Sequence[Decoder], *, workers: int = 1,
                    make_simulator: Callable[[], Simulator] | None = None) -> Decoded:
    """Decode imagined and true frames alike, and execute both.

    Args:
        read: states from frames; what it makes of imagined frames is what they are taken to show.
        decoders: at least two, for a single one may be what is wrong and not the future.
        make_simulator: builds the simulator in place of `simulators.make(task)`; picklable.

    Raises:
        DataError: with fewer than two decoders, or if the simulator does not come back to the saved states.
    """
    if len({decoder.name for decoder in decoders}) < 2:
        raise DataError("one decoder cannot be told from the future that it reads", where="decoders", expected="at least two",
                        got=[decoder.name for decoder in decoders], fix="give the kinematic and a learned one")
    spec, offsets = branches.spec, futures.offsets
    places = [branches.protocol.offsets.index(offset) for offset in offsets]
    now = branches.context_frames[:, -1]
    sources = {"imagined": futures.frames, "real": branches.frames[:, :, places]}
    raw = {source: {decoder.name: decode(decoder, now, frames, offsets) for decoder in decoders}
           for source, frames in sources.items()}
    gaps = np.diff([0, *offsets])
    low, high = (np.array(limit, np.float32) for limit in (spec.action.low, spec.action.high))
    chunks = [np.clip(np.repeat(made, gaps, axis=2), low, high).astype(np.float32)
              for per_source in raw.values() for made in per_source.values()]
    build = make_simulator or partial(make, branches.protocol.task, **branches.protocol.options)
    done = execute(branches, np.concatenate(chunks, 1), build, offsets, workers)
    kinds = branches.actions.shape[1]
    names = [(source, decoder) for source, per_source in raw.items() for decoder in per_source]
    came = {pair: {entity: value[:, i * kinds:(i + 1) * kinds] for entity, value in done.items()}
            for i, pair in enumerate(names)}
    states = {source: read(frames) for source, frames in sources.items()}
    before = read(now)
    known = [name for name in branches.truth if name in before]
    start = {name: branches.start()[name] for name in known}
    base, then = ({name: one[name][:, None, None] for name in known} for one in (start, before))
    ends = np.cumsum(gaps)
    true = np.stack([branches.actions[:, :, end - gap:end].mean(2) for end, gap in zip(ends, gaps, strict=True)], 2)
    made, ceiling = ({decoder.name: came[source, decoder.name] for decoder in decoders} for source in ("imagined", "real"))
    return Decoded(
        start, effect(base, then, {n: states["imagined"][n] for n in known}),
        effect(base, then, {n: states["real"][n] for n in known}),
        {n: value for n, value in branches.real(offsets).items() if n in known}, true.astype(np.float64),
        raw["imagined"], raw["real"], made, ceiling, offsets)


def decode(decoder: Decoder, now: UInt8[ndarray, "C h w 3"], frames: UInt8[ndarray, "C K T h w 3"],
           offsets: tuple[int, ...]) -> Float[ndarray, "C K T A"]:
    """The mean action of each stretch between two shown moments."""
    contexts, kinds = frames.shape[:2]
    before = np.broadcast_to(now[:, None], (contexts, kinds, *now.shape[1:]))
    rows = []
    for number, gap in enumerate(np.diff([0, *offsets])):
        after = frames[:, :, number]
        one, two = (x.reshape(-1, *x.shape[2:]) for x in (before, after))
        made = decoder(one, two, int(gap))
        rows.append(made.reshape(contexts, kinds, -1))
        before = after
    return np.stack(rows, 2)


def score_plausibility(model: str, branches: Branches, decoded: Decoded | None, why: str = "") -> tuple[Score, ...]:
    """The scores of the metric `plausibility`.

    Args:
        decoded: None if the model could not be asked, and `why` says so.
    """
    evidence = Evidence(model, branches.spec, decoded=decoded, scales=branches.scales(),
                        missing={"decoded": why} if why else {})
    return get("plausibility")(evidence)
