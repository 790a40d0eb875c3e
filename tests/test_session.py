"""A session says what the training pass says; reality overwrites imagination; asking writes nothing. For every recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers_models import (
    CONTEXT_SIZE,
    batch_for,
    given_for,
    happened,
    random_batch,
    random_context,
    randomise,
    session_agrees,
    small_spec,
)
from wamlab import recipe
from wamlab.control.policy import ModelPolicy
from wamlab.errors import SpecError, Unanswerable
from wamlab.models.session import Session
from wamlab.models.together import together
from wamlab.parts.processes import FlowMatching
from wamlab.parts.streams import Node
from wamlab.parts.vocabulary import actions, frames
from wamlab.types import Context, Given

NAMES = recipe.names()
LONG = [name for name in NAMES if recipe.load(name).model.chunks > 1]


def build(name: str):
    torch.manual_seed(0)
    return randomise(recipe.load(name).sized("debug").model.build(small_spec())).eval()


def answers_of(prediction) -> list[torch.Tensor]:
    return [x for x in (prediction.future, prediction.action, *prediction.others.values()) if x is not None]


@pytest.mark.parametrize("name", NAMES)
def test_the_session_says_of_a_chunk_what_the_training_pass_says(name):
    """The one teacher-forced pass over all chunks, against a session that remembers those before."""
    model = build(name)
    session_agrees(model, batch_for(model, CONTEXT_SIZE))


@pytest.mark.parametrize("name", NAMES)
def test_the_cache_changes_nothing(name):
    model = build(name)
    batch = batch_for(model, CONTEXT_SIZE)
    parts = batch.chunks()
    with torch.inference_mode():
        for query in model.answers():
            fast, slow = (Session(model, parts[0].context, use_cache=on) for on in (True, False))
            for chunk in range(model.chunks):
                given = given_for(model, query, parts[chunk])
                one, other = (s.predict(given, query.sought, [1] * CONTEXT_SIZE) for s in (fast, slow))
                for a, b in zip(answers_of(one), answers_of(other), strict=True):
                    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
                for s in (fast, slow):
                    if chunk + 1 < model.chunks:
                        s.observe(parts[chunk + 1].context, happened(parts[chunk]))
    assert any(memory.slots for memory in fast.memories) and not any(memory.slots for memory in slow.memories)


@pytest.mark.parametrize("name", LONG)
def test_reality_overwrites_imagination_to_the_bit(name):
    """Imagined, imagined further, then told what happened: as if nothing had been imagined. And it matters what happened."""
    model = build(name)
    parts, other = (random_batch(CONTEXT_SIZE, chunks=model.chunks, seed=seed).chunks() for seed in (0, 4))
    query = max(model.answers(), key=lambda q: (len(q.sought), str(q)))
    with torch.inference_mode():
        straight, corrected, dreaming = (Session(model, parts[0].context) for _ in range(3))
        straight.observe(parts[1].context, happened(parts[0]))
        for s in (corrected, dreaming):
            s.observe(parts[1].context, happened(other[0]), real=False)
        corrected.adopt(corrected.predict(want=query.sought))
        assert corrected.chunk == 2 and corrected.real == [False, False]
        corrected.observe(parts[1].context, happened(parts[0]), chunk=0)
        assert corrected.chunk == 1 and corrected.real == [True]
        given = given_for(model, query, parts[1])
        a, b, c = (answers_of(s.predict(given, query.sought)) for s in (straight, corrected, dreaming))
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert any(not torch.equal(x, y) for x, y in zip(a, c, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_asking_writes_nothing(name):
    model, context = build(name), random_context()
    with torch.inference_mode():
        session = Session(model, context)
        before = [{node: [(k.clone(), v.clone()) for k, v in keys] for node, keys in memory.slots.items()}
                  for memory in session.memories]
        told, chunk = dict(session.known.values), session.chunk
        query = max(model.answers(), key=lambda q: (len(q.sought), str(q)))
        part = batch_for(model, CONTEXT_SIZE)
        first = answers_of(session.predict(given_for(model, query, part), query.sought))
        again = answers_of(session.predict(given_for(model, query, part), query.sought))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert session.chunk == chunk and session.known.values.keys() == told.keys()
    for memory, old in zip(session.memories, before, strict=True):
        assert memory.slots.keys() == old.keys()
        for node, keys in memory.slots.items():
            assert all(torch.equal(k, a) and torch.equal(v, b) for (k, v), (a, b) in zip(keys, old[node], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_given_is_told_as_finished_and_what_is_left_out_as_absent(name, monkeypatch):
    model = build(name)
    part = batch_for(model, CONTEXT_SIZE)
    asked, honest = [], model.run

    def watched(number, active, known, *rest, **more):
        asked.append({node: known.levels.get(node) for node in known.values})
        return honest(number, active, known, *rest, **more)

    monkeypatch.setattr(model, "run", watched)
    for query in model.answers():
        asked.clear()
        with torch.inference_mode():
            session = Session(model, part.context)
            asked.clear()
            session.predict(given_for(model, query, part), query.sought)
        assert asked
        complete = model.table.complete(query)
        for levels in asked:
            for stream in model.table.generated:
                level = levels.get(Node(stream, "", 0))
                if stream in query.given:
                    assert level is None or (level == 1).all()
                elif stream not in complete.sought:
                    assert level is not None and (level == 0).all()


@pytest.mark.parametrize("name", LONG)
def test_a_session_begins_anew_when_its_window_is_full_or_the_instruction_changes(name):
    model = build(name)
    parts = random_batch(CONTEXT_SIZE, chunks=model.chunks).chunks()
    with torch.inference_mode():
        session = Session(model, parts[0].context)
        for chunk in range(1, model.chunks):
            session.observe(parts[chunk].context, happened(parts[chunk - 1]))
        assert session.chunk == model.chunks - 1
        session.observe(parts[0].context, happened(parts[-1]))
        assert session.chunk == 0 and not session.real
        session.observe(parts[1].context, happened(parts[0]))
        other = replace(parts[2].context, instruction=("something else",) * CONTEXT_SIZE)
        session.observe(other, happened(parts[1]))
        assert session.chunk == 0
        with pytest.raises(SpecError, match="no such chunk"):
            session.observe(other, happened(parts[1]), chunk=3)
        query = max(model.answers(), key=lambda q: (len(q.sought), str(q)))
        fresh = Session(model, other)
        for a, b in zip(*(answers_of(s.predict(want=query.sought)) for s in (session, fresh)), strict=True):
            assert torch.equal(a, b)


def test_what_is_not_answerable_is_refused_in_a_session_too():
    with pytest.raises(Unanswerable, match="cannot answer"):
        Session(build("vla"), random_context()).predict(want={"future"})
    with pytest.raises(SpecError, match="nothing was imagined"):
        session = Session(build("vla"), random_context())
        session.adopt(session.predict(want={"action"}))


@pytest.mark.parametrize("name", NAMES)
def test_no_token_tells_of_later_frames(name):
    """What a codec makes of a frame is unchanged by the frames that follow; and it is not blind to its own."""
    model = build(name)
    if model.codec is None:
        return
    content, part = model.contents["future"], batch_for(model, CONTEXT_SIZE)
    future = part.future.float() / 255
    per = content.tokens // len(model.offsets)
    moment = session_moment(part, future)
    before = content.encode(moment)
    for frame in range(len(model.offsets)):
        spoilt = future.clone()
        spoilt[:, frame] = 1 - spoilt[:, frame]
        after = content.encode(session_moment(part, spoilt))
        assert torch.equal(before[:, : frame * per], after[:, : frame * per])
        assert not torch.equal(before[:, frame * per : (frame + 1) * per], after[:, frame * per : (frame + 1) * per])


def session_moment(part, future):
    from wamlab.parts.representations import Moment
    return Moment(part.context, future, part.action)


def test_written_nodes_are_those_that_others_read():
    model = build("dreamzero")
    parts = random_batch(CONTEXT_SIZE, chunks=model.chunks).chunks()
    with torch.inference_mode():
        session = Session(model, parts[0].context)
        session.observe(parts[1].context, happened(parts[0]))
    assert {node for node in session.memories[0].slots if node.chunk == 0} == {Node("future", "clean", 0), Node("state", "", 0)}


@pytest.mark.parametrize("name", LONG)
def test_a_session_that_goes_on_says_what_one_made_from_scratch_says(name):
    """Along an episode, deciding at every chunk's end, or in between; beyond the window it begins anew."""
    model = build(name)
    g = torch.Generator().manual_seed(0)
    spec = model.task_spec
    seen = [{"frames": {"main": torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8, generator=g).numpy()},
             "state": torch.randn(3, generator=g).numpy()} for _ in range(model.chunk * model.chunks + 13)]
    query = max(model.answers(), key=lambda q: (len(q.sought), str(q)))
    going, chunks = ModelPolicy(model, query.sought), []
    going.reset(3)
    for step, observation in enumerate(seen):
        going.observe(observation)
        if step % model.chunk in (0, 4):
            fresh = ModelPolicy(model, query.sought)
            fresh.reset(3)
            for earlier in seen[: step + 1]:
                fresh.observe(earlier)
            if step % model.chunk == 0:
                one, other = going.decide(observation, spec.instruction), fresh.decide(observation, spec.instruction)
                np.testing.assert_allclose(one.action, other.action, rtol=1e-3, atol=1e-4)
                chunks.append(going._session.chunk)
            else:
                fresh.decide(observation, spec.instruction)
    assert chunks == [*range(model.chunks), *range(2)]


