"""Several cameras and further senses: cut as they were recorded, learned from where known, and met again in control."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from data_fakes import SPEC, episode
from helpers_models import randomise
from lerobot_fakes import bench_lerobot
from wamlab import recipe
from wamlab.control.collect import collect
from wamlab.control.executor import Executor, run_episode
from wamlab.control.gate import Gate
from wamlab.control.policy import ModelPolicy
from wamlab.control.sensing import observation_at, options_for
from wamlab.data.formats.convert import import_lerobot
from wamlab.data.store import EpisodeStore
from wamlab.data.windows import Windows
from wamlab.errors import SpecError, UnknownName
from wamlab.evaluate.ask.lockstep import InStep, _decide
from wamlab.learn import checkpoint
from wamlab.learn.train import Trainer, train
from wamlab.models.streams import Streams
from wamlab.models.training import moments
from wamlab.parts.codecs import ConvAutoencoder, PixelPatches
from wamlab.parts.representations import Latents, Moment, Picture, Seen, Sense, State
from wamlab.parts.streams import Node
from wamlab.parts.vocabulary import CONDITIONS, actions, frames, given
from wamlab.recipe import Recipe, Training
from wamlab.signals import Need, collected
from wamlab.simulators import make
from wamlab.simulators.conformance import check
from wamlab.types import Context, Given, Signal

SEEN = (*CONDITIONS, "hand", "touch")
ALL = (*SEEN, "future", "action", "hand_future", "touch_future", "state_future")



def everything(**told) -> Streams:
    """A model of two cameras and two senses, each seen and foreseen."""
    streams = {"hand": given(Seen(camera="wrist"), once=True), "touch": given(Sense("proximity", (2,)), once=True),
               "future": frames(Latents()), "action": actions(), "hand_future": frames(Latents(camera="wrist")),
               "touch_future": frames(Sense("proximity", (2,), ahead=True)), "state_future": frames(State(ahead=True))}
    reads = {name: ALL for name in ("future", "action", "hand_future", "touch_future", "state_future")}
    return Streams(**({"streams": streams, "reads": reads, "width": 32, "depth": 2, "heads": 2} | told))


def small(model: Streams, **training) -> Recipe:
    steps = {"steps": 4, "codec_steps": 4, "batch_size": 8, "codec_batch": 4, "warmup": 2} | training
    return Recipe("senses", "a test", "", "", model, Training(**steps))


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> EpisodeStore:
    """PushWorld with the camera at the tip and the sense of nearness."""
    return collect("pushworld", 4, tmp_path_factory.mktemp("both") / "store", kind="mixed", workers=1,
                   modalities=("proximity",), options={"cameras": ["wrist"], "size": 32})


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> EpisodeStore:
    """The same scenes, as the main camera alone sees them."""
    return collect("pushworld", 4, tmp_path_factory.mktemp("plain") / "store", kind="mixed", workers=1, options={"size": 32})


@pytest.fixture(scope="module")
def trained(both, plain, tmp_path_factory):
    return train(small(everything()), [both, plain], tmp_path_factory.mktemp("trained") / "run", seed=1)


def counted(tmp_path, name: str, has: bool) -> EpisodeStore:
    """Episodes in which every number says where it belongs, with or without a second camera and a sense."""
    store = EpisodeStore.create(tmp_path / name, replace(SPEC, cameras=("main", "side") if has else ("main",)), "r")
    for number, steps in enumerate((5, 7)):
        made, t = episode(number, steps), np.arange(steps + 1)
        if has:
            side = made.frames["main"].copy()
            side[..., 2] = 100 + t[:, None, None]
            made = replace(made, frames={**made.frames, "side": side}, modalities={"force": np.stack([t * 10.0, t + 0.5], 1)})
        store.put(number, made)
    return store


def test_windows_cut_what_is_needed_where_it_was_recorded(tmp_path):
    store, bare = counted(tmp_path, "a", True), counted(tmp_path, "b", False)
    needs = {"frames/side": Need((-1, 0, 2, 4)), "modalities/force": Need((0, 3), ("touch",), (2,)), "state": Need((2,))}
    windows = Windows([store, bare], history=2, chunk=3, offsets=(2, 4), chunks=2, needs=needs)
    batch = windows.batch(np.arange(len(windows)))
    for chunk, part in enumerate(batch.chunks()):
        for row in range(len(windows)):
            source, index, step = windows.origin(row)
            t, end = step + 3 * chunk, (5, 7)[index]
            side, force = part.context.signals["frames/side"], part.context.signals["modalities/force"]
            ahead, later = part.signals["frames/side"], part.signals["modalities/force"]
            assert (side.steps, ahead.steps, force.steps, later.steps) == ((-1, 0), (2, 4), (0,), (3,))
            if source == 1:  # what lacks it: unknown, and nothing in its place
                for signal in (side, ahead, force, later):
                    assert not signal.known[row].any() and not signal.values[row].any()
                continue
            want = np.clip([t - 1, t, t + 2, t + 4], 0, end)
            assert torch.cat([side.values[row], ahead.values[row]])[:, 2, 0, 0].tolist() == (100 + want).tolist()
            assert ahead.known[row].tolist() == [t + 2 <= end, t + 4 <= end] and side.known[row].all()
            assert later.values[row, 0].tolist() == [min(t + 3, end) * 10.0, min(t + 3, end) + 0.5]
            assert later.known[row, 0] == (t + 3 <= end)
            assert part.signals["state"].values[row, 0, 0] == min(t + 2, end)
    again = Windows([store, bare], history=2, chunk=3, offsets=(2, 4), chunks=2, needs=needs)  # from what is kept
    assert torch.equal(again.batch(np.arange(4)).signals["frames/side"].values, batch.signals["frames/side"].values[:4])
    assert len(list((store.path / "cache").glob("frames-*.npy"))) == 3


@pytest.mark.parametrize("needs, problem, told", [
    ({"frames/top": Need((0,), ("above",))}, "no camera 'top'", ["stream above", "main, side", "--cameras top"]),
    ({"modalities/torque": Need((0,), ("twist",), (3,))}, "no sense 'torque'", ["stream twist", "force", "--with torque"]),
    ({"modalities/force": Need((0,), ("twist",), (3,))}, "another shape", ["stream twist", "(3,)", "(2,)"]),
])
def test_what_no_data_has_is_refused_by_name(tmp_path, needs, problem, told):
    with pytest.raises(SpecError, match=problem) as caught:
        Windows([counted(tmp_path, "a", True)], history=1, chunk=2, offsets=(1,), needs=needs)
    assert all(word in str(caught.value) for word in told) and caught.value.fix


def test_a_camera_that_the_task_lacks_stops_training_at_its_start(plain, tmp_path):
    with pytest.raises(SpecError, match="no camera 'wrist'") as caught:
        Trainer(small(everything()), [plain], tmp_path, 0)
    assert "stream hand, hand_future" in caught.value.where and "--cameras wrist" in caught.value.fix
    only = {"touch": given(Sense("proximity", (2,)), once=True), "action": actions()}
    with pytest.raises(SpecError, match="no sense 'proximity'") as caught:
        Trainer(small(everything(streams=only, reads={"action": (*CONDITIONS, "touch", "action")})), [plain], tmp_path, 0)
    assert caught.value.where == "stream touch" and caught.value.got == "none"


@pytest.mark.parametrize("make_it, problem", [
    (lambda: Picture("depth", patch=0), "means nothing"),
    (lambda: everything(streams={"future": frames(), "deep": frames(Picture("depth", True, 5)), "action": actions()},
                        reads={"deep": ("deep",), "future": ("future", "deep"), "action": ("action",)}).build(
        make("pushworld", size=32).task_spec), "no whole number of patches"),
    (lambda: Sense("force", (0,)), "means nothing"),
    (lambda: collected([("a", {"modalities/x": Need((0,), (), (2,))}), ("b", {"modalities/x": Need((0,), (), (3,))})]),
     "different shapes"),
    (lambda: everything(streams={"future": frames(), "hand": frames(Latents(PixelPatches(8), camera="wrist")),
                                 "action": actions()}, reads={"future": ("future", "hand"), "action": ("action",)}).build(
        make("pushworld", cameras=("wrist",), size=32).task_spec), "different codecs"),
    (lambda: everything(streams={"hand": frames(Seen(camera="wrist")), "action": actions()},
                        reads={"hand": ("hand",), "action": ("action",)}).table, "lies ahead"),
    (lambda: everything(streams={"later": frames(State(ahead=True)), "action": actions()},
                        reads={"later": ("later",), "action": ("action", "later")}).build(make("pushworld").task_spec),
     "no place in time"),
    (lambda: make("pushworld", cameras=("top",)), "unknown camera of pushworld"),
    (lambda: make("pushworld", senses=("forec",)), "unknown sense of pushworld"),
])
def test_wrong_settings_are_refused(make_it, problem):
    with pytest.raises((SpecError, UnknownName), match=problem) as caught:
        make_it()
    assert caught.value.expected and str(caught.value)


def test_streams_of_frames_share_one_codec_that_serves_all_cameras(both, tmp_path):
    model = everything().build(both.task_spec)
    one, two = model.contents["future"], model.contents["hand_future"]
    assert one.codec is two.codec is model.codec and model.filmed == ("", "wrist")
    names = [name for name, _ in model.named_parameters()]
    assert len(names) == len(set(names)) and sum("codec" in name for name in names) == len(list(model.codec.parameters()))
    trainer = Trainer(small(everything()), [both], tmp_path, 0)
    seen = []
    trainer.model.codec.loss = lambda frames, reference: seen.append(frames) or frames.sum()
    trainer.codec_loss(0)
    assert len(seen[0]) == 2 * 2 * trainer.recipe.training.codec_batch  # two cameras, two frames of each window


@cache
def model_and_windows(path):
    torch.manual_seed(0)
    store = EpisodeStore.open(path)
    model = randomise(everything().build(store.task_spec))
    return model, Windows([store], history=1, chunk=model.chunk, offsets=model.offsets, needs=model.needs)


def half_blind(batch, junk: float, rows=slice(0, 4)):
    """The same with all further signals of some rows unknown; `junk` lies in their place."""
    def spoil(signal: Signal) -> Signal:
        values, known = signal.values.clone(), signal.known.clone()
        known[rows] = False
        values[rows] = torch.full_like(values[rows], junk)
        return Signal(values, known, signal.steps)

    def part(signals):
        return {name: spoil(signal) for name, signal in signals.items() if name != "state"} | (
            {"state": signals["state"]} if "state" in signals else {})
    context = replace(batch.context, signals=part(batch.context.signals))
    return replace(batch, context=context, signals=part(batch.signals))


def test_what_lies_in_place_of_unknown_senses_is_never_learned_from(both):
    model, windows = model_and_windows(both.path)
    batch = windows.batch(np.arange(0, len(windows), len(windows) // 10)[:10])
    one, two = (model.loss(half_blind(batch, junk), 5) for junk in (0, 9))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    one["total"].backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    blind = model.loss(half_blind(batch, 0, slice(None)), 5)
    assert blind["hand_future"] == blind["touch_future"] == 0 < blind["future"]
    known = model.loss(batch, 5), model.loss(half_blind(batch, 9, slice(0, 0)), 5)
    assert torch.equal(known[0]["total"], known[1]["total"]) and not torch.equal(known[0]["total"], one["total"])
    dark = replace(batch, context=replace(batch.context, signals={
        name: replace(signal, values=torch.zeros_like(signal.values)) for name, signal in batch.context.signals.items()}))
    assert not torch.equal(model.loss(dark, 5)["total"], known[0]["total"]), "the control: what is known counts"


def test_what_is_unknown_stays_out_of_finished_copies_too(both):
    """Streams that read a finished copy of what is unknown are told that it is absent; of unknown actions likewise."""
    reads = {"future": (*CONDITIONS, "hand_future@clean", "action@clean", "future"),
             "hand_future": (*CONDITIONS, "hand_future"), "action": (*CONDITIONS, "action")}
    streams = {"future": frames(), "action": actions(), "hand_future": frames(Latents(camera="wrist"))}
    torch.manual_seed(0)
    model = randomise(everything(streams=streams, reads=reads).build(both.task_spec))
    windows = Windows([both], history=1, chunk=model.chunk, offsets=model.offsets, needs=model.needs)
    batch = windows.batch(np.arange(0, 40, 5))
    one, two = (model.loss(half_blind(batch, junk), 5)["future"] for junk in (0, 9))
    assert torch.equal(one, two) and not torch.equal(one, model.loss(batch, 5)["future"])
    unknown = replace(batch, action_mask=torch.zeros_like(batch.action_mask), imitate=torch.zeros_like(batch.imitate))
    spoilt = replace(unknown, action=batch.action + 3)
    assert torch.equal(model.loss(unknown, 5)["total"], model.loss(spoilt, 5)["total"])
    assert not torch.equal(model.loss(batch, 5)["total"], model.loss(replace(batch, action=batch.action + 3), 5)["total"])


def test_training_on_a_mixture_of_which_a_part_lacks_them(trained, both, plain):
    """The parts are one training; scales are those of what is known; a checkpoint is read again and answers."""
    model = checkpoint.load_model(trained)
    assert model.task_spec.cameras == ("main", "wrist")
    assert set(model.needs) == {"frames/wrist", "modalities/proximity", "state"}
    assert json.loads((trained / "checkpoint.json").read_text())["diagnosis"]["unmoved"] == []
    windows = Windows([both], history=1, chunk=8, offsets=(4, 8), needs=model.needs)
    near = windows.tracks.rows["modalities/proximity"]
    sense = model.contents["touch"]
    assert torch.isfinite(sense.scale).all() and (sense.scale < 1).all()
    np.testing.assert_allclose(sense.mean, near.mean(0), atol=0.1)  # zeros of the part that lacks it would halve it
    context = windows.batch(np.arange(3)).context
    with torch.inference_mode():
        answer = model.predict(context, want={"future", "hand_future", "touch_future", "state_future", "action"})
        again = model.predict(replace(context, signals={**context.signals, "frames/wrist": replace(
            context.signals["frames/wrist"], values=255 - context.signals["frames/wrist"].values)}), want={"action"})
        alone = model.predict(context, want={"action"})
    assert answer.others["hand_future"].shape == answer.future.shape == (3, 2, 3, 32, 32)
    assert answer.others["touch_future"].shape == answer.others["state_future"].shape == (3, 2, 2)
    assert not torch.equal(alone.action, again.action), "the wrist's frames reach the action"
    with pytest.raises(SpecError, match="lacks camera 'wrist'") as caught:
        model.predict(replace(context, signals={}), want={"action"})
    assert "stream hand" in caught.value.where and "needs=model.needs" in caught.value.fix


@pytest.mark.parametrize("name", ["hand_future", "touch_future", "state_future"])
def test_what_is_given_of_a_signal_is_what_training_saw_of_it(both, name):
    """Given in physical units and back; and in training the same tokens come from the windows."""
    model, windows = model_and_windows(both.path)
    model.eval()
    batch = windows.batch(np.arange(4))
    model.fit_signals(batch)
    content, moment = model.contents[name], moments(model, batch)[0]
    signal = batch.signals[model.outlooks[name]].at(model.offsets)
    value = signal.values.float() / 255 if name == "hand_future" else signal.values
    told = content.encode(content.given(value, Moment(batch.context)))
    torch.testing.assert_close(told, content.encode(moment))
    if name != "hand_future":
        torch.testing.assert_close(content.decode(told, moment), value, rtol=1e-4, atol=1e-5)
    with torch.inference_mode():
        one, two = (model.predict(batch.context, Given(others={name: x}), {"action"}).action for x in (value, value * 0.5))
    assert not torch.equal(one, two)


def test_a_future_that_is_only_ever_given_has_to_be_given(both):
    streams = {"goal": given(State(ahead=True)), "future": frames(), "action": actions()}
    read = (*CONDITIONS, "goal", "future", "action")
    model = everything(streams=streams, reads={"future": read, "action": read}).build(both.task_spec).eval()
    assert all("goal" in query.given for query in model.answers())


def acting(model, world, steps=6):
    executor = Executor(ModelPolicy(model, {"action"}), Gate(world.task_spec.action), 4, expects=model.task_spec)
    return run_episode(world, executor, 1_000_000, stop=iter([False] * steps + [True]).__next__)


def test_control_meets_what_training_saw(trained):
    model = checkpoint.load_model(trained)
    assert options_for(model.needs) == {"cameras": ["wrist"], "senses": ["proximity"]}
    world = make("pushworld", size=32, **options_for(model.needs))
    done = acting(model, world)
    assert set(done.frames) == {"main", "wrist"} and not np.array_equal(done.frames["main"], done.frames["wrist"])
    for lacking, told in (("cameras", "camera 'wrist'"), ("senses", "sense 'proximity'")):
        options = {name: value for name, value in options_for(model.needs).items() if name != lacking}
        with pytest.raises(SpecError, match=told) as caught:
            acting(model, make("pushworld", size=32, **options))
        assert "stream" in caught.value.where and lacking in caught.value.fix


def test_a_policy_sees_what_the_windows_cut(both):
    """The same moment, from an episode on disk and step by step: the same context."""
    model, windows = model_and_windows(both.path)
    policy, seen = ModelPolicy(model, {"action"}), both[0]
    policy.reset(0)
    for step in range(4):
        policy.observe(observation_at(seen, step))
    here, there = policy.situation(seen.instruction)[0], windows.batch(np.array([3])).context
    assert here.signals.keys() == there.signals.keys() == {"frames/wrist", "modalities/proximity"}
    for name, signal in here.signals.items():
        assert torch.equal(signal.values, there.signals[name].values) and signal.known.all()


def test_sessions_remember_other_cameras(both):
    """A chunk later the policy's session has read what the wrist saw, and answers as one made from scratch."""
    read = (*SEEN, "future", "action", "hand_future", "hand_future@past", "future@past", "state_future", "state_future@past")
    streams = dict(everything().streams)
    del streams["touch_future"]
    reads = dict.fromkeys(("future", "action", "hand_future", "state_future"), read)
    torch.manual_seed(0)
    model = randomise(everything(streams=streams, reads=reads, chunks=2).build(both.task_spec)).eval()
    seen, policies = both[0], []
    for twist in (0, 0, 1):
        policy = ModelPolicy(model, {"action"})
        policy.reset(0)
        for step in range(9):
            now = observation_at(seen, step)
            if twist and step == 4:
                now = {**now, "frames": {**now["frames"], "wrist": 255 - now["frames"]["wrist"]}}
            policy.observe(now)
            if step == 0 and not policies:
                policy.decide(now, seen.instruction)
        policies.append(policy.decide(now, seen.instruction).action)
    np.testing.assert_allclose(policies[0], policies[1], rtol=1e-3, atol=1e-4)
    assert not np.allclose(policies[0], policies[2], rtol=1e-3, atol=1e-4), "what the wrist saw on the way counts"


