"""PushWorld follows its law, and neither a blind nor a replaying player solves it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wamlab.simulators import make
from wamlab.simulators.pushworld_law import DISC, GOAL, STEP, TIP, WALL, advance, pushed

unit = st.floats(0, 1, allow_nan=False)
place = st.tuples(unit, unit).map(np.array)


def test_a_head_on_push_moves_the_disc_by_the_penetration():
    places = np.array([[0.2, 0.5], [0.2 + TIP + DISC + 0.01, 0.5], [0.9, 0.9], [0.5, 0.5]])
    after = advance(places, np.array([STEP, 0.0]), None)
    np.testing.assert_allclose(after[1] - places[1], [STEP - 0.01, 0], atol=1e-12)
    np.testing.assert_allclose(after[2:], places[2:])


def test_an_oblique_push_moves_the_disc_along_the_line_of_centres():
    line = np.array([0.8, 0.6])
    after = pushed(0.4 * line + line * (TIP + DISC - 0.02), 0.4 * line, TIP + DISC)
    np.testing.assert_allclose(after, 0.4 * line + line * (TIP + DISC), atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(place, place, st.floats(0.01, 0.3))
def test_pushed_ends_apart_and_moves_only_what_touches(thing, by, touching):
    after = pushed(thing, by, touching)
    distance = np.linalg.norm(thing - by)
    if distance >= touching:
        assert np.array_equal(after, thing)
    else:
        assert np.linalg.norm(after - by) == pytest.approx(touching, abs=1e-9)
        assert np.linalg.norm(after - thing) == pytest.approx(touching - distance, abs=1e-7)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.integers(0, 2**31))
def test_nothing_leaves_the_table_or_enters_the_wall(scene, wall, seed):
    world = make("pushworld", wall=wall, renders=False)
    world.reset(seed=scene)
    for action in np.random.default_rng(seed).uniform(-1, 1, (6, 2)).repeat(8, 0):
        world.step(action)
        truth = world.truth()
        for name, radius in (("robot", TIP), ("object", DISC), ("bystander", DISC)):
            x, y = truth[name]
            assert radius - 1e-9 <= x <= 1 - radius + 1e-9 and radius - 1e-9 <= y <= 1 - radius + 1e-9
            if wall:
                inside = WALL[0] - radius + 1e-9 < x < WALL[2] + radius - 1e-9 and y < WALL[3] + radius - 1e-9
                assert not inside


@pytest.mark.parametrize("options", [{}, {"wall": True}, {"bystander": False}])
def test_the_expert_solves_it_and_leaves_the_bystander_alone(options: dict):
    world = make("pushworld", renders=False, **options)
    solved, stood = [], []
    for scene in range(60):
        world.reset(seed=scene)
        before, act = world.truth()["bystander"], world.expert()
        solved.append(any(world.step(act())[4]["success"] for _ in range(60)))
        stood.append(np.linalg.norm(world.truth()["bystander"] - before) < 0.01)
    assert np.mean(solved) >= 0.97
    assert np.mean(stood) >= 0.95


def test_the_expert_holds_what_it_reached():
    world = make("pushworld", renders=False)
    world.reset(seed=0)
    act = world.expert()
    flags = [world.step(act())[4]["success"] for _ in range(70)]
    assert all(flags[flags.index(True):])


def test_success_is_the_distance_of_disc_and_marker():
    world = make("pushworld", renders=False)
    for scene in range(5):
        world.reset(seed=scene)
        for _ in range(40):
            success = world.step(world.expert()())[4]["success"]
            truth = world.truth()
            assert success == (np.linalg.norm(truth["object"] - truth["goal"]) <= GOAL)


def test_pictures_show_where_things_are():
    world = make("pushworld")
    world.reset(seed=4)
    picture, number = world.render_camera(size=(64, 64)), world.render_camera(size=(64, 64), modality="segmentation")
    for index, name in enumerate(("robot", "object", "bystander")):
        rows, columns = np.nonzero(number == index)
        centre = np.array([(columns.mean() + 0.5) / 64, 1 - (rows.mean() + 0.5) / 64])
        np.testing.assert_allclose(centre, world.truth()[name], atol=0.02)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 5


def test_it_is_fast():
    """CPU time: at least 1,000 control steps a second without pictures (measured: about 10,000)."""
    import time

    world = make("pushworld", renders=False)
    action = np.array([0.3, -0.2])
    begin = time.process_time()
    for _ in range(500):
        world.step(action)
    assert time.process_time() - begin < 0.5
