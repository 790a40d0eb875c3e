"""The future learned as pictures, made in an order, and read backwards."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from helpers_models import CONTEXT_SIZE, batch_for, random_context, randomise, small_spec
from wamlab import recipe
from wamlab.errors import SpecError
from wamlab.models.session import Session
from wamlab.models.streams import Streams
from wamlab.parts.codecs.likeness import FLOOR, unlikeness
from wamlab.parts.levels import training_levels
from wamlab.parts.processes import FlowMatching
from wamlab.parts.representations import Latents
from wamlab.parts.vocabulary import CONDITIONS, actions, frames
from wamlab.queries import POLICY
from wamlab.types import Given

ALL, SEEDS = (*CONDITIONS, "future", "action"), [4, 5, 6]
JOINT = Streams({"future": frames(), "action": actions()}, {"future": ALL, "action": ALL}, width=16, depth=2, heads=2)


def built(**words):
    torch.manual_seed(0)
    return randomise(replace(JOINT, **words).build(small_spec())).eval()


@pytest.mark.parametrize("order", [("action", "future"), ("future", "action")])
@pytest.mark.parametrize("cached", [True, False])
def test_what_is_made_in_an_order_is_asked_one_after_the_other(order, cached):
    """p(a) p(f | a): the same two answers, asked for one by one."""
    model, context = built(order=order), random_context()
    with torch.inference_mode():
        both = Session(model, context, use_cache=cached).predict(want={*order}, seeds=SEEDS)
        first = model.predict(context, want={order[0]}, seeds=SEEDS)
        second = model.predict(context, Given(**{order[0]: getattr(first, order[0])}), {order[1]}, SEEDS)
        together = built().predict(context, want={*order}, seeds=SEEDS)
    # What is offered as frames is encoded anew, and a codec that has learned nothing gives back something else.
    assert torch.allclose(getattr(both, order[0]), getattr(first, order[0]), atol=1e-5)
    if order[0] == "action":
        assert torch.allclose(both.future, second.future, atol=1e-4)
    assert not torch.allclose(both.action, together.action, atol=1e-2)


def test_in_an_order_each_takes_its_own_number_of_steps():
    quick = {"future": frames(process=FlowMatching(steps=1)), "action": actions()}
    with pytest.raises(SpecError, match="different numbers of steps"):
        built(streams=quick)
    answer = built(streams=quick, order=("action", "future")).predict(random_context(), seeds=SEEDS)
    assert answer.future.shape[0] == CONTEXT_SIZE and answer.action.isfinite().all()


@pytest.mark.parametrize("words, problem", [
    (dict(order=("action", "futur")), "only what is generated"), (dict(order=("action", "action")), "each once"),
    (dict(order=("action", "text")), "only what is generated"),
    (dict(order=("action", "future"), clock="shared"), "cannot be made at that place"),
    (dict(order=("action", "future"), practice=(POLICY,)), "cannot be made at that place"),
])
def test_an_order_that_cannot_be_is_refused(words, problem):
    with pytest.raises(SpecError, match=problem) as caught:
        built(**words)
    assert caught.value.where == "Streams.order"


def test_unlikeness_is_a_mean_of_decibels():
    now, true = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    true[:, :, :4] = 0.5
    assert torch.allclose(unlikeness(true, true, now), torch.full((2,), math.log(FLOOR) + math.log(10 * FLOOR) / 2))
    half = unlikeness(true * 0.5, true, now)
    assert torch.allclose(half, torch.full((2,), math.log(0.0625 / 2 + FLOOR) + math.log(0.0625 + 10 * FLOOR) / 2), atol=1e-5)
    # The same stain costs more where little else is wrong, which no mean of squares would say.
    stain = torch.zeros_like(true)
    stain[:, :, 7] = 0.1
    clean, rough = (unlikeness(one + stain, true, now) - unlikeness(one, true, now) for one in (true, true * 0.5))
    assert (clean > 5 * rough).all()


def test_pictures_teach_the_trunk_and_the_hand_that_draws_but_never_the_latents():
    model = built(streams={"future": frames(Latents(pixels=0.2, pictures=2)), "action": actions()}).train()
    assert model.draws and not built().draws
    model.codec.freeze(model.draws)
    batch = batch_for(model)
    losses = model.loss(batch, 0)
    plain = losses["future"] + 3 * losses["action"]
    assert torch.allclose(losses["total"], plain + 0.2 * losses["future drawn"])
    learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
    grads = torch.autograd.grad(losses["future drawn"], [*learned.values()], allow_unused=True)
    moved = {name.split(".codec.")[-1].split(".")[0] for name, grad in zip(learned, grads, strict=True)
             if grad is not None and grad.any()}
    assert {"seen", "open", "ups", "paint"} <= moved and "encoder" not in moved and any("networks" in name for name in moved)
    assert not any(p.requires_grad for p in model.codec.encoder.parameters())
    dark = replace(batch, future=torch.zeros_like(batch.future))
    assert not torch.allclose(model.loss(dark, 0)["future drawn"], losses["future drawn"], atol=1e-2)


def test_pictures_of_nothing_are_no_error():
    """A batch of which no future is known."""
    model = built(streams={"future": frames(Latents(pixels=0.2)), "action": actions()})
    batch = batch_for(model)
    assert model.loss(replace(batch, future_mask=torch.zeros_like(batch.future_mask)), 0)["future drawn"] == 0


def levels_of(table, share, imitate=False, known=True):
    yes = torch.ones(4000, 1, dtype=torch.bool)
    found = training_levels(table, frozenset({"action"}), yes & imitate, yes & known, torch.Generator().manual_seed(0),
                            tied=0.5, corners=0.0, backward=share)
    return {node.stream: level for node, level in found.items()}


def test_play_is_asked_which_action_led_there():
    seen = levels_of(JOINT.table, 0.5)
    turned = seen["action"] < 1
    assert abs(turned.float().mean() - 0.5) < 0.03 and (seen["future"][turned] == 1).all()
    assert (levels_of(JOINT.table, 0.0)["action"] == 1).all(), "play is never imitated"
    for words in (dict(imitate=True), dict(known=False)):
        with_, without = (levels_of(JOINT.table, share, **words) for share in (0.5, 0.0))
        assert ((with_["future"] == 1) == (without["future"] == 1)).all()
    blind = recipe.load("fast_wam").model.table  # its action reads no future
    assert all(torch.equal(a, b) for a, b in zip(levels_of(blind, 0.5).values(), levels_of(blind, 0.0).values(), strict=True))


@pytest.mark.parametrize("name, learns", [("uwm", True), ("fast_wam_joint", True), ("fast_wam_idm", True), ("unipi", True),
                                          ("fast_wam", False), ("vla", False), ("dreamzero", False)])
def test_play_teaches_actions_only_where_the_finished_future_shows_them(name, learns):
    settings = recipe.load(name).sized("debug").model
    for share in (0.5, 0.0):
        torch.manual_seed(0)
        model = randomise(replace(settings, backward=share).build(small_spec()))
        one, two = (model.loss(batch_for(model, size=32, action_seed=seed, imitate=False), 5)["action"] for seed in (1, 9))
        assert (one != two) == (learns and share > 0)
    nothing = torch.zeros(32, 2, dtype=torch.bool)
    unseen = [replace(batch_for(model, size=32, action_seed=seed, imitate=False), future_mask=nothing) for seed in (1, 9)]
    model = randomise(replace(settings, backward=0.5).build(small_spec()))
    assert model.loss(unseen[0], 5)["action"] == model.loss(unseen[1], 5)["action"], "a future nobody saw shows no action"


@pytest.mark.parametrize("key, steered", [("action", True), ("action@clean", True), ("state", False)])
def test_a_future_is_told_where_its_actions_take_the_body(key, steered):
    """However it reads them: that extra is what the actions amount to, and it depends on them."""
    reads = {"future": (*CONDITIONS, key, "future"), "action": (*CONDITIONS, "action")}
    model = randomise(replace(JOINT, reads=reads).build(small_spec())).eval()
    network = model.networks[0]
    assert (network.steering is not None) == steered
    if steered:
        context, told = random_context(), []
        for action in (torch.zeros(3, 8, 4), torch.ones(3, 8, 4)):
            with torch.inference_mode():
                told.append(model.predict(context, Given(action=action), {"future"}, SEEDS).future)
        network.steering.body[-1].weight.data.zero_()
        network.steering.body[-1].bias.data.zero_()
        with torch.inference_mode():
            without = model.predict(context, Given(action=action), {"future"}, SEEDS).future
        assert not torch.allclose(told[0], told[1], atol=1e-4) and not torch.allclose(told[1], without, atol=1e-4)
