"""What a simulator measures beside frames, and what it varies: true, exact, recorded, and harmless to what was there before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wamlab.control.collect import collect, demonstrate
from wamlab.data.formats.convert import import_lerobot
from wamlab.data.formats.convert_out import export_lerobot
from wamlab.data.geometry import Pinhole, episode_normals, episode_points, points
from wamlab.data.store import EpisodeStore
from wamlab.errors import DataError, UnknownName, WamError
from wamlab.simulators import conformance, make
from wamlab.simulators.backend import mujoco
from wamlab.simulators.measure import Gauge
from wamlab.simulators.randomise import FIELDS, KINDS, draw, suffix
from wamlab.simulators.raycast import RaycastRenderer
from wamlab.simulators.scene import free_camera

ALL = ("contacts", "depth", "poses", "segmentation")


def test_forces_are_those_of_the_weight_that_rests():
    model = mujoco.MjModel.from_xml_string("""<mujoco><worldbody><geom type="plane" size="1 1 .1"/>
        <body name="box" pos="0 0 .1"><freejoint/><geom type="box" size=".1 .1 .1" mass="2"/></body></worldbody></mujoco>""")
    data = mujoco.MjData(model)
    for _ in range(500):
        mujoco.mj_step(model, data)
    before = data.qacc_warmstart.copy()
    gauge = Gauge(model, np.array([-1, 0, -1], np.int32), ("box",))
    table = dict(zip(map(tuple, gauge.pairs), gauge.contacts(data), strict=True))
    count, force, *place = table["box", "scenery"]
    assert count == 4 and force == pytest.approx(2 * 9.81, rel=1e-3)
    np.testing.assert_allclose(place, 0, atol=1e-3)
    assert not table["box", "box"].any() and np.array_equal(before, data.qacc_warmstart)
    data.qpos[2] += 0.5
    assert not gauge.contacts(data).any()  # the control: in the air nothing touches
    np.testing.assert_allclose(gauge.poses(data)[1, 3:], [1, 0, 0, 0], atol=1e-2)


@pytest.fixture(scope="module")
def push():
    world = make("metaworld/push")
    yield demonstrate(world, "expert", 0, 3, ALL), world
    world.close()


@pytest.mark.sim
def test_points_lie_on_the_table_and_on_the_object(push):
    episode, _ = push
    cloud, label = episode_points(episode), episode.modalities["segmentation"]
    entities = episode.meta["modalities"]["segmentation"]["entities"]
    puck = cloud[0][label[0] == entities.index("object")]
    assert len(puck) > 5
    assert np.linalg.norm(puck.mean(0) - episode.truth["object"][0]) < 0.03
    table = cloud[0][(label[0] == -1) & (np.abs(cloud[0][..., 0]) < 0.3) & (np.abs(cloud[0][..., 1] - 0.6) < 0.3)]
    assert (np.abs(table[:, 2]) < 0.003).mean() > 0.8
    up = episode_normals(episode)[0][(label[0] == -1) & (np.abs(cloud[0][..., 2]) < 0.003)]
    assert (up[:, 2] > 0.99).mean() > 0.9
    said = episode.meta["modalities"]["depth"]["camera"]  # the control: a camera looked through the wrong way round
    turned = {**said, "rotation": (np.array(said["rotation"]) @ np.diag([-1, 1, 1])).tolist()}
    mirrored = points(episode.modalities["depth"][0], Pinhole.from_json(turned))
    assert np.linalg.norm(mirrored[label[0] == entities.index("object")].mean(0) - episode.truth["object"][0]) > 0.03


@pytest.mark.sim
def test_both_renderers_know_the_camera():
    model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><geom type="plane" size="2 2 .1"/></worldbody></mujoco>')
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with RaycastRenderer(model) as renderer:
        renderer.update(data, free_camera((0.1, 0.2, 0.0), 1.0, 40, -50))
        cloud = points(renderer.depth((40, 56)), Pinhole.from_json(renderer.pinhole((40, 56))))
    assert np.abs(cloud[..., 2][np.isfinite(cloud[..., 2])]).max() < 1e-4
    np.testing.assert_allclose(cloud[19:21, 27:29].mean((0, 1))[:2], [0.1, 0.2], atol=2e-3)


@pytest.mark.sim
def test_contacts_begin_when_the_hand_grasps(push):
    episode, _ = push
    pairs = episode.meta["modalities"]["contacts"]["pairs"]
    touch = episode.modalities["contacts"][:, pairs.index(["robot", "object"])]
    assert touch[0, 0] == 0 and touch[-1, 0] > 0 and touch[-1, 1] > 0.1
    assert np.linalg.norm(touch[-1, 2:] - episode.truth["object"][-1]) < 0.06
    bodies = episode.meta["modalities"]["poses"]["bodies"]
    np.testing.assert_allclose(episode.modalities["poses"][:, bodies.index("hand"), :3], episode.state[:, :3], atol=1e-6)
    assert pairs[-1] == ["scenery", "scenery"] and not any("goal" in pair for pair in pairs)


@pytest.mark.sim
def test_measuring_changes_nothing(push):
    episode, world = push
    plain = demonstrate(world, "expert", 0, 3)
    assert np.array_equal(plain.state, episode.state) and np.array_equal(plain.frames["main"], episode.frames["main"])
    assert not plain.modalities and "modalities" not in plain.meta
    state = world.save_state()
    world.step(np.ones(4, np.float32))
    world.load_state(state)
    first = world.modalities()["contacts"]()
    world.reset(seed=9)
    world.load_state(state)
    assert np.array_equal(first, world.modalities()["contacts"]()) and first.any()


def test_stores_with_and_without_live_side_by_side(tmp_path: Path):
    with_them = collect("physics/drop", 2, tmp_path / "with", workers=1, modalities=("contacts", "depth"))
    without = collect("physics/drop", 2, tmp_path / "without", workers=1)
    one, other = with_them[1], EpisodeStore.open(tmp_path / "without")[1]
    assert set(one.modalities) == {"contacts", "depth"} and not other.modalities
    assert np.array_equal(one.frames["main"], other.frames["main"])
    assert not with_them.load(1, frames=False).modalities  # training does not read them
    assert "modalities" not in without.provenance
    with pytest.raises(DataError, match="provenance"):
        collect("physics/drop", 3, tmp_path / "without", workers=1, modalities=("depth",))
    with pytest.raises(UnknownName, match="contacts"):
        collect("physics/drop", 1, tmp_path / "other", workers=1, modalities=("contact",))
    with pytest.raises(UnknownName):
        collect("pushworld", 1, tmp_path / "other", workers=1, modalities=("contacts",))


def test_a_lerobot_dataset_keeps_them_to_the_bit(tmp_path: Path):
    store = collect("physics/drop", 2, tmp_path / "store", workers=1, modalities=ALL)
    export_lerobot(store, tmp_path / "out", video="lossless")
    back = import_lerobot(tmp_path / "out", tmp_path / "back").store
    for one, other in zip(store, back, strict=True):
        assert set(one.modalities) == set(other.modalities) == set(ALL)
        for name, value in one.modalities.items():
            assert np.array_equal(value, other.modalities[name]) and value.dtype == other.modalities[name].dtype


def test_what_is_drawn_is_a_function_of_scene_and_kind():
    whole = draw(7, KINDS)
    assert whole == draw(7, tuple(reversed(KINDS))) and whole != draw(8, KINDS)
    for kind in KINDS:  # a kind changes its own numbers and no others
        alone, neutral = draw(7, (kind,)), draw(7, ())
        fields = [name for name in vars(alone) if name != "kinds" and getattr(alone, name) != getattr(neutral, name)]
        assert all(getattr(alone, name) == getattr(whole, name) for name in fields) and (fields or kind == "colour")
    assert suffix(("light", "mass", "camera")) == "~camera+light" and suffix(("mass", "friction")) == ""
    with pytest.raises(UnknownName, match="colour"):
        draw(0, ("color",))


@pytest.fixture(scope="module")
def varied():
    world = make("metaworld/push", randomise=KINDS)
    yield world
    world.close()


@pytest.mark.sim
def test_a_randomised_world_is_as_exact_as_any(varied):
    other = make("metaworld/push", randomise=KINDS)
    conformance.check_seeds(varied, other)
    conformance.check_states(varied, other, steps=4, before=6)
    other.close()


@pytest.mark.sim
def test_each_kind_changes_what_it_should_and_nothing_else(push):
    _, world = push
    model = world.world.model
    world.reset(seed=3)
    frame, birth = world.observe()["frames"]["main"].astype(int), {name: getattr(model, name).copy() for name in FIELDS}
    allowed = {"camera": set(), "light": {"light_ambient", "light_diffuse", "light_dir"}, "colour": {"geom_rgba", "mat_rgba"},
               "friction": {"geom_friction"},
               "mass": {"body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0", "dof_M0"}}
    try:
        for kind in KINDS:
            world.randomise = (kind,)
            world.reset(seed=3)
            changed = {name for name in FIELDS if not np.array_equal(birth[name], getattr(model, name))}
            seen = np.abs(world.observe()["frames"]["main"].astype(int) - frame).mean()
            assert changed <= allowed[kind] and (changed or kind == "camera"), kind
            assert (seen > 2) == (kind in ("camera", "light", "colour")), (kind, seen)
            assert world.conditions()["kinds"] == [kind] and (("~" + kind) in world.renderer) == (seen > 2)
        factor, puck, hand = world.conditions()["mass"], model.body("obj").id, model.body("hand").id
        assert model.body_mass[puck] == pytest.approx(factor * birth["body_mass"][puck])
        assert model.body_mass[hand] == birth["body_mass"][hand]
        ours = {name: getattr(model, name).copy() for name in ("body_subtreemass", "body_invweight0", "dof_invweight0")}
        mujoco.mj_setConst(model, mujoco.MjData(model))  # what MuJoCo derives from the masses itself
        np.testing.assert_allclose(model.body_subtreemass, ours["body_subtreemass"], rtol=1e-9)
        np.testing.assert_allclose(model.body_invweight0[puck], ours["body_invweight0"][puck], rtol=1e-6)
        np.testing.assert_allclose(model.dof_invweight0[-6:], ours["dof_invweight0"][-6:], rtol=1e-6)
    finally:
        world.randomise = ()
    world.reset(seed=3)
    assert np.array_equal(world.observe()["frames"]["main"], frame)


@pytest.mark.sim
def test_a_randomised_state_shows_the_same_in_a_plain_world_and_leaves_no_trace(push, varied):
    _, plain = push
    before = plain.reset(seed=3)[0]["frames"]["main"]
    own = plain.save_state()
    varied.reset(seed=5)
    state = varied.save_state()
    action = np.array([0.3, 0.2, -1, 0], np.float32)
    assert np.array_equal(plain.load_state(state)["frames"]["main"], varied.observe()["frames"]["main"])
    one, other = plain.step(action)[0], varied.step(action)[0]
    assert np.array_equal(one["frames"]["main"], other["frames"]["main"]) and np.array_equal(one["state"], other["state"])
    assert np.array_equal(plain.load_state(own)["frames"]["main"], before)


@pytest.mark.sim
def test_a_randomised_collection_is_a_kind_of_its_own(tmp_path: Path):
    options = {"randomise": ["camera", "colour"]}
    store = collect("metaworld/drawer-open", 2, tmp_path / "varied", workers=1, options=options)
    assert store.renderer.endswith("~camera+colour") and store.provenance["options"] == options
    assert store[0].meta["conditions"] != store[1].meta["conditions"]
    assert store[0].meta["conditions"]["scene"] == store[0].meta["scene"]
    with pytest.raises(DataError, match="another"):
        collect("metaworld/drawer-open", 3, tmp_path / "varied", workers=1)
    with pytest.raises(WamError, match="cannot be randomised"):
        collect("pushworld", 1, tmp_path / "p", workers=1, options={"randomise": ["light"]})
