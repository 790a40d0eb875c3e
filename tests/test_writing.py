"""Writing token by token: the cache says what one pass says, it pays, and a small world is learned from both questions."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from helpers_models import CONTEXT_SIZE, batch_for, given_for, random_context, randomise, small_spec
from wamlab import recipe
from wamlab.models.filling import noise_of
from wamlab.models.session import Session
from wamlab.models.streams import Streams
from wamlab.parts.masks import table_mask
from wamlab.parts.processes import FlowMatching, MaskedTokens, NextToken
from wamlab.parts.representations import Bins, Codes, Moment, Site
from wamlab.parts.representations.base import Content
from wamlab.parts.streams import Node, Stream
from wamlab.parts.vocabulary import CONDITIONS, actions, frames, given
from wamlab.spec import ActionSpec, TaskSpec
from wamlab.types import POLICY, WORLD_MODEL, Batch, Context, Given, query

READ = {"future": (*CONDITIONS, "action", "future"), "action": (*CONDITIONS, "action")}


def two_ways(**told) -> Streams:
    return Streams({"future": frames(Codes(), NextToken(), **{"within": "step"} | told),
                    "action": actions(Bins(16), NextToken(), within="causal")}, READ, clock="shared", width=32, depth=2,
                   practice=(POLICY, WORLD_MODEL))


@pytest.mark.parametrize("within", ["causal", "step"])
def test_what_a_token_reads_of_its_own_stream(within):
    """Earlier ones of its run; every run has a start token, and none reads another run."""
    table = Streams({"action": actions(Bins(), NextToken(), within=within)}, {"action": ("action",)}).table
    runs = 3 if within == "step" else 1
    mask, _ = table_mask(table, table.nodes, {"action": 6 + runs}, {"action": 3})
    size = (6 + runs) // runs
    for i in range(6 + runs):
        for j in range(6 + runs):
            assert mask[i, j].item() == (i // size == j // size and j <= i)


@pytest.mark.parametrize("settings", [two_ways(), two_ways(within="causal"), recipe.load("world_vla").model],
                         ids=["step", "causal", "recipe"])
def test_token_by_token_says_what_one_pass_over_the_answer_says(settings):
    """Scores at every place, with the cache, without, and by the training pass over what was written; both streams."""
    torch.manual_seed(0)
    model = randomise(replace(settings, width=32, depth=2).build(small_spec())).eval()
    scores: dict[str, list[torch.Tensor]] = {"future": [], "action": []}
    for name in scores:
        model.networks[0].outputs[name].register_forward_hook(lambda module, told, found, name=name: scores[name].append(found))
    acted = given_for(model, WORLD_MODEL, batch_for(model, CONTEXT_SIZE))
    with torch.inference_mode():
        for asked, told, sought in (("future", acted, {"future"}), ("action", Given(), {"action"})):
            scores[asked].clear()
            session = Session(model, random_context())
            session.predict(told, sought, [1, 2, 3])
            fast = torch.stack(scores[asked], 2).flatten(1, 2)
            found = drawn_codes(model, asked, fast, [1, 2, 3])
            known = session.known.copy()
            if asked == "future":
                known.put(Node("action", "", 0), model.contents["action"].encode(Moment(random_context(), action=told.action)))
            known.put(Node(asked, "", 0), found)
            nodes = [node for node in model.networks[0].nodes if node in known.values]
            whole = model.networks[0].read(Node(asked, "", 0), model.run(0, nodes, known)[Node(asked, "", 0)])
            torch.testing.assert_close(fast, whole, rtol=1e-3, atol=1e-4)
            assert not torch.allclose(whole[:, 0], whole[:, 1], atol=1e-2), "the control: places differ"


def drawn_codes(model, name, scores, seeds):
    """What the scores and the situations' own noise say."""
    return (scores + model.process(name).temperature * noise_of(model, seeds, torch.device("cpu"))[name]).argmax(-1)


