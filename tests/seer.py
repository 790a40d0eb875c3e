"""A model in closed loop that knows the simulator which it acts in, and does what it is shown, or something else."""

from __future__ import annotations

import numpy as np
import torch

from wamlab.evaluate.ask.actions import action_set
from wamlab.models.base import WorldActionModel
from wamlab.models.oracle import imagined, planned
from wamlab.types import IMAGINE_AND_ACT, INVERSE_DYNAMICS, POLICY, WORLD_MODEL, Prediction

TRIED = ("factual", "null", "reverse", "turn +90", "turn -90")


class Seer(WorldActionModel):
    """Of some actions it takes the one whose true pictures are nearest to those that it is shown.

    Args:
        kind: "follows" (imagines what the expert will bring about); "decorative" (the same, but acts as the expert whatever
            it is shown); "misled" (follows, but imagines that everything is undone); "blind" (imagines the expert's future
            whatever action is given).
    """

    chunk, offsets, history = 8, (4, 8), 1

    def __init__(self, simulator, kind="follows"):
        super().__init__()
        self.simulator, self.kind, self.task_spec = simulator, kind, simulator.task_spec

    def answers(self):
        return frozenset({POLICY, INVERSE_DYNAMICS, IMAGINE_AND_ACT, WORLD_MODEL})

    def loss(self, batch, seed):
        raise NotImplementedError

    def films(self, actions):
        state = self.simulator.save_state()
        found = np.stack([imagined(self.simulator, state, action, self.offsets) for action in actions])
        self.simulator.load_state(state)
        return found

    def _predict(self, context, given, query, seeds):
        expert = planned(self.simulator, self.chunk)
        chunks = action_set(self.task_spec.action, expert, np.random.default_rng(0), TRIED)
        act, frames = expert[None], None
        if given.future is not None and self.kind != "decorative":
            shown = (given.future[0].movedim(1, -1) * 255).round().numpy()
            gaps = np.abs(self.films(chunks).astype(float) - shown).sum((1, 2, 3, 4))
            act = chunks[[int(gaps.argmin())]]
        if query.future == "sought":
            own = given.action is None or self.kind == "blind"
            asked = expert[None].repeat(len(context), 0) if own else given.action.numpy()
            frames = self.films(-asked if self.kind == "misled" and given.action is None else asked)
        future = None if frames is None else torch.from_numpy(frames).movedim(-1, -3).float() / 255
        return Prediction(future, torch.from_numpy(act) if query.action == "sought" else None)
