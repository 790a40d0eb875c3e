"""What an affordance says is done again; what another one says is not."""

from dataclasses import replace

import numpy as np
import pytest

from wamlab.control.affordance import affordances, affordances_seen, displacement
from wamlab.control.collect import demonstrate
from wamlab.control.performing import perform, speeds
from wamlab.errors import DataError
from wamlab.labels.quality.affordances import round_trips
from wamlab.simulators import make


@pytest.fixture(scope="module")
def world():
    return make("pushworld", renders=False)


@pytest.fixture(scope="module")
def shown(world):
    return [demonstrate(world, "expert", 7, index, ("segmentation",)) for index in range(8)]


def test_the_controller_knows_how_fast_the_hand_is(world):
    world.reset(seed=3)
    before = world.truth()
    assert speeds(world) == pytest.approx([0.04, 0.04])
    assert all((world.truth()[name] == value).all() for name, value in before.items())


def test_contact_is_where_the_tip_touches_the_disc(world, shown):
    for episode in shown:
        (one,) = affordances(episode, world.task_spec, "object")[:1]
        gap = np.linalg.norm(one.contact - episode.truth["object"][one.start])
        assert gap == pytest.approx(0.1, abs=0.02)  # the radii of both
        assert displacement(episode.truth, one, world.task_spec) == pytest.approx(
            episode.truth["object"][one.stop] - episode.truth["object"][0])
        still = affordances(episode, world.task_spec, "bystander")
        assert len(still) == (np.ptp(episode.truth["bystander"], axis=0) > 0.03).any()
        (seen,) = affordances_seen(episode, world.task_spec, "object")[:1]
        assert abs(seen.start - one.start) <= 3 and np.linalg.norm(seen.contact - one.contact) < 0.08
        row, column = seen.pixel
        assert np.hypot((column + 0.5) / 64 - seen.contact[0], 1 - (row + 0.5) / 64 - seen.contact[1]) < 0.12


def test_a_cut_path_pushes_less_far(world, shown):
    (one,) = affordances(shown[2], world.task_spec, "object")[:1]
    ways = []
    for places in (3, 8):
        world.reset(seed=shown[2].meta["scene"])
        done = perform(world, one.cut(places))
        ways.append(done.truth["object"][-1] - done.truth["object"][0])
        assert ways[-1] == pytest.approx(displacement(shown[2].truth, one.cut(places), world.task_spec), abs=0.05)
    assert np.linalg.norm(ways[0]) < 0.6 * np.linalg.norm(ways[1])
    with pytest.raises(DataError, match="does not report"):
        affordances(replace(shown[2], truth={}), world.task_spec, "object")
    with pytest.raises(DataError, match="no segmentation"):
        affordances_seen(replace(shown[2], modalities={}), world.task_spec, "object")


def test_round_trips_in_pushworld(world, shown):
    scores = {(s.model, s.metric.split(".")[1]): s.value for s in round_trips(world, shown, "object")}
    assert scores["truth", "contact"] == 1 and scores["truth", "correlation"] > 0.9 and scores["truth", "error"] < 0.3
    assert scores["seen", "correlation"] > 0.8 and scores["elsewhere", "correlation"] > 0.6
    assert scores["control/exchanged", "contact"] < 0.3 and scores["control/exchanged", "error"] > 0.9
    assert scores["control/still", "error"] == 1 and scores["control/still", "contact"] == 0
    with pytest.raises(DataError, match="too few motions"):
        round_trips(world, shown[:2], "object")


@pytest.mark.sim
def test_a_drawer_is_opened_by_what_was_seen():
    drawer = make("metaworld/drawer-open", renders=False)
    try:
        shown = demonstrate(drawer, "expert", 7, 1)
        (one,) = affordances(shown, drawer.task_spec, "object")
        assert one.rest == pytest.approx([-1])  # the gripper stays open
        drawer.reset(seed=shown.meta["scene"])
        done = perform(drawer, one)
        moved = done.truth["object"][-1] - done.truth["object"][0]
        assert moved == pytest.approx(displacement(shown.truth, one, drawer.task_spec), abs=0.03)
        (again,) = affordances(done, drawer.task_spec, "object")[:1]
        assert np.linalg.norm(again.contact - one.contact) < 0.03
    finally:
        drawer.close()
