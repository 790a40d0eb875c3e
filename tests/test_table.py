"""Who reads whom: masks, questions and leaks, all derived from the table, for every recipe."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers_models import CONTEXT_SIZE, batch_for, given_for, no_leak, random_context, randomise, small_spec
from wamlab import recipe
from wamlab.errors import SpecError, Unanswerable
from wamlab.models import session
from wamlab.models.streams import Streams
from wamlab.parts.masks import table_mask
from wamlab.parts.processes import NextToken
from wamlab.parts.representations import Actions
from wamlab.parts.streams import Node
from wamlab.parts.table import Table
from wamlab.parts.vocabulary import CONDITIONS, SEEN, actions, frames, state
from wamlab.parts.vocabulary import given as fixed_stream
from wamlab.types import Given, Query

NAMES = recipe.names()
TABLES = {name: recipe.load(name).model.table for name in NAMES}


def build(name: str):
    """Codes are drawn: which is the likeliest of an untrained network hardly depends on what it is shown."""
    torch.manual_seed(0)
    settings = recipe.load(name).sized("debug").model
    drawn = {key: replace(stream, process=replace(stream.process, temperature=1.0))
             for key, stream in settings.streams.items() if isinstance(stream.process, NextToken)}
    return randomise(replace(settings, streams={**settings.streams, **drawn}).build(small_spec())).eval()


@given(st.data())
def test_mask_is_the_table(data):
    """Token by token: a token reads another where the table has its node read the other's, chunk by chunk."""
    words = ["text", "future", "future@clean", "future@past", "action", "action@past", "action@noisy"]
    reads = {name: tuple(data.draw(st.lists(st.sampled_from(words), unique=True)))
             for name in ("future", "action", "future@clean", "action@clean")}
    chunks = data.draw(st.integers(1, 3))
    copied = {key.partition("@")[0] for name in ("future", "action") for key in reads[name]
              if key[-4:] in ("lean", "past")}
    reads = {name: keys for name, keys in reads.items() if "@" not in name or name.partition("@")[0] in copied}
    try:
        seen = {"text": SEEN["text"]} if any("text" in keys for keys in reads.values()) else {}
        table = Table({**seen, "future": frames(), "action": actions()}, reads, chunks)
    except SpecError:
        return
    sizes = {node.key: data.draw(st.integers(1, 3)) for node in table.nodes}
    mask, where = table_mask(table, table.nodes, sizes, {name: 1 for name in table.streams})
    owner = [node for node in table.nodes for _ in range(sizes[node.key])]
    assert len(owner) == len(mask)
    for i, j in itertools.product(range(len(owner)), repeat=2):
        assert mask[i, j].item() == (owner[j] in table.read_by(owner[i]))
        assert not mask[i, j] or owner[j].chunk <= max(owner[i].chunk, 0)
    assert where[owner[0]].start == 0


ALL = (*CONDITIONS, "future", "action")
BOTH = {"future": frames(), "action": actions()}


@pytest.mark.parametrize("settings, problem", [
    (dict(streams=BOTH, reads={"futur": ("text",)}), "unknown stream 'futur'"),
    (dict(streams=BOTH, reads={"future": ("context@before",)}), "unknown stream 'context@before'"),
    (dict(streams=BOTH, reads={"future": ("context",), "context": ("future",)}), "context (is there once|reads what)"),
    (dict(streams={"state": state(once=False), **BOTH}, reads={"future": ("state",), "state": ("state", "action")}),
     "state reads what is generated"),
    (dict(streams=BOTH, reads={"future": ("future", "future@clean")}), "future sees its own answer"),
    (dict(streams=BOTH, reads={"future": ("future", "action@clean"), "action@clean": ("future@clean",)}),
     "future sees its own answer"),
    (dict(streams=BOTH, reads={"future": ("action@clean",), "action": ("future@clean",)}), "wait for one another"),
    (dict(streams=BOTH, reads={"future": ("future",), "action": ("future", "action")}, networks=(("future",), ("action",))),
     "another network"),
    (dict(streams=BOTH, reads={"future": ("future",), "action": ("action",)}, networks=(("action",),)), "no network"),
    (dict(streams=BOTH, reads={"future": ALL, "action": ALL}, chunks=0), "means nothing"),
    (dict(streams=BOTH, reads={"future": ALL, "action": ALL}, practice=(Query(frozenset({"value"})),)),
     "unknown stream 'value'"),
])
def test_wrong_tables_are_refused(settings, problem):
    with pytest.raises(SpecError, match=problem) as caught:
        assert Streams(**settings).table
    assert caught.value.where and caught.value.expected


