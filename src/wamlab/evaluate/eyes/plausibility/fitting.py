"""The two decoders of a task, from its demonstrations and play: true frames and true states only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ....data.store import EpisodeStore
from ....errors import DataError
from ....labels.inverse import InverseConfig, train_inverse
from ....labels.pairs import pairs_of
from ..readout import Readout
from .decoders import Decoder, kinematic

MOST, STRIDE = 60, 3
"""episodes that are read, and control steps between the stretches that the kinematics are fitted to"""


def decoders_for(store: EpisodeStore, readout: Readout, offsets: Sequence[int], *, seed: int = 0,
                 steps: int = 400) -> tuple[Decoder, Decoder]:
    """The kinematic decoder, which reads the hand, and a learned inverse dynamics.

    Args:
        offsets: steps ahead that the futures to be decoded show.

    Raises:
        DataError: without a hand that can be read, or with too few episodes.
    """
    spec = store.task_spec
    hands = [e for e in spec.of_group("robot") if e.name in readout.shape.entities]
    if not hands:
        raise DataError("no hand can be read off frames", where=spec.task, expected="an entity of the group robot",
                        got=sorted(readout.shape.entities))
    episodes = [store[index] for index in store.indices()[:MOST]]
    gaps = sorted({int(gap) for gap in np.diff([0, *offsets])})
    gap = gaps[0]
    stretches = [(e, t) for e in episodes for t in range(0, len(e) - gap + 1, STRIDE)]
    truth = np.stack([e.truth[hands[0].name][t:t + gap + 1] for e, t in stretches])
    actions = np.stack([e.action[t:t + gap] for e, t in stretches]).astype(np.float64)
    config = InverseConfig(tuple(gaps))
    config = replace(config, training=replace(config.training, steps=steps))
    return kinematic(readout.states, hands[0], truth, actions), train_inverse(pairs_of(episodes, gaps), config, seed=seed)
