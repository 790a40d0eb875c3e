"""Latent actions of one video, done again in another scene: decoded to actions, executed in the restored simulator, and the
hand's way compared with its way in the video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...errors import DataError
from ...evaluate.log import Score
from ...simulators import Simulator
from ...types import Episode
from .measures import counted, over_episodes

LENGTH = 6
"""control steps of a stretch"""


@dataclass(frozen=True, eq=False)
class Stretch:
    """A piece of a video, and where it is done again."""

    source: Episode
    start: int
    """step of the source at which it begins"""
    state: Any
    """of the other scene's simulator"""
    way: Float[ndarray, "D"]
    """of the hand in the video"""


def stretches(simulator: Simulator, episodes: Sequence[Episode], *, count: int, seed: int = 0) -> tuple[Stretch, ...]:
    """Pieces of episodes, each with a moment of another episode's scene.

    Raises:
        DataError: with fewer than two episodes of `LENGTH` steps that say their scenes.
    """
    usable = [e for e in episodes if len(e) >= LENGTH and "scene" in e.meta]
    if len(usable) < 2:
        raise DataError("nothing can be done again in another scene", where="stretches", got=len(usable),
                        expected=f"at least 2 episodes of {LENGTH} steps that say their scene", fix="collect more")
    generator = np.random.default_rng([seed, 15])
    simulator.renders = False
    made, hand_name = [], simulator.task_spec.robot().name
    for number in range(count):
        source = usable[number % len(usable)]
        start = int(generator.integers(len(source) - LENGTH + 1))
        other = usable[(number + 1 + int(generator.integers(len(usable) - 1))) % len(usable)]
        simulator.reset(seed=int(other.meta["scene"]))
        for action in other.action[:int(generator.integers(len(other)))]:
            simulator.step(action)
        hand = source.truth[hand_name][:, :_axes(simulator)]
        made.append(Stretch(source, start, simulator.save_state(), hand[start + LENGTH] - hand[start]))
    return tuple(made)


def replay(name: str, simulator: Simulator, pieces: Sequence[Stretch], decode: Callable[[Episode], Float[ndarray, "T A"]], *,
           seed: int = 0) -> tuple[Score, ...]:
    """Do the stretches again with decoded actions, and beside them with the true ones (the ceiling, for the other scene has
    edges and things of its own), with another stretch's, and with none.

    Args:
        decode: the actions of an episode in physical units, from its frames.

    Returns:
        `latent.replay.error` (root mean squared difference of the ways, in shares of the ways in the videos; 1 for standing
        still) and `latent.replay.direction` (share of the stretches with a way that are done within 30 degrees of it).
    """
    spec = simulator.task_spec
    low, high = np.array(spec.action.low), np.array(spec.action.high)
    decoded = {id(piece.source): np.clip(decode(piece.source), low, high) for piece in pieces}
    chosen = [decoded[id(piece.source)][piece.start:piece.start + LENGTH] for piece in pieces]
    other = np.random.default_rng([seed, 16]).permutation(len(pieces))
    tried: Mapping[str, list[ndarray]] = {
        name: chosen, "ceiling/true actions": [p.source.action[p.start:p.start + LENGTH] for p in pieces],
        "control/exchanged": [chosen[i] for i in other], "control/still": [np.zeros_like(one) for one in chosen]}
    wanted = np.stack([piece.way for piece in pieces])
    long = np.linalg.norm(wanted, axis=1) > 2 * spec.robot().tolerance
    number, scores = np.arange(len(pieces)), []
    for who, chunks in tried.items():
        done = np.stack([_way(simulator, piece.state, chunk) for piece, chunk in zip(pieces, chunks, strict=True)])
        sums = np.stack([((done - wanted) ** 2).sum(1), (wanted**2).sum(1)], 1)
        error = over_episodes(sums, number, lambda s: np.sqrt(s[:, 0] / s[:, 1]))
        along = (done * wanted).sum(1) > np.cos(np.pi / 6) * np.linalg.norm(done, axis=1) * np.linalg.norm(wanted, axis=1)
        right = counted(along[long])
        scores += [Score(who, spec.task, f"latent.replay.{metric}", found.value, found.low, found.high, count, "share")
                   for metric, found, count in (("error", error, len(pieces)), ("direction", right, int(long.sum())))]
    return tuple(scores)


def _way(simulator: Simulator, state: Any, actions: Float[ndarray, "n A"]) -> Float[ndarray, "D"]:
    simulator.load_state(state)
    axes, hand = _axes(simulator), simulator.task_spec.robot().name
    start = simulator.truth()[hand][:axes]
    for action in actions:
        simulator.step(action.astype(np.float32))
    return simulator.truth()[hand][:axes] - start


def _axes(simulator: Simulator) -> int:
    """How many of the hand's numbers are a place."""
    channels = simulator.task_spec.robot().channels
    return sum(name in ("x", "y", "z") for name in channels)
