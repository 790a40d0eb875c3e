"""What is particular to Meta-World and to drawing it: starts, success, states that are not enough, renderers."""

from __future__ import annotations

import numpy as np
import pytest

from wamlab.simulators import backend, conformance, make
from wamlab.simulators.backend import mujoco
from wamlab.simulators.conformance import Nonconformance
from wamlab.simulators.decimation import cluster_faces, decimated
from wamlab.simulators.metaworld import MARKERLESS, MetaWorld
from wamlab.simulators.metaworld_instructions import INSTRUCTIONS
from wamlab.simulators.metaworld_world import HAND_RANGE, TASKS, World
from wamlab.simulators.raycast import RaycastRenderer
from wamlab.simulators.rendering import OpenGLRenderer, open_renderer

pytestmark = pytest.mark.sim
needs_opengl = pytest.mark.skipif(backend.BACKEND == "raycast", reason="compares with OpenGL")


def test_every_task_has_its_instruction():
    assert set(INSTRUCTIONS) == set(TASKS) and len(TASKS) == 50
    assert len(set(INSTRUCTIONS.values())) == 50


@pytest.mark.parametrize("task", ["push", "drawer-open"])
def test_hand_and_object_start_elsewhere_in_each_scene(task: str):
    world = make(f"metaworld/{task}", renders=False)
    starts = []
    for seed in range(12):
        world.reset(seed=seed)
        starts.append(np.concatenate([world.truth()["robot"][:3], world.truth()["object"]]))
    spread = np.ptp(starts, axis=0)
    wanted = np.ptp(HAND_RANGE, axis=1)
    assert (spread[:3] > 0.5 * wanted).all() and (spread[:3] < 1.3 * wanted).all()
    assert spread[3] > 0.1
    fixed = make(f"metaworld/{task}", renders=False, vary_start=False)
    hands = [fixed.reset(seed=seed)[0]["state"][:3] for seed in range(3)]
    assert np.ptp(hands, axis=0).max() < 1e-3


def test_the_state_says_nothing_of_object_and_goal():
    world = make("metaworld/push", renders=False, vary_start=False)
    states = [world.reset(seed=seed)[0]["state"] for seed in (1, 2)]
    places = [world.reset(seed=seed) and world.truth() for seed in (1, 2)]
    assert np.abs(places[0]["object"] - places[1]["object"]).max() > 0.01
    np.testing.assert_allclose(states[0], states[1], atol=1e-4)


@pytest.mark.parametrize("task", ["drawer-open", "button-press-topdown", "plate-slide", "push"])
def test_experts_move_the_object_to_success(task: str):
    world = make(f"metaworld/{task}", renders=False)
    for seed in (0, 1):
        world.reset(seed=seed)
        before, act = world.truth()["object"], world.expert()
        assert any(world.step(act())[4]["success"] for _ in range(60))
        assert np.linalg.norm(world.truth()["object"] - before) > 0.04


def test_success_at_a_native_step_counts_for_the_control_step():
    """At the control rate, the first success comes no later than the native one and is not missed."""
    slow, fast = (make("metaworld/handle-press", renders=False, action_repeat=repeat) for repeat in (4, 1))
    slow.reset(seed=2)
    fast.reset(seed=2)
    act, native, control = slow.expert(), [], []
    for _ in range(30):
        action = act()
        control.append(slow.step(action)[4]["success"])
        native.append([fast.step(action)[4]["success"] for _ in range(4)])
    assert control == [any(four) for four in native] and any(control)
    assert any(any(four) and not four[-1] for four in native) or all(four[-1] for four in native if any(four))


def test_an_episode_is_cut_at_its_length():
    world = make("metaworld/reach", renders=False, max_steps=3)
    world.reset(seed=0)
    flags = [world.step(np.zeros(4, np.float32)) for _ in range(4)]
    assert [step[3] for step in flags] == [False, False, True, True] and not any(step[2] for step in flags)
    world.reset(seed=0)
    assert not world.step(np.zeros(4, np.float32))[3]


class OnlyPositionsAndVelocities(World):
    """What Meta-World's own get_env_state keeps."""

    def load(self, state):
        super().load(state)
        qpos, qvel = self.data.qpos.copy(), self.data.qvel.copy()
        mujoco.mj_resetData(self.model, self.data)
        self.env.set_env_state((qpos, qvel))


class CutsAliases(World):
    """Copies what is a view into MuJoCo's data."""

    def _find_aliases(self):
        return frozenset()


class MetaWorldWithout(MetaWorld):
    kind: type[World]

    def __init__(self, task: str):
        super().__init__(task)
        self.world.__class__ = self.kind
        self.world.reset(0)


@pytest.mark.parametrize(("kind", "task"), [(OnlyPositionsAndVelocities, "push"), (CutsAliases, "door-lock")])
def test_less_than_the_whole_state_is_caught(kind: type[World], task: str):
    with pytest.raises(Nonconformance, match="restored"):
        broken = type("Broken", (MetaWorldWithout,), {"kind": kind})
        conformance.check_states(broken(task), broken(task), steps=12, before=25)


def test_the_goal_is_in_the_frames_where_the_spec_says_so():
    for task in ("push", "reach", "coffee-push", "plate-slide-back", "stick-pull"):
        world = make(f"metaworld/{task}", renders=False, size=(128, 128))
        assert world.task_spec.goal_visible == "in the frames" and task not in MARKERLESS
        goal = len(world.task_spec.entities) - 1
        seen = [world.reset(seed=seed) and (world.render_camera(modality="segmentation") == goal).any() for seed in range(4)]
        assert sum(seen) >= 3  # the arm may stand before it
        world.close()


