"""Published action-following scores that trivial models win: kept to be shown failing, never to be reported.

Each takes effects in state space, with distances in sigma, as stand-ins for the pixel and feature distances of the
originals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy import ndarray

from ...spec import TaskSpec
from ..metric import Effects, entities, sigma, stacked


def _table(effects: Effects, spec: TaskSpec) -> tuple[ndarray, ndarray]:
    """Imagined and true futures side by side, [C, K, T * D] in sigma."""
    scales = {e.name: sigma(e, effects.real[e.name] - effects.start[e.name][:, None, None])
              for e in spec.entities if e.name in effects.real}
    groups = [g for g in ("robot", "object", "bystander") if entities(spec, g, effects.real)]
    made, real = (np.concatenate([stacked(spec, g, values, scales) for g in groups], -1)
                  for values in (effects.imagined, effects.real))
    return made.reshape(*made.shape[:2], -1), real.reshape(*real.shape[:2], -1)


def diversity(effects: Effects, spec: TaskSpec) -> float:
    """Mean distance between the imagined futures of different actions (after WorldArena's action following, 2602.08971)."""
    made, _ = _table(effects, spec)
    gaps = np.sqrt(((made[:, :, None] - made[:, None]) ** 2).mean(-1))
    return float(gaps.sum() / (len(made) * made.shape[1] * (made.shape[1] - 1)))


def delta_psnr(effects: Effects, spec: TaskSpec) -> float:
    """How much better the factual future is matched under the factual than under the other actions, in dB (after Genie,
    2402.15391)."""
    made, real = _table(effects, spec)
    error = ((made - real[:, :1]) ** 2).mean(-1)
    quality = -10 * np.log10(np.maximum(error, 1e-4))
    return float((quality[:, 0] - quality[:, 1:].mean(1)).mean())


def closeness(effects: Effects, spec: TaskSpec) -> float:
    """exp(-0.1 d) of the distance between the factual futures, imagined and true (after action-state consistency,
    2605.07514)."""
    made, real = _table(effects, spec)
    return float(np.exp(-0.1 * np.sqrt(((made - real)[:, 0] ** 2).mean(-1))).mean())


EXHIBITS: Mapping[str, Callable[[Effects, TaskSpec], float]] = {
    "diversity": diversity, "delta_psnr": delta_psnr, "closeness": closeness,
}
FOOLED_BY: Mapping[str, tuple[str, float]] = {
    "diversity": ("random", 1.0), "delta_psnr": ("factual_only", 1.0), "closeness": ("frozen", 0.85),
}
"""per exhibit the trivial model that reaches at least this share of the oracle's score"""
