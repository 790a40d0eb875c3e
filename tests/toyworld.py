"""The toy of the reference: a gripper, a block and a distractor in the plane; quasi-static pushing; 9 actions a context."""

import numpy as np

from wamlab.evaluate.metrics import Effects
from wamlab.spec import ActionSpec, EntitySpec, TaskSpec

ENTITIES = tuple(EntitySpec(name, group, ("x", "y"), ("m", "m"), 0.01)
                 for name, group in (("gripper", "robot"), ("block", "object"), ("distractor", "bystander")))
SPEC = TaskSpec("toy", "push the block", ("main",), (32, 32), ("x", "y"),
                ActionSpec(("x", "y"), (-0.04, -0.04), (0.04, 0.04), ("m/step", "m/step")), ENTITIES, 10.0, 40)
RADIUS, STEPS = 0.08, 12
KINDS = ("factual", "null", "dose 0.33", "dose 0.67", "dose 1.33", "turn +90", "turn -90", "reverse", "turn +17")
_SPEEDS = np.array([0.03, 0, 0.01, 0.02, 0.04, 0.03, 0.03, 0.03, 0.03])
_ANGLES = np.array([0, 0, 0, 0, 0, np.pi / 2, -np.pi / 2, np.pi, 0.3])


def push(gripper, thing):
    """A thing is pushed out of the gripper's radius along the line between them."""
    gap = thing - gripper
    distance = np.linalg.norm(gap, axis=-1, keepdims=True)
    return np.where(distance < RADIUS, gripper + gap / np.maximum(distance, 1e-9) * RADIUS, thing)


def effects(contexts=80, seed=0, late=False):
    """True futures of 9 constant actions from each context, with `late` also of two that equal the first for half the time;
    `imagined` is the truth."""
    generator = np.random.default_rng(seed)
    block = generator.uniform(0.3, 0.7, (contexts, 2))
    approach = generator.uniform(0, 2 * np.pi, contexts)
    gripper = block - 0.13 * np.stack([np.cos(approach), np.sin(approach)], -1)
    away = approach + generator.uniform(-1, 1, contexts) * 0.3 + np.pi / 2
    distractor = block + 0.35 * np.stack([np.cos(away), np.sin(away)], -1)
    heading = approach[:, None] + _ANGLES
    velocity = _SPEEDS[None, :, None] * np.stack([np.cos(heading), np.sin(heading)], -1)
    start = {"gripper": gripper, "block": block, "distractor": distractor}
    kinds = (*KINDS, "late stop", "late turn") if late else KINDS
    velocity = velocity[:, [*range(len(KINDS)), 0, 0][:len(kinds)]]
    now = {name: np.repeat(value[:, None], len(kinds), 1) for name, value in start.items()}
    steps = {name: [] for name in now}
    for step in range(STEPS):
        if late and step == STEPS // 2:
            velocity[:, -2:] = np.stack([0 * velocity[:, 0], velocity[:, KINDS.index("turn +90")]], 1)
        now["gripper"] = now["gripper"] + velocity
        for name in ("block", "distractor"):
            now[name] = push(now["gripper"], now[name])
        for name, value in now.items():
            steps[name].append(value)
    real = {name: np.stack(values, 2) for name, values in steps.items()}
    strata = tuple("near" if c % 2 else "free" for c in range(contexts))
    return Effects(start, real, real, tuple(range(1, STEPS + 1)), kinds, strata, onset=STEPS // 2)
