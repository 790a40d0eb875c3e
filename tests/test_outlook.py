"""What a chunk leads to, beside frames: the state after it and its value; signals tiled into latent frames; best of N."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from data_fakes import SPEC, Walker, episode
from helpers_models import random_batch, randomise, small_spec
from wamlab import recipe
from wamlab.control.planning import BestOf
from wamlab.control.policy import ModelPolicy
from wamlab.data.store import EpisodeStore
from wamlab.data.windows import Windows
from wamlab.errors import SpecError, Unanswerable, WamError
from wamlab.models.base import WorldActionModel
from wamlab.models.training import moment_of
from wamlab.parts.levels import training_levels
from wamlab.parts.representations import Actions, After, Moment, Site, Tiled, Value, Words
from wamlab.parts.streams import Node
from wamlab.types import IMAGINE_AND_ACT, POLICY, Prediction, query

SITE = Site(small_spec(), 1, 8, (4, 8))
SIGNALS = {"action": Actions(), "after": After(), "value": Value()}


def store_of(path, *episodes) -> EpisodeStore:
    store = EpisodeStore.create(path, SPEC, "r")
    for number, one in enumerate(episodes):
        store.put(number, one)
    return store


def test_windows_tell_the_state_at_the_offsets_and_the_steps_to_the_first_success(tmp_path):
    """Solved at 4 and again at 7; never solved; nobody said."""
    solved = replace(episode(0, 8), success=np.isin(np.arange(9), (4, 7, 8)))
    windows = Windows([store_of(tmp_path, solved, replace(episode(1, 8), success=np.zeros(9, bool)),
                                episode(2, 8, success="unknown"))], history=1, chunk=3, offsets=(1, 3))
    batch = windows.batch(np.arange(len(windows)))
    assert batch.to_success[:8].tolist() == [max(4 - (t + 3), 0) for t in range(8)]
    assert batch.to_success[8:16].isinf().all() and batch.to_success[16:].isnan().all()
    assert batch.future_state[:8].tolist() == [[[min(t + o, 8), 0] for o in (1, 3)] for t in range(8)]
    value = Value(0.5).build(Site(SPEC, 1, 3, (1, 3)))
    moment = moment_of(batch)
    assert value.decode(value.encode(moment), moment)[:16].tolist() == [0.5, *[1.0] * 7, *[0.0] * 8]
    assert value.known(moment).tolist() == value.mask(batch)[:, 0].tolist() == [True] * 16 + [False] * 8
    after = After().build(Site(SPEC, 1, 3, (1, 3)))
    assert after.known(moment).tolist() == after.mask(batch)[:, 0].tolist() == [t + 3 <= 8 for t in range(8)] * 3
    assert after.decode(after.encode(moment), moment)[:6].tolist() == [[t + 3, 0] for t in range(6)]
    assert batch.to(torch.device("cpu")).to_success is not None


@pytest.mark.parametrize("name", SIGNALS)
def test_tiles_fill_a_frame_and_average_back(name):
    content, moment = Tiled(SIGNALS[name]).build(SITE), moment_of(random_batch())
    tiles, plain = content.encode(moment), SIGNALS[name].build(SITE).encode(moment)
    assert tiles.shape == (6, 4, 32) == (6, content.tokens, content.width)  # 32 x 32 pixels are 4 tokens of 32 numbers
    assert sorted(tiles[0].unique().tolist()) == sorted(plain[0].unique().tolist())
    said = SIGNALS[name].build(SITE).decode(plain, moment)
    torch.testing.assert_close(content.decode(tiles, moment), said, rtol=0, atol=1e-5)
    for column in range(plain.flatten(1).shape[1]):  # the mean, not one of the copies
        where = (content.place == column).view(4, 32)
        assert where.any()
        apart = torch.zeros_like(tiles)
        apart[:, where] = torch.arange(int(where.sum())).float()
        one = content.decode(tiles + apart, moment).reshape(6, -1)[:, column] - content.decode(tiles, moment).reshape(
            6, -1)[:, column]
        mean = (where.sum() - 1) / 2
        torch.testing.assert_close(one, mean.expand(6) * (0.5 if name == "value" else 1.0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("unit", [1.0, 1000.0, 1e-3])
def test_tiles_are_the_same_in_any_unit(unit):
    """Millimetres or kilometres: what the network sees does not change; the control: without statistics it does."""
    g = torch.Generator().manual_seed(0)
    states = torch.randn(500, 3, generator=g) * torch.tensor([1.0, 5.0, 0.2]) + 3
    found = []
    for scale in (1.0, unit):
        content = Tiled(After()).build(SITE)
        raw = content.encode(Moment(random_batch().context, others={"after": states[:6] * scale}))
        content.fit(torch.zeros(0, 4), states * scale)
        moment = Moment(random_batch().context, others={"after": states[:6] * scale})
        found.append((raw, content.encode(moment)))
        torch.testing.assert_close(content.decode(content.encode(moment), moment), states[:6] * scale, rtol=1e-4, atol=0)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-3)
    assert unit == 1.0 or not torch.allclose(found[0][0], found[1][0], rtol=0.1)


def test_what_is_unknown_of_a_signal_is_unknown_of_whole_tokens():
    batch = random_batch()
    batch = replace(batch, action_mask=torch.arange(8)[None] < torch.tensor([8, 7, 4, 3, 1, 0])[:, None])
    mask = Tiled(Actions()).build(SITE).mask(batch)  # 8 actions in 4 tokens: two a token
    assert mask.sum(1).tolist() == [4, 3, 2, 1, 0, 0]
    content, moment = Tiled(Actions()).build(SITE), moment_of(batch)
    before = content.encode(moment)
    after = content.encode(replace(moment, action=torch.where(batch.action_mask[..., None], moment.action, 9.0)))
    assert torch.equal(before[mask], after[mask]) and not torch.equal(before, after)
    large = Site(replace(small_spec(), image_size=(64, 64)), 1, 8, (4, 8))
    assert Tiled(Actions()).build(large).mask(batch).sum(1).tolist() == [16, 14, 8, 6, 2, 0]  # each action twice


@pytest.mark.parametrize("holds, chunk", [(Words(), 8), (Actions(), 64)])
def test_what_does_not_fit_into_a_frame_is_refused(holds, chunk):
    with pytest.raises(SpecError, match="does not fit") as caught:
        Tiled(holds).build(replace(SITE, chunk=chunk))
    assert caught.value.fix


@pytest.mark.parametrize("discount", [0.0, 1.5, float("nan")])
def test_a_discount_that_is_none_is_refused(discount):
    with pytest.raises(SpecError, match="means nothing"):
        Value(discount)


def test_a_question_that_stands_twice_is_asked_twice_as_often():
    """Half of the samples seek everything, a quarter is given the action, a quarter everything but the value."""
    model = recipe.load("cosmos_policy").model
    yes, levels = torch.ones(4000, 1, dtype=torch.bool), {}
    for node, level in training_levels(model.table, frozenset({"action"}), yes, yes, torch.Generator().manual_seed(0),
                                       tied=0.5, corners=0.2).items():
        levels[node.stream] = level
    given = {name: (level == 1) for name, level in levels.items()}
    assert abs(given["action"].float().mean() - 0.5) < 0.03 and abs(given["after"].float().mean() - 0.25) < 0.03
    assert torch.equal(given["after"], given["future"]) and (given["action"] | ~given["after"]).all()
    assert not given["value"].any()
    free = ~given["action"]
    assert torch.equal(levels["action"][free], levels["value"][free]), "what is sought together has one level"


def test_unknown_outcomes_and_states_teach_nothing_and_are_absent():
    torch.manual_seed(0)
    model = randomise(recipe.load("cosmos_policy").sized("debug").model.build(small_spec()))
    batch = random_batch()
    nobody = replace(batch, to_success=torch.full((6,), torch.nan))
    losses = model.loss(nobody, 3)
    assert losses["value"] == 0 < losses["after"] and torch.isfinite(losses["total"])
    beyond = replace(batch, future_mask=torch.tensor([True, False]).expand(6, 2))
    other = replace(beyond, future_state=beyond.future_state + 7)
    one, two = model.loss(beyond, 3), model.loss(other, 3)
    assert one["after"] == 0 and all(torch.equal(one[key], two[key]) for key in one)
    assert model.loss(batch, 3)["after"] != model.loss(replace(batch, future_state=batch.future_state + 7), 3)["after"]


class Honest(WorldActionModel):
    """Says as its value how far right its action goes."""

    task_spec, history, chunk, offsets = Walker.task_spec, 1, 2, (2,)

    def loss(self, batch, seed):
        return {"total": torch.zeros(())}

    def answers(self):
        return frozenset({query("future action value"), IMAGINE_AND_ACT, POLICY})

    def _predict(self, context, given, query, seeds):
        action = torch.rand(len(context), 2, 2, generator=torch.Generator().manual_seed(seeds[0])) * 0.1
        return Prediction(context.frames[:, -1:] / 255, action, others={"value": action.sum((1, 2))})


def test_of_several_answers_the_one_valued_most_is_done():
    seen = {"frames": {"main": np.zeros((8, 8, 3), np.uint8)}, "state": np.zeros(1, np.float32)}
    done = {}
    for name, policy in (("plain", ModelPolicy(Honest())), ("one", BestOf(Honest(), 1)), ("many", BestOf(Honest(), 32))):
        rows = []
        for seed in range(20):
            policy.reset(seed)
            policy.observe(seen)
            rows.append(policy.decide(seen, "walk").action)
        done[name] = np.stack(rows).sum((1, 2))
    assert np.array_equal(done["plain"], done["one"])
    assert (done["many"] >= done["plain"]).all() and done["many"].min() > np.median(done["plain"])
    with pytest.raises(WamError, match="something to choose"):
        BestOf(Honest(), 0)
    with pytest.raises(Unanswerable, match="no such policy"):
        BestOf(recipe.load("uwm").sized("debug").model.build(small_spec()), 4)


def test_a_trained_kind_of_model_plans_with_its_own_value():
    torch.manual_seed(0)
    model = randomise(recipe.load("cosmos_policy").sized("debug").model.build(small_spec())).eval()
    seen = {"frames": {"main": np.zeros((32, 32, 3), np.uint8)}, "state": np.zeros(3, np.float32)}
    policy = BestOf(model, 4)
    policy.reset(1)
    policy.observe(seen)
    valued = []
    honest = policy.session("push it").predict
    session = policy.session("push it")
    session.predict = lambda **told: valued.append(honest(**told)) or valued[-1]
    with torch.inference_mode():
        chosen = policy.answer(session, 5)
    values = [float(answer.others["value"]) for answer in valued]
    assert len(set(values)) == 4 and chosen is valued[int(np.argmax(values))]
    assert policy.decide(seen, "push it").frames is not None
    assert Node("value") not in session.known.values
