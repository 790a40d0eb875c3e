"""The physics scenes are simulators like any other, and obey the laws that they are there for."""

from __future__ import annotations

import numpy as np
import pytest

from wamlab.errors import SpecError, UnknownName
from wamlab.simulators import conformance, make
from wamlab.simulators.physics import HZ, PhysicsWorld
from wamlab.simulators.physics_scenes import GRAVITY, RADIUS, SCENES

pytestmark = pytest.mark.sim


@pytest.mark.parametrize("name", SCENES)
def test_contract(name):
    conformance.check(lambda: make(f"physics/{name}"))


def played(world: PhysicsWorld, seed: int, steps: int = 60):
    """Truth per entity [T + 1, D] and whether success was ever reached, as the expert does it; nothing is drawn."""
    world.renders = False
    world.reset(seed=seed)
    expert = world.expert()
    truth, success = [world.truth()], False
    for _ in range(steps):
        success |= world.step(expert())[4]["success"]
        truth.append(world.truth())
    return {name: np.stack([one[name] for one in truth]) for name in truth[0]}, success


@pytest.fixture(params=SCENES)
def world(request):
    made = make(f"physics/{request.param}")
    yield made
    made.close()


def test_experts_succeed_and_starts_do_not(world):
    assert all(played(world, seed)[1] for seed in range(10))
    world.reset(seed=1)
    held = np.array([0, 0, 1], np.float32)
    assert not any(world.step(held)[4]["success"] for _ in range(20))


def test_things_are_seen_where_they_are(world):
    for seed in (0, 1):
        world.reset(seed=seed)
        seen = world.render_camera(size=(128, 128), modality="segmentation")
        for number, entity in enumerate(world.task_spec.entities):
            rows, columns = np.nonzero(seen == number)
            x, z = world.truth()[entity.name][:2]
            assert len(rows) > 4, entity.name
            if entity.group != "robot":  # a fork is high; 0.66 m over 128 pixels
                assert abs(columns.mean() - (64 + x * 128 / 0.66)) < 8 and abs(rows.mean() - (64 - (z - 0.21) * 128 / 0.66)) < 8


def test_free_fall_is_exact():
    world = make("physics/drop")
    path, _ = played(world, 2)
    falls = np.flatnonzero((path["robot"][:, 2] == 0) & (path["ball"][:, 1] > RADIUS + 0.02))[2:]
    assert len(falls) >= 5
    second = np.diff(path["ball"][falls, 1], 2) * HZ**2
    assert second == pytest.approx(-GRAVITY, rel=1e-6)
    held = path["robot"][:, 2] == 1
    assert np.abs(path["robot"][held, 1] - path["ball"][held, 1] - 0.05).max() < 0.002


def test_a_ball_on_the_ramp_rolls_with_five_sevenths_of_the_pull():
    world = make("physics/ramp")
    for seed in range(4):
        path, _ = played(world, seed, 20)
        foot, tilt = world._start["ramp"]
        down = -np.array([np.sign(tilt) * np.cos(tilt), abs(np.sin(tilt))])
        along = path["ball"] @ down
        off = (path["ball"] - [foot, 0]) @ np.array([-np.sin(tilt), np.cos(tilt)])
        rolls = np.flatnonzero((np.abs(off - RADIUS) < 0.001) & (path["ball"][:, 1] > 0.07)
                               & (np.hypot(*(path["robot"][:, :2] - path["ball"]).T) > 0.06))
        assert len(rolls) >= 4
        pull = np.diff(along[rolls], 2)[np.diff(rolls, 2) == 0] * HZ**2
        assert np.median(pull) == pytest.approx(5 / 7 * GRAVITY * abs(np.sin(tilt)), rel=0.03)


def test_a_collision_hands_the_momentum_on():
    world = make("physics/collision")
    for seed in range(4):
        path, _ = played(world, seed, 24)
        speed = {name: np.diff(path[name][:, 0]) * HZ for name in ("ball", "cue")}
        gap = np.abs(path["ball"][:, 0] - path["cue"][:, 0]) - 2 * RADIUS
        assert gap.min() > -0.008
        hit = int(gap.argmin())
        assert np.abs(speed["ball"][:hit - 2]).max() < 1e-9  # nothing moves before it is touched
        before, after = speed["cue"][hit - 3], speed["ball"][hit + 2]
        assert after == pytest.approx(before, rel=0.1) and abs(before) > 0.3


@pytest.mark.parametrize("name", ["friction", "mass"])
def test_twins_answer_in_order(name):
    world = make(f"physics/{name}")
    more, less = SCENES[name].twins
    heights = set()
    for seed in range(8):
        path, _ = played(world, seed, 30 if name == "friction" else 12)  # balls come back from the end stops
        way = {twin: np.abs(path[twin][:, 0] - path[twin][0, 0]).max() for twin in (more, less)}
        assert way[more] > 1.2 * way[less] and way[less] > 0.01
        heights.add(path[more][0, 1] > path[less][0, 1])
    assert heights == {True, False}  # the place does not give it away


def test_behind_the_screen_nothing_changes():
    world = make("physics/occlusion")
    path, _ = played(world, 0, 22)
    world.reset(seed=0)
    screen = world._start["screen"][0]
    behind = np.abs(path["ball"][:, 0] - screen) < 0.04
    assert behind.sum() >= 3 and np.ptp(np.diff(path["ball"][behind, 0])) < 1e-9
    expert, ball, area = world.expert(), 1, []
    for _ in range(22):
        world.step(expert())
        area.append((world.render_camera(modality="segmentation") == ball).sum())
    assert min(area) == 0 and area[-1] > 10


def test_unknown_scenes_and_foreign_states_are_refused():
    with pytest.raises(UnknownName, match="physics/friction"):
        make("physics/frictions")
    with pytest.raises(UnknownName, match="physics/drop"):
        PhysicsWorld("dropp")
    one, other = make("physics/drop"), make("physics/ramp")
    with pytest.raises(SpecError, match="another task"):
        other.load_state(one.save_state())
    with pytest.raises(UnknownName, match="main"):
        one.render_camera("side")
