"""Episodes without actions: nothing that is stored in place of an action or a state is ever learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from data_fakes import SPEC, episode
from helpers_models import batch_for, random_batch, randomise, small_spec
from wamlab import recipe
from wamlab.control.collect import collect
from wamlab.data.check.run import check_dataset
from wamlab.data.formats.convert_out import export_lerobot
from wamlab.data.store import EpisodeStore
from wamlab.data.video import without_actions
from wamlab.data.windows import Windows
from wamlab.errors import DataError, WamError
from wamlab.learn import checkpoint
from wamlab.learn.train import Trainer, train
from wamlab.models.streams import Streams
from wamlab.parts.vocabulary import CONDITIONS, actions, frames
from wamlab.report.browse import stored
from wamlab.types import VIDEO, WORLD_MODEL, Given

ONCE = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = recipe.names()


@pytest.fixture(scope="module")
def demos(tmp_path_factory) -> EpisodeStore:
    return collect("pushworld", 5, tmp_path_factory.mktemp("demos") / "store", kind="mixed", workers=1)


def videos(demos: EpisodeStore, path, junk: float | None = None, known: bool = False) -> EpisodeStore:
    """The same episodes as videos; `junk`: what lies in place of actions and states."""
    store = EpisodeStore.create(path, demos.task_spec, demos.renderer, {"video": True})
    for index in demos.indices():
        made = without_actions(demos[index])
        if junk is not None:
            noise = np.random.default_rng(index).normal(size=made.action.shape) * junk
            made = replace(made, action=noise.astype(np.float32), state=made.state + np.float32(junk))
        if known:
            made = replace(made, has_action=np.ones(len(made), bool), has_state=True, imitate=None)
        store.put(index, made)
    return store


def tiny(name: str, **training) -> recipe.Recipe:
    r = recipe.load(name).sized("debug")
    return replace(r, training=replace(r.training, **({"steps": 8, "codec_steps": 6} | training)))


def model_of(name: str):
    torch.manual_seed(0)
    return randomise(recipe.load(name).sized("debug").model.build(small_spec()))


def video_batch(action_seed: int = 1, rows: slice = slice(None), size: int = 6, shift: float = 0.0, frames: int = 2):
    """A batch whose `rows` have no actions and no states; other values may lie in their place."""
    batch = random_batch(size, action_seed=action_seed, frames=frames)
    blind = torch.zeros(size, dtype=torch.bool)
    blind[rows] = True
    context = replace(batch.context, has_state=~blind, state=batch.context.state + shift * blind[:, None, None])
    moved = batch.future_state + shift * blind[:, None, None]
    return replace(batch, context=context, future_state=moved, action_mask=batch.action_mask & ~blind[:, None],
                   imitate=batch.imitate & ~blind)


def test_unknown_actions_survive_the_disk(tmp_path):
    store, known = EpisodeStore.create(tmp_path, SPEC, "r"), np.array([True, False, True, True])
    store.put(0, replace(episode(0, 4), has_action=known))
    store.put(1, episode(1, 4))
    store.put(2, without_actions(episode(2, 4)))
    assert store[0].has_action.tolist() == known.tolist() == store[0].imitate.tolist() and store[0].has_state
    assert store[1].has_action.all() and store[1].has_state
    assert not store[2].has_action.any() and not store[2].has_state and not store[2].action.any() and not store[2].state.any()
    with safe_open(store.files()[1], framework="numpy") as ordinary:  # what older versions wrote, and may read
        assert "has_action" not in list(ordinary.keys()) and "has_state" not in ordinary.metadata()["episode"]


@ONCE
@given(known=st.lists(st.booleans(), min_size=1, max_size=10), chunk=st.integers(1, 5))
def test_a_window_with_an_unknown_action_has_none(tmp_path_factory, known, chunk):
    store = EpisodeStore.create(tmp_path_factory.mktemp("w"), SPEC, "r")
    store.put(0, replace(episode(0, len(known)), has_action=np.array(known)))
    store.put(1, episode(1, 3))
    windows = Windows([store], history=1, chunk=chunk, offsets=(1,))
    wanted = [all(known[t:t + chunk]) for t in range(len(known))] + [True] * 3
    batch = windows.batch(np.arange(len(windows)))
    assert windows.has_action.tolist() == wanted == batch.has_action.tolist() == windows.imitate.tolist()
    for row, fine in enumerate(wanted):
        left = min(chunk, (len(known) - row) if row < len(known) else 3 - (row - len(known)))
        assert batch.action_mask[row].tolist() == [fine and k < left for k in range(chunk)]
    assert batch.context.known.all() and np.array_equal(windows.chunks()[1], batch.action_mask.numpy())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_in_place_of_actions_changes_no_loss(name):
    model, rows = model_of(name), slice(2, 5)
    frames = len(model.offsets) or 2
    for other in (video_batch(9, rows, frames=frames), video_batch(1, rows, shift=3.0, frames=frames)):
        mixed = video_batch(1, rows, frames=frames)
        action = torch.where(mixed.has_action[:, None, None], mixed.action, other.action)
        other = replace(other, action=action)
        one, two = model.loss(mixed, 5), model.loss(other, 5)
        assert all(torch.equal(one[key], two[key]) for key in one)
        one["total"].backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    with_actions = model.loss(batch_for(model, chunks=1), 5), model.loss(batch_for(model, chunks=1, action_seed=9), 5)
    assert not torch.equal(with_actions[0]["total"], with_actions[1]["total"]), "the control: known actions count"


@pytest.mark.parametrize("name", NAMES)
def test_video_teaches_the_future_of_models_that_answer_video(name):
    model = model_of(name)
    losses = model.loss(video_batch(frames=len(model.offsets) or 2), 5)
    assert losses["action"] == 0
    learns = name not in ("vla", "dreamzero", "cosmos_policy", "world_vla")
    assert (losses.get("future", torch.zeros(())) > 0) == (VIDEO in model.answers()) == learns


def test_a_future_that_cannot_do_without_the_action_takes_no_video():
    every = (*CONDITIONS, "future", "action")
    settings = Streams({"future": frames(), "action": actions()}, {"future": every, "action": every}, clock="shared", width=32,
                       depth=2)
    torch.manual_seed(0)
    model = randomise(settings.build(small_spec()))
    assert VIDEO not in model.answers() and model.loss(video_batch(), 5)["total"] == 0 < model.loss(random_batch(), 5)["total"]


def test_an_unknown_state_is_not_a_state_of_zero():
    """Given and absent proprioception are told apart, in training and in answers."""
    model = model_of("uwm").eval()
    context = random_batch().context
    zeros = replace(context, state=torch.zeros_like(context.state))
    blind = replace(zeros, has_state=torch.zeros(len(zeros), dtype=torch.bool))
    said, unsaid = (model.predict(c, want={"future"}).future for c in (zeros, blind))
    assert not torch.equal(said, unsaid)
    moved = replace(blind, state=blind.state + 4)
    assert torch.equal(unsaid, model.predict(moved, want={"future"}).future)
    action = torch.zeros(len(zeros), model.chunk, 4)
    given = [model.predict(c, Given(action=action), {"future"}).future for c in (blind, moved)]
    assert torch.equal(*given)


def test_training_never_sees_what_lies_in_place_of_actions(demos, tmp_path):
    """Statistics included: the trained weights are the same to the bit."""
    r = tiny("uwm", steps=3, codec_steps=2)
    found = []
    for number, (junk, known) in enumerate([(None, False), (7.0, False), (7.0, True)]):
        video = videos(demos, tmp_path / f"video{number}", junk, known)
        found.append(checkpoint.read_tensors(train(r, [demos, video], tmp_path / f"run{number}", seed=1)))
    zeros, junk, as_if_known = found
    assert all(torch.equal(zeros[key], junk[key]) for key in zeros)
    mean = "contents.action.mean"
    assert not torch.equal(zeros[mean], as_if_known[mean]), "the control: junk taken for actions does harm"


def test_only_models_that_can_learn_from_video_are_given_it(demos, tmp_path):
    video = videos(demos, tmp_path / "video")
    plain, uwm, vla = (Trainer(tiny(name), stores, tmp_path / "none", 0) for name, stores in
                       (("uwm", [demos]), ("uwm", [demos, video]), ("vla", [demos, video])))
    one, two, three = (trainer.sources[0] for trainer in (plain, uwm, vla))
    assert WORLD_MODEL in plain.model.answers() and len(two.others) == len(one.others) + (~uwm.windows.has_action).sum()
    assert uwm.windows.has_action[two.imitated].all() and len(three.others) == 0
    assert plain.data != uwm.data
    with pytest.raises(WamError, match="no window"):
        train(tiny("vla"), [video], tmp_path / "vla")
    model = checkpoint.load_model(train(tiny("uwm"), [video], tmp_path / "alone"))
    assert torch.equal(model.contents["action"].scale, torch.ones(2)), "nothing is known of its actions"


def test_tools_say_that_actions_are_missing(demos, tmp_path):
    video = videos(demos, tmp_path / "video", junk=1.0)
    assert {f.check for f in check_dataset(video.path)} <= {f.check for f in check_dataset(demos.path)}
    with pytest.raises(DataError, match="no actions or states"):
        export_lerobot(video, tmp_path / "out")
    shown, = stored(video, [0])
    assert np.isnan(shown.action).all() and np.isnan(shown.state).all()
