"""Imagined futures made from true ones: the oracle, and models that are wrong in one exact way each.

They work on numbers in state space, so that a metric's anchor (1, 0, -1) can be checked without a readout in between.
Letters: C contexts, K actions, T offsets, D channels of an entity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...errors import UnknownName
from ...spec import TaskSpec
from ..metric import GROUPS, Effects

States = Mapping[str, Float[ndarray, "C K T _"]]


@dataclass(frozen=True, eq=False)
class Truth:
    """What a saboteur may know: everything."""

    spec: TaskSpec
    start: Mapping[str, Float[ndarray, "C 1 1 _"]]
    real: States
    generator: np.random.Generator

    def scale(self, name: str) -> float:
        return max(float(np.sqrt(np.mean((self.real[name] - self.start[name]) ** 2))), self.spec.entity(name).tolerance)

    def names(self, group: str) -> tuple[str, ...]:
        return tuple(e.name for e in self.spec.of_group(*GROUPS[group]) if e.name in self.real)


def each(change: Callable[[ndarray, ndarray], ndarray]) -> Callable[[Truth], States]:
    """A saboteur that treats every entity alike: (true future, start) to imagined future."""
    return lambda truth: {name: np.broadcast_to(change(real, truth.start[name]), real.shape).copy()
                          for name, real in truth.real.items()}


def noisy(truth: Truth, dose: float) -> States:
    """True, plus independent noise of `dose` standard deviations of the true effect."""
    return {name: real + truth.generator.normal(0, dose * truth.scale(name), real.shape) for name, real in truth.real.items()}


def elsewhere(truth: Truth) -> States:
    """The future of another context and action, drawn anew for each action: a vivid video of something else."""
    contexts, kinds = next(iter(truth.real.values())).shape[:2]
    c, k = (truth.generator.integers(0, n, (contexts, kinds)) for n in (contexts, kinds))
    return {name: real[c, k] for name, real in truth.real.items()}


def shuffled(truth: Truth) -> States:
    """True futures, dealt to the wrong actions of the same context."""
    contexts, kinds = next(iter(truth.real.values())).shape[:2]
    order = truth.generator.permuted(np.tile(np.arange(kinds), (contexts, 1)), axis=1)
    return {name: real[np.arange(contexts)[:, None], order] for name, real in truth.real.items()}


def factual_only(truth: Truth) -> States:
    """True for the first action, which training would have shown; something else for all others."""
    other = elsewhere(truth)
    return {name: np.concatenate([real[:, :1], other[name][:, 1:]], 1) for name, real in truth.real.items()}


def kinematic(truth: Truth) -> States:
    """The robot is true; nothing else ever moves."""
    robots = truth.names("robot")
    return {name: real if name in robots else np.broadcast_to(truth.start[name], real.shape).copy()
            for name, real in truth.real.items()}


def hallucinated(truth: Truth) -> States:
    """True, but bystanders move along with the first manipulated thing."""
    leader = truth.names("object")[0]
    moves = truth.real[leader] - truth.start[leader]

    def along(real: ndarray) -> ndarray:
        shared = min(real.shape[-1], moves.shape[-1])
        return real + np.pad(moves[..., :shared], [(0, 0)] * 3 + [(0, real.shape[-1] - shared)])

    return {name: along(real) if name in truth.names("bystander") else real for name, real in truth.real.items()}


def swapped(truth: Truth) -> States:
    """True motion, but robot and object have changed identity (where they have as many channels)."""
    robot, thing = truth.names("robot")[0], truth.names("object")[0]
    width = min(truth.real[robot].shape[-1], truth.real[thing].shape[-1])
    moves = {name: real - truth.start[name] for name, real in truth.real.items()}
    made = {name: real.copy() for name, real in truth.real.items()}
    for one, other in ((robot, thing), (thing, robot)):
        made[one][..., :width] = (truth.start[one] + 0 * moves[one])[..., :width] + moves[other][..., :width]
    return made


def diverse(truth: Truth) -> States:
    """As different as can be for different actions, whatever they do: what a diversity score asks for."""
    return {name: truth.start[name] + truth.generator.normal(0, 3 * truth.scale(name), (*real.shape[:2], 1, real.shape[-1]))
            + 0 * real for name, real in truth.real.items()}


def late(truth: Truth, lag: int = 1) -> States:
    """True, but `lag` offsets late."""
    return {name: np.concatenate([np.broadcast_to(truth.start[name], real[:, :, :lag].shape), real[:, :, :-lag]], 2)
            if real.shape[2] > lag else np.broadcast_to(truth.start[name], real.shape).copy()
            for name, real in truth.real.items()}


def leaky(truth: Truth, width: int = 5) -> States:
    """Blurred over time in both directions: what happens later shows before."""
    def blurred(real: ndarray) -> ndarray:
        steps = np.arange(real.shape[2])
        near = (np.abs(steps[:, None] - steps) <= width // 2).astype(float)
        return np.einsum("st,cktd->cksd", near / near.sum(1, keepdims=True), real)

    return {name: blurred(real) for name, real in truth.real.items()}


def vanishing(truth: Truth) -> States:
    """True, but manipulated things vanish in the second half: they are far outside from one moment to the next."""
    def gone(real: ndarray) -> ndarray:
        made = real.copy()
        made[:, :, real.shape[2] // 2:] += 3 * (real.max((0, 1, 2)) - real.min((0, 1, 2)) + 1)
        return made

    return {name: gone(real) if name in truth.names("object") else real for name, real in truth.real.items()}


SABOTEURS: dict[str, Callable[[Truth], States]] = {
    "oracle": each(lambda real, start: real),
    "noise_0.1": partial(noisy, dose=0.1),
    "noise_0.3": partial(noisy, dose=0.3),
    "noise_1": partial(noisy, dose=1.0),
    "attenuated": each(lambda real, start: start + 0.5 * (real - start)),
    "exaggerated": each(lambda real, start: start + 2 * (real - start)),
    "wrong_direction": each(lambda real, start: 2 * start - real),
    "kinematic": kinematic,
    "frozen": each(lambda real, start: start),
    "action_blind": each(lambda real, start: real.mean(1, keepdims=True)),
    "success_prior": each(lambda real, start: real[:, :1]),
    "random": elsewhere,
    "shuffled": shuffled,
    "factual_only": factual_only,
    "hallucinated": hallucinated,
    "identity_swap": swapped,
    "diverse": diverse,
    "late": late,
    "leaky": leaky,
    "vanishing": vanishing,
    "time_reversed": each(lambda real, start: real[:, :, ::-1]),
}


def sabotage(name: str, effects: Effects, spec: TaskSpec, seed: int = 0) -> Effects:
    """The effects that this saboteur imagines, in place of those in `effects`; the ceiling is left out.

    Raises:
        UnknownName: with the nearest names.
    """
    if name not in SABOTEURS:
        raise UnknownName("saboteur", name, SABOTEURS)
    start = {key: value[:, None, None] for key, value in effects.start.items()}
    truth = Truth(spec, start, effects.real, np.random.default_rng(seed))
    return replace(effects, imagined=SABOTEURS[name](truth), ceiling=None)
