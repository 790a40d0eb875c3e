"""True futures: exact, reproducible, resumable, cached by protocol; and asking models for theirs."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from wamlab.errors import DataError, SpecError, Unanswerable, UnknownName
from wamlab.evaluate.ask import branches as making
from wamlab.evaluate.ask.actions import ACTIONS, action_set
from wamlab.evaluate.ask.branches import Branches, Futures, Protocol, imagine_branches, make_branches
from wamlab.models.oracle import Oracle
from wamlab.simulators import make
from wamlab.simulators.pushworld import PushWorld
from wamlab.spec import ActionSpec
from wamlab.types import WORLD_MODEL, Batch

PROTOCOL = Protocol("pushworld", (4, 8), contexts=7, horizon=8, history=2, options={"size": 32})


@pytest.fixture(scope="module")
def branches(tmp_path_factory):
    return make_branches(PROTOCOL, tmp_path_factory.mktemp("cache"), workers=1)


def equal(one, two):
    return all((value == vars(two)[name]).all() for name, value in vars(one).items() if isinstance(value, np.ndarray)) and all(
        (one.truth[name] == two.truth[name]).all() for name in one.truth)


def test_shapes_strata_and_held_out_scenes(branches):
    assert branches.actions.shape == (7, 9, 8, 2) and branches.frames.shape == (7, 9, 2, 32, 32, 3)
    assert branches.truth["object"].shape == (7, 9, 9, 2) and set(branches.strata) >= {"near", "contact"}
    assert (branches.scene >= 2_000_000).all() and not branches.success[:, :, 0].any()
    moves = np.linalg.norm(branches.truth["object"][:, 0, -1] - branches.truth["object"][:, 0, 0], axis=-1) > 0.01
    assert (moves == (branches.stratum == 2)).all()  # in contact is where the factual chunk moves the object


def test_every_branch_is_what_the_simulator_does_from_the_saved_state(branches):
    """Played again from the scene's seed, without any restore."""
    simulator = make("pushworld", size=32)
    for c, k in ((0, 0), (3, 4), (6, 8)):
        observation, _ = simulator.reset(seed=int(branches.scene[c]))
        expert, before = simulator.expert(), observation
        for _ in range(branches.step[c]):
            before, (observation, *_) = observation, simulator.step(expert())
        assert (observation["frames"]["main"] == branches.context_frames[c, -1]).all()
        assert (before["frames"]["main"] == branches.context_frames[c, 0]).all()
        for h, action in enumerate(branches.actions[c, k], 1):
            observation, *_, info = simulator.step(action)
            assert all((branches.truth[name][c, k, h] == value).all() for name, value in simulator.truth().items())
            assert branches.success[c, k, h] == info["success"]
            if h in (4, 8):
                assert (observation["frames"]["main"] == branches.frames[c, k, (4, 8).index(h)]).all()


def test_null_does_not_move_and_doses_are_ordered(branches):
    move = np.linalg.norm(branches.truth["robot"][:, :, -1] - branches.truth["robot"][:, :, :1, ][:, :, 0], axis=-1)
    kinds = PROTOCOL.actions
    assert (move[:, kinds.index("null")] == 0).all()
    free = branches.stratum == 0
    assert (move[free][:, kinds.index("dose 0.25")] < move[free][:, kinds.index("factual")]).all()


@pytest.mark.slow
def test_processes_do_not_change_the_numbers(branches, tmp_path):
    assert equal(branches, make_branches(PROTOCOL, tmp_path, workers=2))


def test_cache_resume_and_round_trip(branches, tmp_path, monkeypatch):
    calls = []
    real = making.scene_branches

    def counted(simulator, protocol, number):
        calls.append(number)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(simulator, protocol, number)

    monkeypatch.setattr(making, "scene_branches", counted)
    with pytest.raises(KeyboardInterrupt):
        make_branches(PROTOCOL, tmp_path, workers=1)
    assert equal(make_branches(PROTOCOL, tmp_path, workers=1), branches)
    assert calls.count(0) == 1  # what was finished was kept
    before = len(calls)
    assert equal(make_branches(PROTOCOL, tmp_path, workers=1), branches) and len(calls) == before  # from the cache
    assert [p.suffix for p in tmp_path.iterdir()] == [".safetensors"]
    make_branches(replace(PROTOCOL, seed=1), tmp_path, workers=1)
    assert len(calls) > before and len(list(tmp_path.iterdir())) == 2
    branches.save(tmp_path / "again.safetensors")
    again = Branches.load(tmp_path / "again.safetensors")
    assert equal(again, branches) and again.protocol == branches.protocol and again.spec == branches.spec
    assert again.digest == branches.digest != replace(branches, renderer="other").digest


