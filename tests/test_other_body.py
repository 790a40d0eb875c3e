"""Another body in the same world, and rollouts of which only the pictures are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wamlab.control.collect import collect
from wamlab.errors import DataError, UnknownName
from wamlab.simulators import make
from wamlab.simulators.conformance import check as conforms
from wamlab.simulators.pushworld_law import DISC, HAND, TIP
from wamlab.spec import check


def solved(task: str, scenes: int) -> int:
    simulator, count = make(task, renders=False), 0
    for scene in range(scenes):
        simulator.reset(seed=scene)
        expert, done = simulator.expert(), False
        for _ in range(simulator.task_spec.max_steps):
            done = simulator.step(expert())[4]["success"]
            if done:
                break
        count += done
    return count


def test_another_body_pushes_in_the_same_world():
    own, other = make("pushworld"), make("other-body/pushworld")
    check(other.task_spec, own.task_spec, ignore=())
    one, two = (simulator.reset(seed=3)[0]["frames"]["main"].astype(int) for simulator in (own, other))
    differs = np.abs(one - two).max(-1) > 12
    body = (own.render_camera(modality="segmentation") == 0) | (other.render_camera(modality="segmentation") == 0)
    assert differs.sum() > 40 and (differs & ~body).sum() < 0.35 * differs.sum(), "scenes differ by the body (and its edge)"
    assert solved("other-body/pushworld", 25) >= 23
    conforms(lambda: make("other-body/pushworld"))


def test_the_hand_is_larger_in_its_physics_too():
    for task, radius in (("pushworld", TIP), ("other-body/pushworld", HAND)):
        simulator = make(task)
        state = simulator.save_state()
        places = np.array([[0.5, 0.5], [0.5 + TIP + DISC + 0.04, 0.5], [0.1, 0.1], [0.9, 0.9]])
        simulator.load_state(replace(state, places=places))
        for _ in range(2):
            simulator.step(np.array([0.5, 0.0], np.float32))
        moved = simulator.truth()["object"][0] - places[1, 0]
        assert moved == pytest.approx(max(0.0, 0.04 + radius - TIP - 0.04), abs=1e-9)


def test_worlds_without_another_body_say_so():
    for name in ("other-body/physics/drop", "other-body/nowhere", "other-body/other-body/pushworld"):
        with pytest.raises(UnknownName, match="other-body/pushworld"):
            make(name)


def test_a_collected_video_keeps_what_the_camera_saw(tmp_path):
    plain = collect("pushworld", 3, tmp_path / "plain", kind="mixed", workers=1)
    video = collect("pushworld", 3, tmp_path / "video", kind="mixed", video=True, workers=1)
    for index in range(3):
        one, two = plain[index], video[index]
        assert np.array_equal(one.frames["main"], two.frames["main"]) and np.array_equal(one.success, two.success)
        assert one.action.any() and one.complete and not two.complete
        assert not two.action.any() and not two.state.any() and not two.has_action.any() and not two.has_state
    with pytest.raises(DataError, match="another provenance"):
        collect("pushworld", 4, tmp_path / "plain", kind="mixed", video=True, workers=1)
    assert "video" not in plain.provenance and video.provenance["video"] is True


@pytest.mark.sim
def test_an_arm_of_another_colour_moves_the_same():
    own, other = make("metaworld/drawer-open"), make("other-body/metaworld/drawer-open")
    try:
        check(other.task_spec, own.task_spec, ignore=())
        for scene in (0, 5):
            one, two = (simulator.reset(seed=scene)[0] for simulator in (own, other))
            actions = np.random.default_rng(scene).uniform(-1, 1, (6, 4)).astype(np.float32)
            state = other.save_state()
            for action in actions:
                one, two = own.step(action)[0], other.step(action)[0]
            assert all(np.array_equal(own.truth()[name], other.truth()[name]) for name in own.truth())
            for shown in (two, None):
                if shown is None:  # a restored state has the same colour
                    other.load_state(state)
                    for action in actions:
                        shown = other.step(action)[0]
                differs = np.abs(one["frames"]["main"].astype(int) - shown["frames"]["main"]).max(-1) > 12
                robot = own.render_camera(modality="segmentation") == 0
                assert differs[robot].mean() > 0.8 and differs[~robot].mean() < 0.1
    finally:
        own.close()
        other.close()
