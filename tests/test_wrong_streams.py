"""What a recipe of one's own may get wrong: refused before anything is trained, with stream or field and what to do."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from helpers_models import batch_for, random_context, randomise, small_spec
from wamlab.commands.list import facts
from wamlab.control.executor import Executor
from wamlab.control.gate import Gate
from wamlab.control.policy import ModelPolicy
from wamlab.errors import SpecError, Unanswerable
from wamlab.models.streams import Streams
from wamlab.parts.checks import check
from wamlab.parts.processes import Diffusion, FlowMatching, NextToken
from wamlab.parts.representations import Actions, After, Bins, Latents, Seen, State, Tiled, Value
from wamlab.parts.streams import Stream
from wamlab.parts.vocabulary import CONDITIONS, actions, frames, given, state
from wamlab.queries import IMAGINE_AND_ACT, INVERSE_DYNAMICS, POLICY, VIDEO, WORLD_MODEL
from wamlab.recipe import Recipe
from wamlab.types import Given

BOTH, ALL = {"future": frames(), "action": actions()}, (*CONDITIONS, "future", "action")
JOINT = {"future": ALL, "action": ALL}
APART = {"future": (*CONDITIONS, "future"), "action": (*CONDITIONS, "action")}
RECALL = {"future": (*ALL, "future@past"), "action": ALL}


def untyped(made: Any, **words: Any) -> Any:
    """The same with words of any type, as a file of a user's may have them: types are checked in tests alone."""
    found = object.__new__(type(made))
    for name, value in ({field.name: getattr(made, field.name) for field in fields(made)} | words).items():
        object.__setattr__(found, name, value)
    return found


def with_stream(name: str) -> dict[str, Any]:
    return {"streams": {**BOTH, name: given(State(), once=True)}, "reads": {**APART, "action": (*CONDITIONS, name, "action")}}


@pytest.mark.parametrize("settings, problem, where", [
    (dict(reads={**JOINT, "action": "action"}), "is one text", "action"),
    (dict(reads={**JOINT, "action": (*CONDITIONS, "future@")}), "unknown stream 'future@'", "action"),
    (dict(reads={**JOINT, "action": ("text@hidden", "action")}), "no hidden states", "action"),
    (dict(streams={**BOTH, "action": Actions()}), "action is no stream", "Streams.streams, action"),
    (dict(streams={}, reads={}), "nothing is generated", "Streams.streams"),
    (dict(reads=APART, practice=(INVERSE_DYNAMICS,)), "practised that the wiring cannot answer", "Streams.practice"),
    (dict(networks=((*ALL, "txt"),)), "unknown stream 'txt'", "Streams.networks"),
    (dict(reads=APART, networks=((*CONDITIONS, "future"), ALL)), "future lives in 2 networks", "Streams.networks"),
    (dict(streams={**BOTH, "action": actions(process=Diffusion())}), "different numbers of steps", "future, action"),
    (dict(streams={**BOTH, "action": actions(taken="place")}, chunks=2, reads={**APART, "future": ("future", "action@past")}),
     "place by place", "future"),
    (dict(streams={**BOTH, "action": actions(taken="place")}, reads={**APART, "future": ("future", "action@clean")}),
     "place by place", "future"),
    (with_stream("a.b"), "no name", "Streams.streams"),
    (with_stream("values"), "no name", "Streams.streams"),
    (with_stream("future_clean"), "no name", "Streams.streams"),
    (dict(offsets=8), "a list", "Streams.offsets"),
    (dict(offsets=()), "no place in time", "Streams.offsets"),
    (dict(offsets=(8, 4)), "out of order", "Streams.offsets"),
    (dict(offsets=(4, 12), chunks=2, reads=RECALL), "still to come", "Streams.offsets"),
    (dict(experts={"acton": 0.5}), "no stream goes through", "Streams.experts"),
    (dict(experts={"shared": 0}), "means nothing", "Streams.experts, shared"),
    (dict(chunk=8.0), "means nothing", "Streams.chunk"),
    (dict(chunk=True), "means nothing", "Streams.chunk"),
    (dict(reads=RECALL), "there is only one", "Streams.reads, future"),
    (dict(chunks=2, reads={"future": (*ALL, "future@past", "future@noisy"), "action": ALL}), "only one is remembered",
     "Streams.reads, future"),
    (dict(reads={**JOINT, "future@clean": ("text",)}), "nobody reads it", "Streams.reads, future@clean"),
    (dict(chunks=2, reads={**RECALL, "future@past": ("text",)}), "no row of its own", "Streams.reads, future@past"),
    (dict(streams={**BOTH, "pose": given(State(), once=True)}), "nobody reads pose", "Streams.streams, pose"),
    (dict(tied=1.5), "means nothing", "Streams.tied"),
    (dict(corners=-0.1), "means nothing", "Streams.corners"),
    (dict(blur="0.5"), "means nothing", "Streams.blur"),
    (dict(shift=-1), "means nothing", "Streams.shift"),
    (dict(skip=1.5), "means nothing", "Streams.skip"),
    (dict(play_weight=float("nan")), "means nothing", "Streams.play_weight"),
    (dict(streams={**BOTH, "later": Stream(Tiled(After()), FlowMatching())}, reads={**JOINT, "later": ("later",)}),
     "found by another name", "Streams.streams, later"),
    (dict(streams={"video": frames(), "action": actions()},
          reads={"video": ("video",), "action": ("video@clean", "action")}), "no place in time", "frames of camera main"),
])
def test_wrong_settings_are_refused(settings, problem, where):
    with pytest.raises(SpecError, match=problem) as caught:
        untyped(Streams(BOTH, JOINT), **settings).build(small_spec())
    assert where in caught.value.where and caught.value.expected