@pytest.mark.parametrize("name", LONG)
def test_what_was_seen_before_matters_and_decisions_between_chunks_remember_too(name):
    model = build(name)
    g = torch.Generator().manual_seed(0)
    query = max(model.answers(), key=lambda q: (len(q.sought), str(q)))
    frames = torch.randint(0, 256, (13, 32, 32, 3), dtype=torch.uint8, generator=g).numpy()
    found = []
    for spoilt in (None, 4, 8):  # 4 is now - 8: where the chunk that is remembered starts; 8 is its first offset
        policy = ModelPolicy(model, query.sought)
        policy.reset(0)
        for step in range(13):
            frame = 255 - frames[step] if step == spoilt else frames[step]
            policy.observe({"frames": {"main": frame}, "state": np.zeros(3, np.float32)})
        found.append(policy.decide({}, "push it").action)
        assert policy._session.chunk == 1
    assert not np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


@pytest.mark.parametrize("name", ["dreamzero", "uwm"])
def test_sessions_that_stand_at_different_chunks_are_asked_together_and_answer_as_alone(name):
    model = build(name)
    parts = random_batch(5, chunks=model.chunks).chunks()
    query = max(model.answers(), key=lambda q: (len(q.sought), str(q)))

    def row(part, n):
        context = part.context
        return Context(context.frames[n : n + 1], context.state[n : n + 1], context.instruction[n : n + 1])

    with torch.inference_mode():
        sessions = []
        for n, chunks in enumerate((0, 2, 0, 1, 2)):
            session = Session(model, row(parts[0], n))
            for chunk in range(min(chunks, model.chunks - 1)):
                session.observe(row(parts[chunk + 1], n), Given(parts[chunk].future[n : n + 1].float() / 255))
            sessions.append(session)
        alone = [session.predict(want=query.sought, seeds=[n]) for n, session in enumerate(sessions)]
        same = together(sessions, query.sought, list(range(5)))
    for one, other in zip(alone, same, strict=True):
        for a, b in zip(answers_of(one), answers_of(other), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(same[0].action, same[2].action)
    assert [session.chunk for session in sessions] == ([0, 2, 0, 1, 2] if model.chunks > 1 else [0] * 5)


def test_passes_that_would_say_the_same_are_left_out_if_wanted(monkeypatch):
    """Every third pass at most; how often is each situation's own affair, whatever company it is in."""
    passes = {}
    context = random_context()
    for skip in (None, 1.0, -1.0, 0.3):
        made = replace(recipe.load("uwm").sized("debug").model, skip=skip, streams={
            "future": frames(process=FlowMatching(steps=9)), "action": actions(process=FlowMatching(steps=9))})
        torch.manual_seed(0)
        model = randomise(made.build(small_spec())).eval()
        ran, honest = [], model.run
        monkeypatch.setattr(model, "run", lambda *a, ran=ran, honest=honest, **k: (ran.append(1), honest(*a, **k))[1])
        with torch.inference_mode():
            answer = model.predict(context, seeds=[1, 2, 3])
            passes[skip] = len(ran), answer.action
            for n in range(3):
                one = Context(context.frames[n : n + 1], context.state[n : n + 1], context.instruction[n : n + 1])
                alone = model.predict(one, seeds=[n + 1]).action
                torch.testing.assert_close(alone, answer.action[n : n + 1], rtol=1e-3, atol=1e-4)
    assert passes[None][0] == passes[1.0][0] == passes[-1.0][0] + 3
    assert torch.equal(passes[None][1], passes[1.0][1]) and not torch.equal(passes[None][1], passes[-1.0][1])
