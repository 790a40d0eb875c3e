"""Models that know the answer, and null models: the true simulator asked a right or a wrong question.

They answer through `predict` like any model, so that everything which scores a model can be checked from end to end. An
oracle recognises a situation by its picture and proprioception: whoever wants to ask it shows it the situation first
(`remember`). Null models are the oracle with its question twisted: another action, another situation, or no motion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor

from ..errors import Unanswerable, UnknownName
from ..simulators import Observation, Simulator
from ..types import IMAGINE_AND_ACT, POLICY, WORLD_MODEL, Batch, Context, Given, Prediction, Query
from .base import WorldActionModel

Twist = Callable[["Oracle", Any, ndarray, np.random.Generator], tuple[Any, ndarray]]
"""(oracle, state, actions [K, A], generator) to the state and the actions that are really tried"""


def _scaled(factor: float) -> Twist:
    return lambda oracle, state, action, generator: (state, action * factor)


def _elsewhere(oracle: Oracle, state: Any, action: ndarray, generator: np.random.Generator) -> tuple[Any, ndarray]:
    spec, states = oracle.task_spec.action, list(oracle.known.values())
    return states[generator.integers(len(states))], generator.uniform(spec.low, spec.high, action.shape)


def _other_action(oracle: Oracle, state: Any, action: ndarray, generator: np.random.Generator) -> tuple[Any, ndarray]:
    spec = oracle.task_spec.action
    return state, np.repeat(generator.uniform(spec.low, spec.high, (1, action.shape[1])), len(action), 0)


TWISTS: Mapping[str, Twist] = {
    "oracle": _scaled(1.0), "attenuated": _scaled(0.5), "exaggerated": _scaled(2.0), "wrong_direction": _scaled(-1.0),
    "action_blind": _scaled(0.0), "random": _elsewhere, "shuffled": _other_action,
    "frozen": _scaled(0.0),
}
"""what is asked of the simulator in place of the question; "frozen" does not ask and repeats what it sees"""


class Oracle(WorldActionModel):
    """The true simulator as a model, or a null model.

    Args:
        simulator: of the task; it is stepped and restored, so do not share it with a running episode.
        twist: a name in TWISTS.
        chunk, offsets: as of any model.
        history: frames of context; only the last is looked at.

    Raises:
        UnknownName: for a twist that does not exist.
    """

    def __init__(self, simulator: Simulator, *, twist: str = "oracle", chunk: int = 8, offsets: tuple[int, ...] = (4, 8),
                 history: int = 1):
        super().__init__()
        if twist not in TWISTS:
            raise UnknownName("null model", twist, TWISTS)
        self.simulator, self.twist, self.task_spec = simulator, twist, simulator.task_spec
        self.chunk, self.offsets, self.history = chunk, offsets, history
        self.known: dict[str, Any] = {}

    def remember(self, observation: Observation, state: Any) -> None:
        """Show it a situation: what is observed there, and the simulator's saved state."""
        frame = observation["frames"][self.task_spec.cameras[0]]
        self.known[_key(np.asarray(frame), np.asarray(observation["state"], np.float32))] = state

    def answers(self) -> frozenset[Query]:
        acts = frozenset({POLICY, IMAGINE_AND_ACT}) if self.simulator.expert() is not None else frozenset()
        return acts | {WORLD_MODEL}

    def loss(self, batch: Batch, seed: int) -> dict[str, Tensor]:
        raise Unanswerable("an oracle has nothing to learn", where=type(self).__name__, expected="predict", got="loss",
                           fix="use it as it is")

    def _predict(self, context: Context, given: Given, query: Query, seeds: Sequence[int]) -> Prediction:
        futures, actions = [], []
        for row, seed in enumerate(seeds):
            frame = context.frames[row, -1].movedim(0, -1).cpu().numpy()
            state = self._recall(frame, context.state[row, -1].cpu().numpy())
            action = self._expert(state) if given.action is None else given.action[row].cpu().numpy()
            actions.append(torch.from_numpy(action))
            if query.future == "sought":
                futures.append(self._future(frame, state, action, seed))
        future = torch.from_numpy(np.stack(futures)).movedim(-1, -3).float() / 255 if futures else None
        return Prediction(future, torch.stack(actions) if query.action == "sought" else None)

    def _recall(self, frame: ndarray, state: ndarray) -> Any:
        key = _key(frame, state)
        if key not in self.known:
            raise Unanswerable("the oracle has never been shown this situation", where=self.task_spec.task,
                               expected="a context that was remembered", got="an unknown picture",
                               fix="call remember(observation, simulator.save_state()) first")
        return self.known[key]

    def _expert(self, state: Any) -> Float32[ndarray, "K A"]:
        """What the scripted expert would do from here."""
        self.simulator.load_state(state)
        return planned(self.simulator, self.chunk)

    def _future(self, frame: ndarray, state: Any, action: ndarray, seed: int) -> ndarray:
        """Frames at the offsets: uint8 [F, h, w, 3]."""
        if self.twist == "frozen":
            return np.repeat(frame[None], len(self.offsets), 0)
        digest = int.from_bytes(hashlib.sha256(action.tobytes()).digest()[:8], "little")  # wrong anew for every action
        state, action = TWISTS[self.twist](self, state, action, np.random.default_rng([seed, digest]))
        return imagined(self.simulator, state, action, self.offsets)


def planned(simulator: Simulator, chunk: int) -> Float32[ndarray, "K A"]:
    """What the scripted expert is about to do; the simulator is as it was afterwards."""
    state, draws, simulator.renders = simulator.save_state(), simulator.renders, False
    expert, actions = simulator.expert(), []
    assert expert is not None, "there is no scripted expert"
    for _ in range(chunk):
        actions.append(expert())
        simulator.step(actions[-1])
    simulator.load_state(state)
    simulator.renders = draws
    return np.stack(actions).astype(np.float32)


def imagined(simulator: Simulator, state: Any, action: ndarray, offsets: Sequence[int]) -> ndarray:
    """Frames that the actions really lead to from a saved state: uint8 [F, h, w, 3]. Actions are cut to the limits."""
    spec = simulator.task_spec.action
    draws, simulator.renders = simulator.renders, False
    simulator.load_state(state)
    frames = {}
    for ahead, command in enumerate(np.clip(action, spec.low, spec.high).astype(np.float32), 1):
        simulator.step(command)
        if ahead in offsets:
            frames[ahead] = simulator.render_camera()
    simulator.renders = draws
    return np.stack([frames[offset] for offset in offsets])


def _key(frame: ndarray, state: ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(frame).tobytes() + np.ascontiguousarray(state, np.float32).tobytes()).hexdigest()