@pytest.mark.parametrize("words, problem, where", [
    (dict(clock="Shared"), "none of the options", "Streams.clock"),
    (dict(practice=POLICY), "no questions", "Streams.practice"),
    (dict(practice=("policy",)), "no questions", "Streams.practice"),
    (dict(networks=("future", "action")), "a network of 'future'", "Streams.networks"),
])
def test_words_of_another_type_are_refused(words, problem, where):
    table = Streams(BOTH, JOINT).table
    check(table)
    with pytest.raises(SpecError, match=problem) as caught:
        check(untyped(table, **words))
    assert caught.value.where == where


@pytest.mark.parametrize("made, words, where", [
    (actions(), dict(within="casual"), "Stream.within"), (frames(), dict(taken="Cross"), "Stream.taken"),
    (actions(), dict(weight=-1.0), "Stream.weight"), (actions(), dict(holds=Actions), "Stream.holds"),
    (frames(), dict(process=FlowMatching), "Stream.process"),
    (FlowMatching(), dict(predict="noise"), "FlowMatching.predict"), (FlowMatching(), dict(power=0.0), "FlowMatching.power"),
])
def test_a_word_that_is_no_option_is_refused_where_it_is_said(made, words, where):
    made.__post_init__()
    with pytest.raises(SpecError) as caught:
        untyped(made, **words).__post_init__()
    assert caught.value.where == where


def test_offsets_beyond_a_chunk_are_fine_where_nothing_is_remembered():
    """The control: they show what is to come only to those who read earlier chunks."""
    assert Streams(streams=BOTH, reads=JOINT, offsets=(4, 12)).build(small_spec()).offsets == (4, 12)


def test_hidden_states_of_a_narrow_expert_are_read():
    made = Streams(streams={**BOTH, "future": frames(expert="video")}, experts={"video": 0.5}, width=16, depth=2, heads=2,
                   reads={"future": (*CONDITIONS, "future"), "action": (*CONDITIONS, "future@hidden", "action")},
                   networks=((*CONDITIONS, "future"), (*CONDITIONS, "future@hidden", "action"))).build(small_spec())
    assert made.loss(batch_for(made), 0)["total"].isfinite()
    assert made.predict(random_context(), want={"action"}).action.isfinite().all()


@pytest.mark.parametrize("word, learns", [("action@clean", True), ("action", True), ("state", False)])
@pytest.mark.parametrize("action", [actions(), actions(Bins(8), NextToken(), within="causal")])
def test_play_teaches_what_reads_the_actions_finished_or_not(word, learns, action):
    made = Streams(streams={**BOTH, "action": action}, width=16, depth=2, heads=2, chunk=8,
                   reads={**APART, "future": (*CONDITIONS, word, "future")}).build(small_spec())
    assert made.reads_actions == learns == bool(made.loss(batch_for(made, imitate=False), 0)["future"] > 0)


def test_what_was_never_trained_is_not_answered():
    """Practised questions are all that training poses, and codes that are written are absent in none."""
    assert Streams(BOTH, JOINT, practice=(POLICY,)).table.answers == {POLICY}
    assert Streams(BOTH, JOINT, practice=(IMAGINE_AND_ACT, POLICY)).table.answers == Streams(BOTH, JOINT).table.answers
    written = {**BOTH, "action": actions(Bins(8), NextToken(), within="causal")}
    first = {**APART, "future": (*CONDITIONS, "action", "future")}
    assert Streams(written, first).table.answers == {POLICY, WORLD_MODEL, IMAGINE_AND_ACT}
    assert Streams(BOTH, first).table.answers == {POLICY, WORLD_MODEL, IMAGINE_AND_ACT, VIDEO}  # the control


