"""What every simulator must hold, checked on a live one. Run it on your own: `conformance.check(lambda: MyWorld())`."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from gymnasium.utils.env_checker import check_env
from numpy import ndarray

from ..errors import UnknownName, WamError
from .base import Modality, Observation, Simulator

Record = dict[str, ndarray]
"""everything one moment shows: observation, truth, reward, success, by name"""


class Nonconformance(WamError):
    """A simulator breaks its contract."""


def check(build: Callable[[], Simulator], steps: int = 12, before: int = 15) -> None:
    """Hold a simulator to its contract: Gymnasium's rules, seeds, exact states, actions, truth and pictures.

    Args:
        build: makes an instance; called twice.
        steps: length of the compared branches. before: control steps from the start to the saved moment; an expert
            takes them if there is one, so that something is in contact.

    Raises:
        Nonconformance: naming what does not hold.
    """
    one, other = build(), build()
    try:
        for part in (check_gymnasium, check_spec, check_actions, check_pictures):
            part(one)
        check_seeds(one, other)
        check_states(one, other, steps, before)
    finally:
        one.close()
        other.close()


def require(holds: bool, rule: str, simulator: Simulator, **found: Any) -> None:
    """Raises Nonconformance unless the rule holds."""
    if not holds:
        raise Nonconformance(f"{simulator.task_spec.task}: {rule}", where=type(simulator).__name__, **found)


def check_gymnasium(simulator: Simulator) -> None:
    """Gymnasium's own checker; its rendering check makes other instances and is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check_env(simulator, skip_render_check=True)
        except AssertionError as error:
            raise Nonconformance(f"{simulator.task_spec.task}: gymnasium's checker objects", got=error) from error


def check_spec(simulator: Simulator) -> None:
    """Observations and truth have the widths that the spec says."""
    spec = simulator.task_spec
    observation, _ = simulator.reset(seed=1)
    require(observation["state"].shape == (len(spec.state),), "the state's width is not the spec's", simulator,
            expected=spec.state, got=observation["state"].shape)
    require(tuple(observation["frames"]) == spec.cameras, "the cameras are not the spec's", simulator,
            expected=spec.cameras, got=tuple(observation["frames"]))
    truth = simulator.truth()
    require(tuple(truth) == tuple(e.name for e in spec.entities), "truth() reports other entities than the spec", simulator,
            expected=[e.name for e in spec.entities], got=list(truth))
    for entity in spec.entities:
        value = truth[entity.name]
        require(value.shape == (len(entity.channels),) == (len(entity.units),) and value.dtype == np.float64,
                f"truth of {entity.name} is not float64 of the spec's width", simulator, expected=entity.channels,
                got=f"{value.dtype} {value.shape}")


def check_actions(simulator: Simulator) -> None:
    """What is no action raises ValueError and changes nothing."""
    low, high = np.array(simulator.task_spec.action.low), np.array(simulator.task_spec.action.high)
    simulator.reset(seed=1)
    before = _moment(simulator, simulator.observe())
    wrong = {"too wide": np.zeros(len(low) + 1), "not finite": np.full(len(low), np.nan),
             "infinite": np.full(len(low), np.inf), "beyond the limit": high + 1e-3 * (high - low)}
    for name, action in wrong.items():
        try:
            simulator.step(action)
        except ValueError:
            continue
        require(False, f"an action that is {name} is accepted", simulator, expected="ValueError", got=action)
    require(not differing(before, _moment(simulator, simulator.observe())), "a refused action changed the world", simulator)


