"""Who reads whom: masks, queries and leaks, all derived from the coupling's table, for every recipe."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers_models import CONTEXT_SIZE, random_batch, random_context, randomise, small_spec
from wamlab import recipe
from wamlab.errors import SpecError
from wamlab.models import sampling
from wamlab.models.sampling import sample
from wamlab.parts.coupling import CONDITIONS, SEGMENTS, Coupling, attention_mask
from wamlab.types import Given, Query

NAMES = recipe.names()


def build(name: str):
    model = recipe.load(name).sized("debug").model.build(small_spec())
    return randomise(model).eval()


@given(st.dictionaries(st.sampled_from(SEGMENTS), st.lists(st.sampled_from(SEGMENTS)).map(tuple), min_size=1),
       st.data())
def test_mask_is_the_table(reads, data):
    reads = {name: reads.get(name, ()) for name in SEGMENTS}
    sizes = {name: data.draw(st.integers(1, 3)) for name in SEGMENTS}
    mask = attention_mask(reads, sizes, sizes)
    owner = [name for name in SEGMENTS for _ in range(sizes[name])]
    for i, j in itertools.product(range(len(owner)), repeat=2):
        assert mask[i, j].item() == (owner[j] in reads[owner[i]])


def test_wrong_tables_are_refused():
    with pytest.raises(SpecError, match="unknown segment"):
        Coupling(reads={"futur": ("text",)}, networks=(("text",),))
    with pytest.raises(SpecError, match="reads what is generated"):
        Coupling(reads={"context": ("future",)}, networks=(("context", "future"),))
    for reader in ("context", "future"):
        with pytest.raises(SpecError, match=f"{reader} reads a copy of the future"):
            Coupling(reads={reader: (reader, "future@clean"), "future@clean": ("future@clean",)},
                     networks=((reader, "future@clean"),))
    with pytest.raises(SpecError, match="another network"):
        Coupling(reads={"future": ("future",), "action": ("future", "action")}, networks=(("future",), ("action",)))
    with pytest.raises(SpecError, match="no network"):
        Coupling(reads={"future": ("future",)}, networks=(("action",),))


@pytest.mark.parametrize("name", NAMES)
def test_no_leak_in_training(name):
    """Perturbing a segment changes an output exactly where the table lets it, and nowhere else, to the bit."""
    torch.manual_seed(0)
    model = build(name)
    checked = 0
    for number, network in enumerate(model.networks):
        tokens = {s: torch.randn(2, len(network.positions[network.key(s)]), network.width) for s in network.segments}
        levels = {s: torch.rand(2) for s in network.segments if s not in CONDITIONS}
        clean, _ = network(tokens, levels)
        for changed in network.segments:
            hidden, _ = network(tokens | {changed: tokens[changed] + torch.randn_like(tokens[changed])}, levels)
            for reader in network.segments:
                if reader == changed:
                    continue
                same = torch.equal(hidden[reader][-1], clean[reader][-1])
                assert same == (changed not in model.coupling.closure(reader, number)), (number, changed, reader)
                checked += 1
    assert checked >= 6


@pytest.mark.parametrize("name", NAMES)
def test_no_leak_between_losses(name):
    """The future's loss feels the action data only where the future reads the action."""
    model, batch = build(name), random_batch()
    other = random_batch(action_seed=9)
    before, after = model.loss(batch, 3), model.loss(other, 3)
    assert not torch.equal(before["action"], after["action"])
    if "future" in before:
        assert torch.equal(before["future"], after["future"]) != model.coupling.directly("future", "action")


@pytest.mark.parametrize("name", NAMES)
def test_no_leak_in_sampling(name, monkeypatch):
    """With the cache on: the future's noise changes the action only where the action reads some form of the future."""
    model, context = build(name), random_context()
    honest = sampling.noise_of

    def other_future(seeds, shapes, device):
        noise = honest(seeds, shapes, device)
        return noise | ({"future": noise["future"] + 1} if "future" in noise else {})

    for query in model.answers():
        if query.action != "sought" or query.future == "given":
            continue
        want = {"action"} | ({"future"} if query.future == "sought" else set())
        with torch.inference_mode():
            before = model.predict(context, want=want)
            monkeypatch.setattr(sampling, "noise_of", other_future)
            after = model.predict(context, want=want)
            monkeypatch.setattr(sampling, "noise_of", honest)
        reads = model.coupling.closure("action") & {"future", "future@clean", "future@hidden"}
        assert torch.equal(before.action, after.action) == (not reads), query


@pytest.mark.parametrize("name", NAMES)
def test_every_claimed_answer_depends_on_what_is_given_and_the_rest_is_refused(name):
    from wamlab.errors import Unanswerable
    from wamlab.types import Context

    model, context = build(name), random_context()
    future, action = torch.rand(CONTEXT_SIZE, 2, 3, 32, 32), torch.rand(CONTEXT_SIZE, 8, 4) - 0.5
    changes = {
        "frames": Context(255 - context.frames, context.state, context.instruction),
        "state": Context(context.frames, context.state + 1, context.instruction),
        "instruction": Context(context.frames, context.state, ("another thing",) * CONTEXT_SIZE),
    }
    for f, a in itertools.product(("given", "sought", "absent"), repeat=2):
        query, want = Query(f, a), {n for n, r in (("future", f), ("action", a)) if r == "sought"}
        fixed = Given(future if f == "given" else None, action if a == "given" else None)
        if query not in model.answers():
            with pytest.raises(Unanswerable, match="cannot answer"):
                model.predict(context, fixed, want)
            continue
        with torch.inference_mode():
            answer = model.predict(context, fixed, want)

            def differs(other, answer=answer):
                return any(not torch.equal(x, y) for x, y in ((answer.future, other.future), (answer.action, other.action))
                           if x is not None)

            assert (answer.future is not None) == (f == "sought") and (answer.action is not None) == (a == "sought")
            for part, changed in changes.items():
                blind = (part == "instruction" and a == "sought" and f == "given"
                         and "text" not in model.coupling.closure("action"))
                assert differs(model.predict(changed, fixed, want)) != blind, (query, part)
            if f == "given":
                assert differs(model.predict(context, Given(1 - future), want))
            if a == "given":
                assert differs(model.predict(context, Given(None, -action), want))


@pytest.mark.parametrize("name", NAMES)
def test_cache_changes_nothing(name):
    model, context = build(name), random_context()
    future, action = torch.rand(CONTEXT_SIZE, 2, 3, 32, 32), torch.rand(CONTEXT_SIZE, 8, 4)
    for query in model.answers():
        fixed = Given(future if query.future == "given" else None, action if query.action == "given" else None)
        with torch.inference_mode():
            fast, slow = (sample(model, context, fixed, query, [1] * CONTEXT_SIZE, use_cache=on) for on in (True, False))
        for one, other in ((fast.future, slow.future), (fast.action, slow.action)):
            if one is not None:
                torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_situation_is_answered_alike_in_any_company(name):
    from wamlab.types import Context

    model, context = build(name), random_context()
    want = {"action"} if Query("absent", "sought") in model.answers() else {"future", "action"}
    with torch.inference_mode():
        together = model.predict(context, want=want, seeds=[5, 6, 7])
        alone = model.predict(Context(context.frames[1:2], context.state[1:2], context.instruction[1:2]), want=want, seeds=[6])
    torch.testing.assert_close(together.action[1:2], alone.action, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(together.action[0], together.action[1])
