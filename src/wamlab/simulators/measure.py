"""What MuJoCo knows beside pictures and truth: contacts with their forces, and the pose of every body."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float32, Int32
from numpy import ndarray

from .backend import mujoco

CONTACT = ["contacts", "normal force (N)", "x (m)", "y (m)", "z (m)"]
POSE = ["x (m)", "y (m)", "z (m)", "qw", "qx", "qy", "qz"]
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class Gauge:
    """Measures a MuJoCo world without touching it: forces come from a second copy of its state, so that they are a function of
    the state alone, whatever was stepped or restored before.

    Args:
        owner: per geom, the position in `names` of the thing it belongs to, -1 for the scenery (one element more is ignored).
        names: the things.
    """

    def __init__(self, model: mujoco.MjModel, owner: Int32[ndarray, "_"], names: tuple[str, ...]):
        self._model, self._scratch = model, mujoco.MjData(model)
        self.names = (*names, "scenery")
        self._owner = np.where(owner < 0, len(names), owner)
        self._pairs = {pair: number for number, pair in enumerate(combinations_with_replacement(range(len(self.names)), 2))}
        self.pairs = [[self.names[a], self.names[b]] for a, b in self._pairs]
        self.bodies = [model.body(body).name or f"body {body}" for body in range(model.nbody)]

    def contacts(self, data: mujoco.MjData) -> Float32[ndarray, "pairs 5"]:
        """Per pair of things: how many contacts, their normal force in newtons, and where the force acts (the mean of the
        points, weighted by force; zero where there is no contact)."""
        state = np.empty(mujoco.mj_stateSize(self._model, _STATE))
        mujoco.mj_getState(self._model, data, state, _STATE)
        mujoco.mj_setState(self._model, self._scratch, state, _STATE)
        mujoco.mj_forward(self._model, self._scratch)
        table, force = np.zeros((len(self.pairs), len(CONTACT))), np.zeros(6)
        weights = np.zeros(len(self.pairs))
        for number in range(self._scratch.ncon):
            contact = self._scratch.contact[number]
            a, b = sorted((int(self._owner[contact.geom1]), int(self._owner[contact.geom2])))
            mujoco.mj_contactForce(self._model, self._scratch, number, force)
            row, weight = self._pairs[a, b], max(float(force[0]), 1e-9)
            table[row] += 1, force[0], *(weight * contact.pos)
            weights[row] += weight
        table[:, 2:] /= np.where(weights > 0, weights, 1)[:, None]
        return table.astype(np.float32)

    def poses(self, data: mujoco.MjData) -> Float32[ndarray, "bodies 7"]:
        """Per body: place in metres and orientation as a quaternion, in the world."""
        return np.concatenate([data.xpos, data.xquat], axis=1).astype(np.float32)