def test_what_is_only_ever_given_has_to_be_given():
    """A model that has only ever seen the action given does not claim to do without it."""
    table = Streams({"action": fixed_stream(Actions()), "future": frames()}, {"future": ALL, "action": ("action",)}).table
    assert table.answers == {Query(frozenset({"future"}), frozenset({"action"}))}
    assert "needs action given" in table.why_not(Query(frozenset({"future"})))


READS = {
    "vla": {"action": (*CONDITIONS, "action")},
    "uwm": {"future": ALL, "action": ALL},
    "fast_wam": {"future": (*CONDITIONS, "future"), "action": (*CONDITIONS, "action")},
    "fast_wam_joint": {"future": (*CONDITIONS, "future"), "action": ALL},
    "fast_wam_idm": {"future": (*CONDITIONS, "future"), "future@clean": (*CONDITIONS, "future@clean"),
                     "action": (*CONDITIONS, "future@clean", "action")},
    "unipi": {"future": (*CONDITIONS, "future"), "future@clean": ("state", "context", "future@clean"),
              "action": ("state", "context", "future@clean", "action")},
    "vpp": {"future": (*CONDITIONS, "future"), "future@hidden": (*CONDITIONS, "future@hidden"),
            "action": (*CONDITIONS, "future@hidden", "action")},
}
ANSWERS = {
    "vla": "a", "uwm": "a f fa a|f f|a", "fast_wam": "a f", "fast_wam_joint": "a f fa a|f", "fast_wam_idm": "f fa a|f",
    "unipi": "f fa a|f", "vpp": "a f fa", "dreamzero": "fa", "world_vla": "a fa f|a", "dreamzero_flash": "a f fa a|f f|a",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_questions_that_a_wiring_answers(name):
    word = {"future": "f", "action": "a"}
    short = {"".join(word[n] for n in ("future", "action") if n in q.sought) +
             ("|" + "".join(word[n] for n in q.given) if q.given else "") for q in TABLES[name].answers}
    assert short == set(ANSWERS[name].split())


@pytest.mark.parametrize("name", READS)
def test_one_chunk_says_what_a_list_of_segments_said(name):
    """The seven designs that need no chunks: who reads whom, in the plain words of one chunk."""
    table = TABLES[name]
    for key, read in READS[name].items():
        stream, _, view = key.partition("@")
        inside = {node.key for nodes in table.members if Node(stream, view, 0) in nodes for node in nodes}
        assert {node.key for node in table.read_by(Node(stream, view, 0))} & inside == set(read)
    for condition in CONDITIONS:
        assert {node.key for node in table.read_by(Node(condition))} == set(CONDITIONS)


@pytest.mark.parametrize("name", NAMES)
def test_no_leak_in_training(name):
    """Perturbing a node changes another exactly where the table lets it, and nowhere else, to the bit."""
    model = randomise(replace(recipe.load(name).sized("debug").model, depth=4).build(small_spec())).eval()
    no_leak(model)


@pytest.mark.parametrize("name", NAMES)
def test_no_leak_between_losses(name):
    """The future's loss feels the action data only where the future reads the action."""
    model = build(name)
    before, after = (model.loss(batch_for(model, action_seed=seed), 3) for seed in (1, 9))
    assert not torch.equal(before["action"], after["action"])
    if "future" in before:
        reads = any(node.stream == "action" for node in model.table.closure(Node("future", "", model.chunks - 1)))
        assert torch.equal(before["future"], after["future"]) != reads


@pytest.mark.parametrize("name", NAMES)
def test_no_leak_in_sampling(name, monkeypatch):
    """With the cache on: the future's noise changes the action only where the action reads some form of the future."""
    model, context, honest = build(name), random_context(), session.noise_of

    def other_future(model, seeds, device):
        noise = honest(model, seeds, device)
        return noise | ({"future": noise["future"].flip(0) + 1} if "future" in noise else {})

    for query in model.answers():
        if query.action != "sought" or query.future == "given":
            continue
        with torch.inference_mode():
            before = model.predict(context, want=query.sought)
            monkeypatch.setattr(session, "noise_of", other_future)
            after = model.predict(context, want=query.sought)
            monkeypatch.setattr(session, "noise_of", honest)
        reads = any(node.stream == "future" for node in model.table.closure(Node("action", "", 0)))
        assert torch.equal(before.action, after.action) == (not reads), query


def named(answer) -> dict[str, torch.Tensor]:
    main = {"future": answer.future, "action": answer.action}
    return {name: value for name, value in main.items() if value is not None} | dict(answer.others)


def said(model, context, fixed: Given, query: Query) -> list[torch.Tensor]:
    """All that is answered; of codes also the scores that they were drawn from, which tell of every influence."""
    scores, hooks = [], []
    for network in model.networks:
        for stream, output in network.outputs.items():
            if model.process(stream).discrete and stream in query.sought:
                hooks.append(output.register_forward_hook(lambda module, told, found: scores.append(found)))
    answer = named(model.predict(context, fixed, query.sought))
    for hook in hooks:
        hook.remove()
    return [*answer.values(), *scores]


def twisted(fixed: Given, name: str) -> Given:
    """The same but for one stream."""
    if name == "future":
        return replace(fixed, future=1 - fixed.future)
    if name == "action":
        return replace(fixed, action=-fixed.action)
    return replace(fixed, others={**fixed.others, name: fixed.others[name] + 1})


@pytest.mark.parametrize("name", NAMES)
def test_every_claimed_answer_depends_on_what_is_given_and_the_rest_is_refused(name):
    model, context = build(name), random_context()
    changes = {
        "context": replace(context, frames=255 - context.frames), "state": replace(context, state=context.state + 1),
        "text": replace(context, instruction=("another thing",) * CONTEXT_SIZE),
    }
    names = {"future", "action", *(name for query in model.answers() for name in query.sought | query.given)}
    for told in itertools.product(("given", "sought", "absent"), repeat=len(names)):
        roles = dict(zip(sorted(names), told, strict=True))
        query = Query(frozenset(n for n in roles if roles[n] == "sought"), frozenset(n for n in roles if roles[n] == "given"))
        fixed = given_for(model, query, batch_for(model, CONTEXT_SIZE, seed=1))
        if query not in model.answers():
            with pytest.raises(Unanswerable, match="cannot answer"):
                model.predict(context, fixed, query.sought)
            continue
        with torch.inference_mode():
            assert named(model.predict(context, fixed, query.sought)).keys() == query.sought
            answer = said(model, context, fixed, query)

            def differs(other, answer=answer):
                return any(not torch.equal(x, y) for x, y in zip(answer, other, strict=True))

            for part, changed in changes.items():
                seen = any(node.stream == part for x in model.table.complete(query).sought
                           for node in model.table.closure(Node(x, "", 0)))
                seen |= part == "context" and "future" in query.sought | query.given  # what changes since now is told by now
                assert differs(said(model, changed, fixed, query)) == seen, (query, part)
            for x in query.given:
                assert differs(said(model, context, twisted(fixed, x), query)), (query, x)


@pytest.mark.parametrize("name", NAMES)
def test_a_situation_is_answered_alike_in_any_company(name):
    model, context = build(name), random_context()
    query = min((q for q in model.answers() if q.action == "sought" and not q.given), key=lambda q: len(q.sought))
    with torch.inference_mode():
        together = model.predict(context, want=query.sought, seeds=[5, 6, 7])
        one = replace(context, frames=context.frames[1:2], state=context.state[1:2], instruction=context.instruction[1:2])
        alone = model.predict(one, want=query.sought, seeds=[6])
    torch.testing.assert_close(together.action[1:2], alone.action, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(together.action[0], together.action[1])