def test_the_row_of_a_model_that_acts_and_then_imagines():
    row = Streams(streams=BOTH, reads={**APART, "future": (*CONDITIONS, "action@clean", "future")}).axes()
    assert (row["future reads action"], row["action reads future"]) == ("clean", "never")
    assert row["inference"] == "action, then future"
    assert Streams(streams=BOTH, reads=APART).axes()["inference"] == "action only"  # the control


def test_a_recipe_of_further_cameras_is_shown_without_its_data():
    """No task is at hand that has the camera, and none is needed to say what the wiring answers."""
    hand, later = given(Seen(camera="wrist"), once=True), frames(Latents(camera="wrist"))
    eyes = Streams(streams={"hand": hand, **BOTH, "hand_future": later},
                   reads={name: (*ALL, "hand", "hand_future") for name in ("future", "hand_future", "action")})
    assert "imagine_and_act" in facts(Recipe("eyes", "", "", "", eyes))["answers"]
    with pytest.raises(SpecError, match="means nothing"):  # the control: what cannot be is still refused
        facts(Recipe("eyes", "", "", "", untyped(eyes, tied=2.0)))


def test_what_was_imagined_is_forgotten_when_the_chunk_is_told_again():
    streams = {"state": state(once=False), **BOTH}
    made = Streams(streams, {"state": ("state",), **RECALL}, chunks=3, width=16, depth=2, heads=2).build(small_spec())
    session, now = made.session(random_context(2)), random_context(2, seed=1)
    session.adopt(session.predict())
    session.predict()
    session.observe(now, Given(), chunk=0)
    with pytest.raises(SpecError, match="what is read is not known"):
        session.predict()


def test_actions_that_are_only_given_are_remembered():
    """A world model alone, over several chunks: what was done before is part of what it knows."""
    reads = (*CONDITIONS, "future", "action", "action@past", "future@past")
    made = Streams(streams={"future": frames(), "action": given(Actions())}, chunks=2, width=16, depth=2, heads=2,
                   reads={"future": reads, "action": ("action",)}).build(small_spec()).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    assert made.answers() == {WORLD_MODEL}
    found = []
    for done in (0.0, 1.0, 0.0):
        session, action = made.session(random_context(2)), torch.full((2, 8, 4), done)
        session.observe(random_context(2, seed=1), Given(torch.zeros(2, 2, 3, 32, 32), action))
        found.append(session.predict(Given(action=torch.zeros(2, 8, 4)), {"future"}).future)
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])


def test_a_first_glance_sees_nothing_of_what_is_made_beside_it():
    """The video network makes two streams; what the action reads of one pass over noise shows no true value of either."""
    torch.manual_seed(0)
    made = Streams({"future": frames(), "after": Stream(After(), FlowMatching()), "action": actions()},
                   {"future": (*CONDITIONS, "future", "after"), "after": (*CONDITIONS, "future", "after"),
                    "action": (*CONDITIONS, "future@hidden", "action")},
                   networks=((*CONDITIONS, "future", "after"), (*CONDITIONS, "future@hidden", "action")),
                   width=16, heads=2, depth=2, shift=0)
    model = randomise(made.build(small_spec())).eval()
    batch = batch_for(model)
    other = replace(batch, future_state=batch.future_state + 5)
    one, two = model.loss(batch, 0), model.loss(other, 0)
    assert one["action"] == two["action"] and one["after"] != two["after"]
    context = random_context()
    alone = model.predict(context, want={"action"}, seeds=[1, 2, 3]).action
    assert torch.allclose(alone, model.predict(context, want={"action", "future", "after"}, seeds=[1, 2, 3]).action, atol=1e-5)


def test_a_policy_refuses_to_remember_what_it_is_not_told():
    """Nobody tells a policy the value of what happened; before it acts, not at its second chunk."""
    value = Stream(Value(), FlowMatching())
    made = Streams({**BOTH, "value": value}, {**JOINT, "value": (*ALL, "value", "value@past")}, chunks=2, width=16, heads=2,
                   depth=2)
    with pytest.raises(Unanswerable, match="not told") as caught:
        ModelPolicy(made.build(small_spec()))
    assert caught.value.where == "value@past" and "session" in caught.value.fix
    told = replace(made, streams=BOTH, reads={"future": (*ALL, "future@past"), "action": ALL})
    assert ModelPolicy(told.build(small_spec())).model.remembers == {"future"}


