"""Optical flow, and the latent actions that are made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from helpers_models import random_batch, randomise, small_spec
from wamlab import recipe
from wamlab.errors import SpecError
from wamlab.models.training import moment_of
from wamlab.parts.optical_flow import optical_flow
from wamlab.parts.representations import FlowAction, Moment, Registers, Site
from wamlab.parts.representations.flow_action import patterns

SITE = Site(small_spec(), 1, 8, (4, 8))


def smooth(size: int = 64, seed: int = 0) -> torch.Tensor:
    """A picture of soft blobs, four times as wide as it is looked at."""
    g = torch.Generator().manual_seed(seed)
    return F.interpolate(torch.rand(1, 3, size // 4, size // 4, generator=g), (2 * size, 2 * size), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("x, y", [(0, 0), (1, 0), (0, -2), (3, 2), (-4, 3), (5, -5)])
def test_a_moved_picture_has_that_flow(x, y):
    big = smooth()
    before, after = big[..., 32:96, 32:96], big[..., 32 - y:96 - y, 32 - x:96 - x]
    inside = optical_flow(before, after)[..., 8:-8, 8:-8]
    for found, true in zip(inside.mean((0, 2, 3)).tolist(), (x, y), strict=True):
        assert abs(found - true) < 0.25 + 0.05 * abs(true)


def test_one_thing_moves_and_the_rest_stands_still():
    g = torch.Generator().manual_seed(0)
    back, thing = torch.rand(1, 3, 64, 64, generator=g) * 0.02, smooth(16)[..., :12, :12]
    before, after = back.clone(), back.clone()
    before[..., 20:32, 20:32], after[..., 20:32, 23:35] = thing, thing
    flow = optical_flow(before, after)
    assert flow[0, 0, 23:29, 23:29].mean() > 1.5 and flow[0, :, 45:, 45:].abs().mean() < 0.3
    assert torch.equal(optical_flow(before, before), torch.zeros_like(flow))
    assert optical_flow(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)).abs().max() == 0, "nothing to hold on to"


def test_patterns_are_orthonormal_and_the_first_two_are_the_mean_motion():
    every = patterns(32)
    torch.testing.assert_close(every @ every.T, torch.eye(32), atol=1e-5, rtol=0)
    right, down = patterns(2).view(2, 2, 4, 4)
    torch.testing.assert_close(right, torch.stack([torch.full((4, 4), 0.25), torch.zeros(4, 4)]))
    torch.testing.assert_close(down, right.flip(0))
    for wrong in (0, 33):
        with pytest.raises(SpecError):
            FlowAction(wrong)
    with pytest.raises(SpecError):
        Registers(0)
    with pytest.raises(SpecError, match="future frames"):
        FlowAction().build(replace(SITE, offsets=()))


def fitted():
    content, batch = FlowAction(14).build(SITE), random_batch(24)
    moment = moment_of(batch)
    content.fit_frames(batch.context.frames[:, -1].float() / 255, moment.future)
    return content, batch, moment


def test_what_is_said_comes_back_and_is_near_unit_size():
    content, batch, moment = fitted()
    codes = content.encode(moment)
    assert codes.shape == (24, 2, 14) and codes.mean((0, 1)).abs().max() < 1e-3
    torch.testing.assert_close(codes.std((0, 1)), torch.ones(14), rtol=0.05, atol=0)
    shown = content.decode(codes, moment)
    assert shown.shape == (24, 2, 2, 4, 4)
    again = content.encode(Moment(batch.context, others={"motion": shown}))
    torch.testing.assert_close(again, codes, rtol=1e-3, atol=1e-3)
    whole = FlowAction(32).build(SITE)
    exact = whole.decode(whole.encode(moment), moment)
    torch.testing.assert_close(exact, content.flows(batch.context.frames[:, -1].float() / 255, moment.future), rtol=1e-3,
                               atol=1e-4)


def test_no_token_tells_of_other_frames():
    content, _, moment = fitted()
    before = content.encode(moment)
    for frame in (0, 1):
        future = moment.future.clone()
        future[:, frame] = 1 - future[:, frame]
        after = content.encode(replace(moment, future=future))
        assert torch.equal(after[:, 1 - frame], before[:, 1 - frame])
        assert not torch.equal(after[:, frame], before[:, frame])


def test_motion_beyond_the_end_is_not_learned():
    torch.manual_seed(0)
    model = randomise(recipe.load("motus").sized("debug").model.build(small_spec()))
    batch = random_batch()
    ended = replace(batch, future_mask=torch.zeros_like(batch.future_mask))
    assert model.loss(ended, 3)["motion"] == 0 < model.loss(batch, 3)["motion"]
    half = torch.tensor([True, False]).expand(6, 2)
    assert model.contents["motion"].mask(replace(batch, future_mask=half)).equal(half)


def test_video_without_actions_teaches_the_actions_expert():
    torch.manual_seed(0)
    model = randomise(recipe.load("motus").sized("debug").model.build(small_spec()))
    batch = random_batch()
    blind = replace(batch, action_mask=torch.zeros_like(batch.action_mask), imitate=torch.zeros_like(batch.imitate))
    losses = model.loss(blind, 3)
    assert losses["action"] == 0 < losses["motion"]
    losses["total"].backward()
    expert = model.networks[0].trunk.blocks[0].experts["action"]
    assert expert.qkv.weight.grad.abs().sum() > 0
    assert {name: width for name, width in model.networks[0].widths.items()} == {"action": 16, "shared": 32, "understanding": 8}