def test_bad_files_and_protocols_are_clear_errors(branches, tmp_path):
    path = tmp_path / "b.safetensors"
    with pytest.raises(DataError, match="no branches"):
        Branches.load(path)
    branches.save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="damaged"):
        Branches.load(path)
    for wrong in ({"offsets": (9,)}, {"offsets": ()}, {"contexts": 0}, {"history": 0}):
        with pytest.raises(DataError):
            replace(PROTOCOL, **wrong)
    with pytest.raises(UnknownName, match="factual"):
        make_branches(replace(PROTOCOL, actions=("factul",)), tmp_path, workers=1)
    with pytest.raises(DataError, match="too short"):
        make_branches(replace(PROTOCOL, horizon=3, offsets=(3,), contexts=2), tmp_path, workers=1,
                      make_simulator=partial(PushWorld, max_steps=2))


SPEC = ActionSpec(("hand x", "hand y", "hand z", "gripper close"), (-1.0,) * 4, (1.0,) * 4, ("cm",) * 3 + ("effort",))


def test_actions_stay_within_limits_and_keep_the_grip():
    generator = np.random.default_rng(0)
    factual = generator.uniform(-1, 1, (8, 4)).astype(np.float32)
    chunks = dict(zip(ACTIONS, action_set(SPEC, factual, generator), strict=True))
    assert all((np.abs(chunk) <= 1).all() and (chunk[:, 3] == factual[:, 3]).all() for chunk in chunks.values())
    assert (chunks["factual"] == factual).all() and (chunks["null"][:, :3] == 0).all()
    assert (chunks["reverse"][:, :3] == -factual[:, :3]).all()
    turned = chunks["turn +90"]
    assert (turned[:, 0] == -factual[:, 1]).all() and (turned[:, 1] == factual[:, 0]).all()
    assert (turned[:, 2] == factual[:, 2]).all() and (chunks["turn -90"][:, :2] == -turned[:, :2]).all()
    with pytest.raises(SpecError, match="motions"):
        action_set(replace(SPEC, kind="absolute"), factual, generator)


def oracle(branches, twist="oracle", **sizes):
    simulator = make("pushworld", size=32)
    model = Oracle(simulator, twist=twist, **({"chunk": 8, "offsets": (4, 8)} | sizes))
    for c in range(len(branches)):
        simulator.reset(seed=int(branches.scene[c]))
        expert = simulator.expert()
        for _ in range(branches.step[c]):
            simulator.step(expert())
        model.remember(simulator.observe(), simulator.save_state())
    return model


def test_the_oracle_imagines_the_truth_to_the_bit(branches):
    seen = []
    futures = imagine_branches(oracle(branches), branches, batch=10, progress=lambda done, total: seen.append((done, total)))
    assert (futures.frames == branches.frames).all() and futures.offsets == (4, 8) and seen[-1] == (63, 63)
    short = imagine_branches(oracle(branches, chunk=4, offsets=(4,)), branches)
    assert (short.frames == branches.frames[:, :, :1]).all()


def test_futures_are_saved_and_read_again(branches, tmp_path):
    futures = imagine_branches(oracle(branches), branches)
    futures.save(tmp_path / "f" / "oracle.safetensors")
    again = Futures.load(tmp_path / "f" / "oracle.safetensors")
    assert (again.frames == futures.frames).all() and again.offsets == futures.offsets
    (tmp_path / "x").write_bytes(b"no")
    for wrong in ("x", "nothing"):
        with pytest.raises(DataError, match="imagined futures"):
            Futures.load(tmp_path / wrong)


def test_null_models_do_what_their_name_says(branches):
    frozen = imagine_branches(oracle(branches, "frozen"), branches).frames
    assert (frozen == branches.context_frames[:, -1][:, None, None]).all()
    blind = imagine_branches(oracle(branches, "action_blind"), branches).frames
    assert (blind == blind[:, :1]).all()
    random = imagine_branches(oracle(branches, "random"), branches).frames
    assert (random == imagine_branches(oracle(branches, "random"), branches, batch=5).frames).all()
    assert (random[:, 0] != random[:, 1]).any() and (random != branches.frames).any()


class Deaf(Oracle):
    def answers(self):
        return super().answers() - {WORLD_MODEL}


def test_what_cannot_be_asked_is_refused(branches):
    model = oracle(branches)
    with pytest.raises(Unanswerable, match="never been shown"):
        imagine_branches(Oracle(make("pushworld", size=32)), branches)
    with pytest.raises(Unanswerable, match="given"):
        imagine_branches(Deaf(make("pushworld", size=32)), branches)
    with pytest.raises(Unanswerable, match="nothing to learn"):
        model.loss(object.__new__(Batch), 0)
    with pytest.raises(UnknownName, match="frozen"):
        oracle(branches, "frosen")
    for sizes in ({"chunk": 9}, {"offsets": (3,)}, {"history": 3}):
        with pytest.raises(DataError, match="do not fit"):
            imagine_branches(oracle(branches, **sizes), branches)
    with pytest.raises(SpecError, match="image_size"):
        imagine_branches(Oracle(make("pushworld", size=40)), branches)
