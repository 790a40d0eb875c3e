"""Models in PushWorld that know the true branches: they follow an offered future, or do not, in one exact way each."""

from __future__ import annotations

import numpy as np
import torch

from wamlab.models.base import WorldActionModel
from wamlab.types import IMAGINE_AND_ACT, INVERSE_DYNAMICS, POLICY, WORLD_MODEL, Prediction


class Follower(WorldActionModel):
    """Answers an offered future with the action whose true future it is, and imagines the truth.

    Args:
        kind: "follows"; "ignores" (imagines the truth, always acts as the expert); "decorative" (imagines another scene,
            whatever is done, and acts as the expert); "narrates" (knows the instruction only: imagines the expert's future
            whatever is done); "breaks" (raises in the middle).
    """

    chunk, offsets, history = 8, (4, 8), 1

    def __init__(self, branches, kind="follows"):
        super().__init__()
        self.branches, self.kind, self.task_spec = branches, kind, branches.spec
        self.known = {frame.tobytes(): c for c, frame in enumerate(branches.context_frames[:, -1])}
        self.asked = 0

    def answers(self):
        return frozenset({POLICY, INVERSE_DYNAMICS, IMAGINE_AND_ACT, WORLD_MODEL})

    def loss(self, batch, seed):
        raise NotImplementedError

    def _predict(self, context, given, query, seeds):
        self.asked += 1
        if self.kind == "breaks" and self.asked > 2:
            raise RuntimeError("out of ideas")
        futures, actions = [], []
        for row, frame in enumerate(context.frames[:, -1].movedim(1, -1).numpy()):
            c = self.known[np.ascontiguousarray(frame).tobytes()]
            k = 0
            if given.future is not None and self.kind in ("follows", "breaks"):
                shown = (given.future[row].movedim(1, -1) * 255).round().numpy()
                k = int(np.abs(self.branches.frames[c].astype(float) - shown).sum((1, 2, 3, 4)).argmin())
            if given.action is not None and self.kind != "narrates":
                gaps = np.abs(self.branches.actions[c] - given.action[row].numpy()).sum((1, 2))
                k = int(gaps.argmin())
            actions.append(self.branches.actions[c, k])
            if self.kind == "decorative":
                c, k = (c + len(self.branches) // 2) % len(self.branches), 0
            futures.append(self.branches.frames[c, k])
        future = torch.from_numpy(np.stack(futures)).movedim(-1, -3).float() / 255
        return Prediction(future if query.future == "sought" else None,
                          torch.from_numpy(np.stack(actions)) if query.action == "sought" else None)
