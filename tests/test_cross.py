"""Attention across: a stream that others read by an attention of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers_models import CONTEXT_SIZE, everything, no_leak, random_batch, randomise, session_agrees, small_spec
from wamlab import recipe
from wamlab.errors import SpecError
from wamlab.models.streams import Streams
from wamlab.parts.attention import Trunk
from wamlab.parts.streams import Node
from wamlab.parts.vocabulary import CONDITIONS, actions, frames

JOINT, CROSS = recipe.load("fast_wam_joint"), recipe.load("cross_wam")


def settings(expert: str = "shared", **told) -> Streams:
    """The future is read across, also that of earlier chunks."""
    reads = {"future": (*CONDITIONS, "future", "future@past"), "action": (*CONDITIONS, "future", "future@past", "action")}
    return Streams({"future": frames(taken="cross"), "action": actions(expert=expert)}, reads, width=32, depth=4, **told)


def build(config: Streams):
    torch.manual_seed(0)
    return randomise(config.build(small_spec())).eval()


@pytest.mark.parametrize("size", ["debug", "small", "base"])
def test_the_comparison_is_between_models_of_one_size(size):
    def counts(one):
        model = one.sized(size).model.build(small_spec())
        expert = [p.numel() for name, p in model.named_parameters() if ".experts.action." in name or ".crossing." in name]
        return sum(p.numel() for p in model.parameters()), sum(expert)

    for cross, joint in zip(counts(CROSS), counts(JOINT), strict=True):
        assert abs(cross / joint - 1) < 0.02
    full = replace(CROSS, model=replace(CROSS.model, experts={}))
    assert counts(full)[1] / counts(JOINT)[1] > 1.02, "the control: at equal width it is larger"


def test_what_is_read_across_is_not_read_jointly():
    network = build(CROSS.sized("debug").model).networks[0]
    (mask, where), crossed = network.whole, network.crossed
    action, future = where[Node("action", "", 0)], where[Node("future", "", 0)]
    assert not mask[action, future].any() and crossed[action, future].all()
    assert mask[future, future].all() and crossed.sum() == crossed[action, future].sum()
    assert (mask | crossed).equal(build(JOINT.sized("debug").model).networks[0].whole[0])


@pytest.mark.parametrize("depth, blocks", [(1, [0]), (2, [1]), (4, [1, 3]), (5, [0, 2, 4])])
def test_every_second_block_and_the_last_attend_across(depth, blocks):
    trunk = Trunk({"a": 8, "b": 16}, depth, 2, 16, {"a"})
    assert [number for number, block in enumerate(trunk.blocks) if block.crossing] == blocks
    assert all({*block.crossing} <= {"a"} for block in trunk.blocks)


@pytest.mark.parametrize("expert", ["shared", "action"])
def test_chunks_leak_nothing_and_a_session_says_what_training_says(expert):
    """Also where tokens that read across and tokens that do not share their weights."""
    model = build(settings(expert, chunks=3, clock="shared"))
    no_leak(model)
    session_agrees(model, random_batch(CONTEXT_SIZE, chunks=3))


def test_closed_gates_hide_the_future():
    """The action depends on the future through the attention across alone."""
    model = build(settings("action", chunks=2))
    known = everything(model, random_batch(2, chunks=2))
    spoilt = known.copy()
    spoilt.values[Node("future", "", 0)] = known.values[Node("future", "", 0)] + 1
    for closed in (False, True):
        if closed:
            for block in model.networks[0].trunk.blocks:
                for cross in block.crossing.values():
                    torch.nn.init.zeros_(cross.gate.weight)
                    torch.nn.init.zeros_(cross.gate.bias)
        before, after = (model.run(0, model.networks[0].nodes, one)[Node("action", "", 0)][-1] for one in (known, spoilt))
        assert torch.equal(before, after) == closed


def test_another_network_is_not_read_across():
    with pytest.raises(SpecError, match="another network"):
        assert replace(settings(chunks=2), networks=((*CONDITIONS, "future", "future@clean"), (*CONDITIONS, "action"))).table