def test_what_was_imagined_is_seen_next_and_the_rest_is_unknown(both):
    _, windows = model_and_windows(both.path)
    context: Context = windows.batch(np.arange(2)).context
    with torch.inference_mode():
        session = replace_chunks(both, 2).session(context)
        session.adopt(session.predict(want={"future", "action"}))
        assert session.chunk == 1
        now = session.moments[-1].context
        assert not any(signal.known.any() for signal in now.signals.values()) and not now.known.any()
        session = replace_chunks(both, 2).session(context)
        answer = session.predict(want={"future", "action", "hand_future", "state_future"})
        session.adopt(answer)
        now = session.moments[-1].context
    wrist = (answer.others["hand_future"][:, -1].clamp(0, 1) * 255).round()
    assert torch.equal(now.signals["frames/wrist"].values[:, 0].float(), wrist) and now.signals["frames/wrist"].known.all()
    assert torch.equal(now.state[:, -1], answer.others["state_future"][:, -1]) and now.known.all()
    assert not now.signals["modalities/proximity"].known.any()


def replace_chunks(both, chunks):
    torch.manual_seed(0)
    return randomise(everything(chunks=chunks).build(both.task_spec)).eval()


def test_a_changed_instruction_reaches_the_answer(both):
    model, _ = model_and_windows(both.path)
    policy = ModelPolicy(model, {"action"})
    policy.reset(0)
    policy.observe(observation_at(both[0], 0))
    said = [policy.decide(observation_at(both[0], 0), words).action for words in ("push it", "leave it", "push it")]
    assert not np.array_equal(said[0], said[1]) and np.array_equal(said[0], said[2])
    long, found = replace_chunks(both, 2), []
    for words in (("push it", "push it"), ("push it", "leave it"), ("leave it", "leave it")):  # at the start, a chunk later
        policy = ModelPolicy(long, {"action"})
        policy.reset(0)
        for step in range(9):
            policy.observe(observation_at(both[0], step))
            if step % 8 == 0:
                last = policy.decide(observation_at(both[0], step), words[step // 8]).action
        found.append(last)
    assert not np.array_equal(found[0], found[1])
    np.testing.assert_allclose(found[1], found[2], rtol=1e-3, atol=1e-4)  # nothing is left of what was said before


def test_a_picture_of_numbers_is_read_in_its_own_units(tmp_path):
    """Depth in metres or millimetres: the same tokens. A picture that does not vary is not blown up."""
    store = collect("pushworld", 2, tmp_path / "a", workers=1, modalities=("depth",), options={"size": 32})
    model = everything(streams={"depth": given(Picture("depth"), once=True), "action": actions()},
                       reads={"action": (*CONDITIONS, "depth", "action")}).build(store.task_spec)
    windows = Windows([store], history=1, chunk=8, offsets=(), needs=model.needs)
    batch, tokens = windows.batch(np.arange(6)), []
    ramp = torch.linspace(0.5, 2, 32 * 32).reshape(32, 32) + torch.arange(6)[:, None, None, None] / 10
    for unit in (1.0, 1000.0):
        signal = replace(batch.context.signals["modalities/depth"], values=ramp * unit)
        made = replace(batch, context=replace(batch.context, signals={"modalities/depth": signal}))
        model.fit_signals(made)
        tokens.append(model.contents["depth"].encode(moments(model, made)[0]))
    torch.testing.assert_close(tokens[0], tokens[1], rtol=1e-3, atol=1e-3)
    assert tokens[0].std() == pytest.approx(1, abs=0.2)
    model.fit_signals(batch)
    assert model.contents["depth"].encode(moments(model, batch)[0]).abs().max() < 10  # PushWorld's is 1 m throughout
    assert train(small(model.config), [store], tmp_path / "run").exists()


def test_other_cameras_of_an_imported_dataset_reach_the_model(tmp_path):
    store = import_lerobot(bench_lerobot(tmp_path, 3, video="lossless"), tmp_path / "imported").store
    assert store.task_spec.cameras == ("main", "wrist")
    settings = everything(streams={"hand": given(Seen(camera="wrist"), once=True), "action": actions()},
                          reads={"action": (*CONDITIONS, "hand", "action")})
    model = checkpoint.load_model(train(small(settings), [store], tmp_path / "run"))
    batch = Windows([store], history=1, chunk=8, offsets=(), needs=model.needs).batch(np.array([2]))
    assert np.array_equal(batch.context.signals["frames/wrist"].values[0, 0].permute(1, 2, 0), store[0].frames["wrist"][2])
    signal = batch.context.signals["frames/wrist"]
    dark = replace(batch.context, signals={"frames/wrist": replace(signal, values=torch.zeros_like(signal.values))})
    with torch.inference_mode():
        one, two = (model.predict(context, want={"action"}).action for context in (batch.context, dark))
    assert not torch.equal(one, two)


def test_one_camera_models_read_no_more_than_before(plain):
    model = recipe.load("uwm").sized("debug").model.build(plain.task_spec)
    windows = Windows([plain], history=1, chunk=8, offsets=(4, 8), needs=model.needs)
    batch = windows.batch(np.arange(3))
    assert not model.needs and not windows.tracks.rows and not batch.signals and not batch.context.signals
    assert model.filmed == ("",) and Node("future", "", 0) in model.networks[0].nodes
    assert isinstance(Latents().codec, ConvAutoencoder)


def test_the_camera_at_the_tip_and_the_main_one(both, plain):
    """The main camera, truth and actions are those of the world without more to see."""
    for index in plain.indices():
        one, two = both[index], plain[index]
        assert np.array_equal(one.frames["main"], two.frames["main"]) and np.array_equal(one.action, two.action)
        assert np.array_equal(one.state, two.state)
        blue = one.frames["wrist"][:, 16, 16].astype(int)  # the tip is in the middle of its own picture
        assert (blue[:, 2] > blue[:, 0] + 60).all()
        near = one.modalities["proximity"]
        gap = np.linalg.norm(one.truth["object"] - one.truth["robot"], axis=1)
        assert np.corrcoef(near[:, 0], gap)[0, 1] > 0.99 and near.min() >= 0
    assert both.renderer == plain.renderer


@pytest.mark.sim
def test_meta_world_has_a_wrist_camera_and_its_main_one_stays():
    with make("metaworld/drawer-open") as bare, make("metaworld/drawer-open", cameras=("wrist",), senses=("poses",)) as more:
        one, two = bare.reset(seed=3)[0], more.reset(seed=3)[0]
        action = np.array([0.5, 0.5, -0.5, 0.0], np.float32)
        for _ in range(3):
            one, two = bare.step(action)[0], more.step(action)[0]
            assert np.array_equal(one["frames"]["main"], two["frames"]["main"]) and np.array_equal(one["state"], two["state"])
        assert list(one["frames"]) == ["main"] and list(two["frames"]) == ["main", "wrist"]
        wrist = two["frames"]["wrist"]
        assert wrist.shape == (64, 64, 3) and wrist.std() > 5 and two["modalities"]["poses"].shape[1] == 7
        state, again = more.save_state(), more.step(action)[0]
        more.load_state(state)
        assert np.array_equal(more.step(action)[0]["frames"]["wrist"], again["frames"]["wrist"])
        assert not np.array_equal(again["frames"]["wrist"], wrist), "it moves with the hand"


def test_worlds_that_walk_in_step_meet_the_same(trained, monkeypatch):
    """Success of many starts at once: the model is asked for all together, and each answer is that of one alone."""
    model = checkpoint.load_model(trained)
    policies, seen = [], []
    for number in (0, 1):
        world = make("pushworld", size=32, **options_for(model.needs))
        policies.append(InStep(model, {"action"}))
        policies[-1].reset(number)
        seen.append(world.reset(seed=number)[0])
    monkeypatch.setattr("wamlab.evaluate.ask.lockstep.wanted", lambda model: frozenset({"action"}))
    _decide(model, policies, seen, "push it")
    for number, (policy, observation) in enumerate(zip(policies, seen, strict=True)):
        alone = ModelPolicy(model, {"action"})
        alone.reset(number)
        alone.observe(observation)
        np.testing.assert_allclose(policy.ready.action, alone.decide(observation, "push it").action, rtol=1e-3, atol=1e-4)


def test_pictures_of_numbers_ahead(tmp_path):
    """Patches and back, in metres; learned; and where a picture is unknown nothing is."""
    store = collect("pushworld", 2, tmp_path / "a", workers=1, modalities=("depth",), options={"size": 32})
    streams = {"deep": frames(Picture("depth", ahead=True)), "future": frames(), "action": actions()}
    settings = everything(streams=streams, reads=dict.fromkeys(streams, (*CONDITIONS, *streams)))
    torch.manual_seed(0)
    model = randomise(settings.build(store.task_spec))
    batch = Windows([store], history=1, chunk=8, offsets=(4, 8), needs=model.needs).batch(np.arange(5))
    ramp = torch.arange(5 * 3 * 32 * 32).reshape(5, 3, 32, 32) / 1000.0
    now, ahead = (part.signals["modalities/depth"] for part in (batch.context, batch))
    batch = replace(batch, context=replace(batch.context, signals={"modalities/depth": replace(now, values=ramp[:, :1])}),
                    signals={"modalities/depth": replace(ahead, values=ramp[:, 1:] ** 1.5)})
    model.fit_signals(batch)
    content, moment = model.contents["deep"], moments(model, batch)[0]
    tokens = content.encode(moment)
    assert tokens.shape == (5, 2 * 16, 64) and content.beside(moment).shape == tokens.shape
    torch.testing.assert_close(tokens[0, 0, :8] * content.usual, ramp[0, 1, 0, :8] ** 1.5 - ramp[0, 0, 0, :8])
    torch.testing.assert_close(content.decode(tokens, moment), ramp[:, 1:] ** 1.5, rtol=1e-3, atol=1e-3)
    one, two = (model.loss(half_blind(batch, junk), 5) for junk in (0, 9))
    assert all(torch.equal(one[name], two[name]) for name in one) and one["deep"] > 0
    made = checkpoint.load_model(train(small(settings), [store], tmp_path / "run"))
    with torch.inference_mode():
        assert made.predict(batch.context, want={"deep"}).others["deep"].shape == (5, 2, 32, 32)


def test_a_stopped_training_of_two_cameras_ends_in_the_same_weights(both, plain, trained, tmp_path):
    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 6:  # in the middle of the model's own steps
            raise Stop

    settings = small(everything(), checkpoint_every=1)
    with pytest.raises(Stop):
        train(settings, [both, plain], tmp_path / "run", seed=1, progress=stop)
    finished = train(settings, [both, plain], tmp_path / "run", seed=1)
    again, whole = checkpoint.read_tensors(finished), checkpoint.read_tensors(trained)
    assert again.keys() == whole.keys() and all(torch.equal(again[name], whole[name]) for name in whole)


def test_the_first_part_of_a_mixture_may_be_the_one_that_lacks_them(both, plain, tmp_path):
    trainer = Trainer(small(everything()), [plain, both], tmp_path, 0)
    assert trainer.model.task_spec.cameras == ("main", "wrist")
    assert trainer.windows.tracks.has["frames/wrist"].tolist() == [False] * 4 + [True] * 4


def test_a_world_with_more_to_see_is_a_sound_simulator():
    check(lambda: make("pushworld", size=32, cameras=("wrist",), senses=("proximity",)))