@pytest.mark.parametrize("task", ["drawer-open", "door-lock", "shelf-place", "hammer"])
def test_the_object_is_seen(task: str):
    world = make(f"metaworld/{task}", renders=False)
    pixels = []
    for seed in range(4):
        world.reset(seed=seed)
        pixels.append(int((world.render_camera(modality="segmentation") == 1).sum()))
    world.close()
    assert np.median(pixels) >= 15


@needs_opengl
@pytest.mark.parametrize("camera", ["main", "corner2"])
def test_ray_casting_sees_what_opengl_sees(camera: str):
    world = make("metaworld/drawer-open", renders=False)
    world.reset(seed=1)
    opengl = [world.render_camera(camera, modality=kind) for kind in ("depth", "segmentation", "rgb")]
    world._renderer.close()
    world._renderer = RaycastRenderer(world.world.model)
    rays = [world.render_camera(camera, modality=kind) for kind in ("depth", "segmentation", "rgb")]
    assert np.median(np.abs(opengl[0] - rays[0])) < 0.002
    assert (opengl[1] == rays[1]).mean() > 0.97
    # another light and no textures, but the same picture
    assert np.corrcoef(opengl[2].ravel(), rays[2].ravel())[0, 1] > 0.6
    world.close()


@needs_opengl
def test_many_renderers_in_one_process_do_not_disturb_each_other():
    worlds = [make(f"metaworld/{task}") for task in ("push", "drawer-open", "hammer")]
    alone = [world.reset(seed=1)[0]["frames"]["main"] for world in worlds]
    for world in worlds:  # sizes change in between
        world.render_camera(size=(96, 80))
    assert all(np.array_equal(world.observe()["frames"]["main"], frame) for world, frame in zip(worlds, alone, strict=True))
    worlds[0].close()
    fresh = make("metaworld/push")
    assert np.array_equal(fresh.reset(seed=1)[0]["frames"]["main"], alone[0])
    worlds[1].close()
    assert np.array_equal(worlds[2].observe()["frames"]["main"], alone[2])
    assert np.array_equal(fresh.observe()["frames"]["main"], alone[0])
    worlds[2].close()
    fresh.close()
    fresh.close()


@needs_opengl
def test_decimation_hardly_changes_the_picture_and_not_the_model():
    world = make("metaworld/push", renders=False)
    world.reset(seed=0)
    model = world.world.model
    before = model.mesh_face.copy()
    small = decimated(model)
    assert small.mesh_facenum.sum() < 0.3 * model.mesh_facenum.sum()
    assert np.array_equal(model.mesh_face, before)
    with OpenGLRenderer(model, cell=None) as full, open_renderer(model) as light, OpenGLRenderer(model, cell=0.03) as coarse:
        pictures = []
        for renderer in (full, light, coarse):
            renderer.update(world.world.data, world._main)
            pictures.append(renderer.rgb((64, 64)).astype(int))
    assert np.abs(pictures[0] - pictures[1]).mean() < 0.8
    assert np.abs(pictures[0] - pictures[2]).mean() > 1.0  # a coarser grid is seen


def test_clustering_drops_small_faces_and_keeps_large_ones():
    vertices = np.array([[0, 0, 0], [0.001, 0, 0], [0, 0.001, 0], [1, 0, 0], [0, 1, 0]], float)
    faces = np.array([[0, 1, 2], [0, 3, 4], [1, 3, 4]])
    kept, moved = cluster_faces(vertices, faces, 0.01)
    assert kept.tolist() == [1]  # the first has no area left, the third is the second again
    assert sorted(moved[0, 1:].tolist()) == [3, 4] and moved[0, 0] in (0, 1, 2)


def test_depth_is_in_metres():
    """The distance to the puck along the optical axis follows from the camera's place."""
    world = make("metaworld/push", renders=False)
    world.reset(seed=0)
    depth, label = (world.render_camera(size=(128, 128), modality=kind) for kind in ("depth", "segmentation"))
    view = world._renderer.scene.camera
    eye = (np.array(view[0].pos) + np.array(view[1].pos)) / 2
    along = (world.truth()["object"] - eye) @ np.array(view[0].forward)
    assert abs(float(np.median(depth[label == 1])) - along) < 0.03
    world.close()


@pytest.mark.parametrize("task", ["push", "drawer-open", "door-lock", "stick-push"])
def test_physics_and_reward_are_the_packages_own(task: str):
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    world = World(task, vary_start=False)
    world.reset(4)  # another scene before: it must leave nothing behind
    world.reset(7)
    env = ALL_V3_ENVIRONMENTS[f"{task}-v3"]()
    env._freeze_rand_vec, env.seeded_rand_vec, env._set_task_called, env._partially_observable = False, True, True, False
    env.__dict__.pop("sawyer_observation_space")
    env.seed(7)
    env.reset()
    mujoco.mj_forward(env.model, env.data)  # the one thing that is done differently: tasks move bodies after the last one
    for action in np.random.default_rng(0).uniform(-1, 1, (10, 4)).repeat(4, 0):
        reward, success = world.step(action)
        _, wanted, _, _, info = env.step(action)
        assert np.array_equal(world.data.qpos, env.data.qpos)
        assert reward == wanted and success == bool(info["success"])