@torch.inference_mode()
def test_a_policy_is_told_what_was_executed():
    """Not what it decided: what the gate let through is what its next chunk remembers."""
    made = Streams(BOTH, {"future": (*ALL, "action@past"), "action": (*ALL, "action@past")}, chunks=2, offsets=(4, 8), width=16,
                   heads=2, depth=2)
    model = randomise(made.build(small_spec())).eval()
    spec, width, draw = model.task_spec, model.task_spec.action.width, np.random.default_rng(0)
    walked = [{"frames": {spec.cameras[0]: draw.integers(0, 255, (*spec.image_size, 3), dtype=np.uint8)},
               "state": draw.normal(size=len(spec.state)).astype(np.float32)} for _ in range(model.chunk + 1)]
    narrow = Gate(replace(spec.action, low=(-0.01,) * width, high=(0.01,) * width), 1e6)
    executor = Executor(ModelPolicy(model, {"action"}), narrow, model.chunk)
    done = [executor.act(seen, "go") for seen in walked[:-1]]
    assert not np.allclose(done, executor.imagined[0].action, atol=1e-3)
    policy = executor.policy
    policy.observe(walked[-1])
    found = policy.decide(walked[-1], "go").action
    context, seeds = policy.situation("go")
    running = model.session(policy.situation("go", model.chunk)[0])
    for action, same in ((np.stack(done), True), (executor.imagined[0].action, False)):
        running.begin(policy.situation("go", model.chunk)[0])
        running.observe(context, Given(action=torch.from_numpy(action)[None]))
        assert np.allclose(found, running.predict(want={"action"}, seeds=seeds).action[0].numpy(), atol=1e-5) == same
    alone = ModelPolicy(model, {"action"})
    for seen in walked:
        alone.observe(seen)
    with pytest.raises(SpecError, match="nobody told"):
        alone.decide(walked[-1], "go")


def test_what_is_done_under_a_later_instruction_is_not_imitated_under_the_first():
    model = randomise(Streams(BOTH, RECALL, chunks=2, width=16, heads=2, depth=2, shift=0).build(small_spec())).eval()
    batch = batch_for(model)
    second = batch.later[0]
    other = replace(batch, later=(replace(second, context=replace(second.context, instruction=("else",) * len(batch))),))
    play = replace(batch, later=(replace(second, imitate=torch.zeros_like(second.imitate)),))
    one, two, three = (model.loss(each, 0) for each in (batch, other, play))
    assert one["action"] != two["action"] and two["action"] == three["action"] and two["future"] == three["future"]


@pytest.mark.parametrize("told, seeds, where", [
    ({}, [1], "seeds"), ({"action": torch.zeros(3, 7, 4)}, None, "Given.action"),
    ({"action": torch.zeros(2, 8, 4)}, None, "Given.action"), ({"future": torch.zeros(3, 1, 3, 32, 32)}, None, "Given.future"),
    ({"action": torch.full((3, 8, 4), torch.nan)}, None, "Given.action"),
    ({"others": {"after": torch.zeros(1, 3)}}, None, "Given.others['after']")])
def test_what_an_asker_hands_over_is_looked_at(told, seeds, where):
    model = Streams({**BOTH, "after": Stream(After(), FlowMatching())}, {**{name: (*ALL, "after") for name in BOTH}, "after": (
        *ALL, "after")}, width=16, heads=2, depth=2).build(small_spec())
    context = random_context()
    want = {"future", "action", "after"} - {*told, *told.get("others", {})}
    for ask in (partial(model.predict, context), model.session(context).predict):
        with pytest.raises(SpecError) as caught:
            ask(Given(**told), want, seeds)
        assert caught.value.where == where and caught.value.fix
        ask(None, {"future", "action", "after"}, [1, 2, 3])


def test_a_model_of_several_frames_cannot_go_on_with_those_it_imagined():
    model = Streams(BOTH, RECALL, chunks=2, history=2, width=16, heads=2, depth=2).build(small_spec())
    one = random_context()
    session = model.session(replace(one, frames=one.frames.repeat(1, 2, 1, 1, 1), state=one.state.repeat(1, 2, 1)))
    with pytest.raises(SpecError, match="seen next"):
        session.adopt(session.predict(seeds=[1, 2, 3]))