@pytest.mark.slow
def test_the_cache_pays():
    """64 codes of a frame, width 128, depth 4, one thread: at least twice as fast from remembered keys and values."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    spec = replace(small_spec(), image_size=(64, 64))
    model = recipe.load("world_vla").model.build(spec).eval()
    g = torch.Generator().manual_seed(0)
    seen = torch.randint(0, 256, (4, 1, 3, 64, 64), dtype=torch.uint8, generator=g)
    context = Context(seen, torch.randn(4, 1, 3, generator=g), ("push it",) * 4)
    told, spent = Given(action=torch.rand(4, 8, 4, generator=g)), {True: [], False: []}
    with torch.inference_mode():
        sessions = {fast: Session(model, context, use_cache=fast) for fast in (True, False)}
        for _ in range(4):
            for fast, session in sessions.items():
                start = time.process_time()
                session.predict(told, {"future"})
                spent[fast].append(time.process_time() - start)
    assert model.contents["future"].tokens == 64
    assert min(spent[False]) > 2 * min(spent[True]), spent


@dataclass(frozen=True)
class Numbers:
    """Codes that lie in the actions or frames as they are; a stand-in for a codec that has learned."""

    title: ClassVar[str] = "codes"
    ahead: ClassVar[bool] = True
    action: bool

    @property
    def doing(self) -> bool:
        return self.action

    def build(self, site: Site) -> Content:
        return NumberContent(self.action)


class NumberContent(Content):
    def __init__(self, action: bool):
        super().__init__()
        self.action, self.classes = action, 6 if action else 8
        self.tokens, self.steps = (6, 3) if action else (6, 1)

    def encode(self, moment: Moment) -> torch.Tensor:
        return (moment.action if self.action else moment.future[:, 0, 0, 0, :6] * 255).flatten(1).round().long()

    def decode(self, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        if self.action:
            return values.unflatten(1, (3, 2)).float()
        return torch.nn.functional.pad(values, (0, 26))[:, None, None, None].expand(-1, 1, 3, 32, -1) / 255

    def mask(self, batch: Batch) -> torch.Tensor:
        return batch.action_mask[:, :1].expand(-1, 6)


def toy(size: int, seed: int) -> Batch:
    """Two modes: in the second, every action is two further on than in the first, which follows from the first state. The frame
    tells of the second state and of the actions."""
    g = torch.Generator().manual_seed(seed)
    c = torch.randint(0, 4, (size, 2), generator=g)
    mode = torch.randint(0, 2, (size, 1, 1), generator=g)
    act = (c[:, :1, None] + torch.arange(3)[:, None] + 2 * mode + torch.arange(2)) % 6
    row = (c[:, 1:] + act[:, :, 0].repeat(1, 2) + torch.arange(6)) % 8
    future = torch.zeros(size, 1, 3, 32, 32, dtype=torch.uint8)
    future[:, 0, 0, 0, :6] = row.to(torch.uint8)
    state = torch.nn.functional.one_hot(c, 4).flatten(1)[:, None].float()
    yes = torch.ones(size, 3, dtype=torch.bool)
    context = Context(torch.zeros(size, 1, 3, 32, 32, dtype=torch.uint8), state, ("go",) * size)
    return Batch(context, future, yes[:, :1], act.float(), yes, yes[:, 0], torch.zeros(size, 2, dtype=torch.int64))


def test_a_small_world_is_learned_in_both_questions_and_chunks_mix_modes():
    acts = ActionSpec(("a", "b"), (0.0,) * 2, (6.0,) * 2, ("1",) * 2)
    spec = TaskSpec("toy", "go", ("main",), (32, 32), tuple("abcdefgh"), acts, (), 20.0, 50)
    reads = {"future": ("state", "action", "future"), "action": ("state", "action")}
    streams = {"future": Stream(Numbers(False), NextToken(), within="causal"),
               "action": Stream(Numbers(True), NextToken(), within="step")}
    torch.manual_seed(0)
    model = Streams(streams, reads, clock="shared", practice=(POLICY, WORLD_MODEL), width=48, depth=3, chunk=3, offsets=(3,),
                    shift=0).build(spec)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(350):
        loss = model.loss(toy(64, step), step)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    part, seeds = toy(200, 9999), list(range(200))
    with torch.inference_mode():
        own, other = (model.predict(part.context, Given(action=action), {"future"}, seeds).future
                      for action in (part.action, part.action.roll(1, 0)))
        acted = model.predict(part.context, want={"action"}, seeds=seeds).action
    true = part.future.float() / 255
    right = [(one[:, 0, 0, 0, :6] * 255).round() == (true[:, 0, 0, 0, :6] * 255).round() for one in (own, other)]
    assert right[0].float().mean() > 0.9 and right[1].float().mean() < 0.5
    base = part.context.state[:, 0, :4].argmax(-1)[:, None, None] + torch.arange(3)[:, None] + torch.arange(2)
    modes = torch.stack([((base + 2 * mode) % 6 == acted).all(2) for mode in (0, 1)])  # [mode, B, step]
    assert modes.any(0).float().mean() > 0.9, "each step is in some mode"
    whole = modes.all(2).any(0).float().mean()
    assert 0.05 < whole < 0.6 and modes[0].float().mean() > 0.2 and modes[1].float().mean() > 0.2, "steps choose on their own"


def test_masked_codes_are_filled_in_a_model_too():
    torch.manual_seed(0)
    streams = {"future": frames(Codes(), MaskedTokens(steps=3)), "action": actions(process=FlowMatching(steps=3))}
    every = (*CONDITIONS, "future", "action")
    model = randomise(Streams(streams, {"future": every, "action": every}, width=32, depth=2).build(small_spec()))
    batch = batch_for(model, CONTEXT_SIZE)
    losses = model.loss(batch, 3)
    losses["total"].backward()
    assert all(torch.isfinite(value) for value in losses.values())
    model.eval()
    with torch.inference_mode():
        for asked in model.answers():
            fast, slow = (Session(model, batch.context, use_cache=on).predict(given_for(model, asked, batch), asked.sought)
                          for on in (True, False))
            for a, b in ((fast.future, slow.future), (fast.action, slow.action)):
                assert a is None or torch.allclose(a, b, rtol=1e-3, atol=1e-4)
    assert query("future action") in model.answers() and WORLD_MODEL in model.answers()


def test_a_condition_of_codes_is_taken_up_place_by_place():
    """Beside the token that foretells the place: a change of one place changes what is foretold from there on."""
    torch.manual_seed(0)
    streams = {"action": given(Bins(16), taken="place"), "future": frames(Codes(), NextToken(), within="causal")}
    model = randomise(Streams(streams, {"action": (), "future": (*CONDITIONS, "action", "future")}, width=32, depth=2, chunk=4,
                              offsets=(4,)).build(small_spec())).eval()
    batch = batch_for(model, 2)
    batch = replace(batch, action=batch.action[:, :4], action_mask=batch.action_mask[:, :4])
    moved = batch.action.clone()
    moved[:, 2, 0] = -moved[:, 2, 0]
    scores = []
    for action in (batch.action, moved):
        found: list[torch.Tensor] = []
        hook = model.networks[0].outputs["future"].register_forward_hook(lambda *told, found=found: found.append(told[-1]))
        model.loss(replace(batch, action=action), 0)
        hook.remove()
        scores.append(found[0])
    assert torch.equal(scores[0][:, :8], scores[1][:, :8]) and not torch.equal(scores[0][:, 8], scores[1][:, 8])