def check_pictures(simulator: Simulator) -> None:
    """Three modalities at any size; unknown cameras are refused; `renders = False` changes nothing but the frames."""
    simulator.reset(seed=1)
    entities = len(simulator.task_spec.entities)
    kinds: dict[Modality, tuple[type, tuple[int, ...]]] = {
        "rgb": (np.uint8, (48, 40, 3)), "depth": (np.float32, (48, 40)), "segmentation": (np.int32, (48, 40))}
    for modality, (kind, shape) in kinds.items():
        picture = simulator.render_camera(size=(48, 40), modality=modality)
        require(picture.dtype == kind and picture.shape == shape, f"{modality} is not {kind.__name__} {shape}", simulator,
                got=f"{picture.dtype} {picture.shape}")
    require(bool(((picture >= -1) & (picture < entities)).all()), "segmentation shows an entity that is not there", simulator)
    seen = simulator.observe()
    for name, frame in seen["frames"].items():
        require(np.array_equal(frame, simulator.render_camera(name)), "the frame is not the camera's picture", simulator,
                got=name)
    was = simulator.renders
    simulator.renders = False
    dark = simulator.observe()
    simulator.renders = was
    require(all(not frame.any() for frame in dark["frames"].values()), "frames without rendering are not black", simulator)
    require(np.array_equal(dark["state"], seen["state"]), "the state depends on rendering", simulator)
    try:
        simulator.render_camera("no such camera")
    except UnknownName:
        return
    require(False, "an unknown camera is accepted", simulator, expected="UnknownName")


def check_seeds(one: Simulator, other: Simulator) -> None:
    """A seed is a scene, whatever was there before, in any instance."""
    scenes = [_scene(one, seed) for seed in (3, 4, 3)]
    require(bool(differing(scenes[0], scenes[1])), "two seeds give the same scene", one)
    for rule, later in (("after another scene", scenes[2]), ("in another instance", _scene(other, 3))):
        require(not differing(scenes[0], later), f"a seed gives another scene {rule}", one, got=differing(scenes[0], later))


def check_states(one: Simulator, other: Simulator, steps: int, before: int) -> None:
    """Two loads of one state and the same actions are identical to the bit: in any order, any instance, after a pickle."""
    generator = np.random.default_rng(0)
    low, high = np.array(one.task_spec.action.low), np.array(one.task_spec.action.high)
    branches = [generator.uniform(low, high, (steps, len(low))).astype(np.float32) for _ in range(2)]
    one.reset(seed=5)
    expert = one.expert()
    for moment in (0, before):
        for _ in range(moment):
            one.step(generator.uniform(low, high).astype(np.float32) if expert is None else expert())
        state = pickle.loads(pickle.dumps(one.save_state()))
        now = [_moment(one, one.observe())]
        straight = now + _follow(one, branches[0])
        tried = {
            "a second branch": (_branch(one, state, branches[1]), None),
            "the first branch again": (_branch(one, state, branches[0]), straight),
            "another instance": (_branch(other, state, branches[0]), straight),
        }
        tried["the second branch in another instance"] = (_branch(other, state, branches[1]), tried["a second branch"][0])
        for name, (found, wanted) in tried.items():
            for step, (a, b) in enumerate(zip(found, wanted or found, strict=True)):
                require(not differing(a, b), f"a restored state goes another way: {name}, {step} steps after step {moment}",
                        one, expected="identical to the bit", got=differing(a, b))
        one.load_state(state)


def differing(one: Record, other: Record) -> list[str]:
    """What two records do not have in common, with the largest difference."""
    return [f"{name} by {np.abs(one[name].astype(float) - other[name].astype(float)).max():.3g}" for name in one
            if not np.array_equal(one[name], other[name])]


def _moment(simulator: Simulator, observation: Observation, reward: float = 0.0, success: bool = False) -> Record:
    record = {f"frames/{name}": frame for name, frame in observation["frames"].items()}
    record |= {f"truth/{name}": value for name, value in simulator.truth().items()}
    return record | {"state": observation["state"], "reward": np.array(reward), "success": np.array(success)}


def _scene(simulator: Simulator, seed: int) -> Record:
    return _moment(simulator, simulator.reset(seed=seed)[0])


def _follow(simulator: Simulator, actions: Iterable[ndarray]) -> list[Record]:
    found = []
    for action in actions:
        observation, reward, _, _, info = simulator.step(action)
        found.append(_moment(simulator, observation, float(reward), info["success"]))
    return found


def _branch(simulator: Simulator, state: Any, actions: Iterable[ndarray]) -> list[Record]:
    return [_moment(simulator, simulator.load_state(state)), *_follow(simulator, actions)]
