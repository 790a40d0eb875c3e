"""Codes: processes over them, actions as bins, frames as codes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers_models import random_batch, random_context, randomise, small_spec
from wamlab.errors import SpecError
from wamlab.learn.diagnosis import told
from wamlab.models.streams import Streams
from wamlab.parts.codecs import ConvAutoencoder, VectorQuantised
from wamlab.parts.codecs.vq import usage
from wamlab.parts.processes import MaskedTokens, NextToken
from wamlab.parts.representations import Bins, Codes, Latents, Moment, Site
from wamlab.parts.vocabulary import CONDITIONS, actions, frames
from wamlab.spec import ActionSpec

SITE = Site(small_spec(), history=1, chunk=8, offsets=(4, 8))
PROCESSES = [NextToken(), NextToken(temperature=0.0), MaskedTokens(), MaskedTokens(steps=3, temperature=0.0, choice=0.0),
             MaskedTokens(steps=40)]


def noise_for(process, shape, seed=0):
    return process.noise(shape, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_level_one_is_data_and_level_zero_is_not(process):
    data = torch.arange(10).reshape(2, 5) % 7
    for made in (noise_for(process, (2, 5, 7)), process.training_noise((2, 5, 7), torch.Generator().manual_seed(0))):
        assert made.shape == (2, 5, 7)
        assert torch.equal(process.corrupt(data, made, torch.ones(2)), data)
        assert (process.corrupt(data, made, torch.zeros(2)) == 8).all()
        mixed = process.corrupt(data, made, torch.tensor([0.0, 0.6]))
        assert (mixed[0] == 8).all() and (mixed[1] != 8).any() and ((mixed[1] == data[1]) | (mixed[1] == 8)).all()


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_a_perfect_network_is_sampled_exactly(process):
    """With the true codes as scores, the sampler ends at the data; with another's it does not."""
    data, other = (torch.randint(0, 7, (4, 9), generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    noise, grid = noise_for(process, (4, 9, 7)), process.grid(9).tolist()
    assert grid[0] == 0 and grid[-1] == 1 and grid == sorted(grid)
    for scores in (data, other):
        x = process.corrupt(data, noise, torch.zeros(4))
        for now, then in pairwise(grid):
            before, x = x, process.step(x, 60.0 * torch.nn.functional.one_hot(scores, 7), noise, now, then)
            assert ((before == 8) | (x == before)).all() and ((x != 8).sum(1) == int(then * 9 + 1e-4)).all()
        assert torch.equal(x, scores)


def test_codes_are_drawn_as_often_as_their_scores_say():
    """A draw by Gumbel noise is a draw from the softmax; the likeliest alone is not."""
    share = torch.tensor([0.5, 0.3, 0.15, 0.05])
    found = {}
    for warmth in (1.0, 0.0):
        process = NextToken(temperature=warmth)
        x = process.step(torch.zeros(20_000, 1, dtype=torch.long), share.log().expand(20_000, 1, 4),
                         noise_for(process, (20_000, 1, 4)), 0.0, 1.0)
        found[warmth] = torch.bincount(x.flatten(), minlength=4) / 20_000
    torch.testing.assert_close(found[1.0], share, atol=0.02, rtol=0)
    assert found[0.0][0] == 1


def test_what_shows_teaches_nothing_and_training_levels_are_those_of_sampling():
    process, data, scores = MaskedTokens(), torch.zeros(3, 8, dtype=torch.long), torch.randn(3, 8, 5)
    noise = process.training_noise((3, 8, 5), torch.Generator().manual_seed(0))
    level = torch.tensor([0.0, 0.5, 0.9])
    error = process.loss(scores, data, noise, level)
    assert torch.equal(error > 0, process.corrupt(data, noise, level) == 6) and (error > 0).sum(1).tolist() == [8, 4, 1]
    drawn = process.draw((4000,), torch.Generator().manual_seed(0))
    middle = process.grid(8)[4].item()
    assert (drawn >= 0).all() and abs((drawn < middle).float().mean() - 0.5) < 0.05
    written = NextToken().draw((5,), torch.Generator())
    assert ((written > 0) & (written < 1)).all()


def test_codes_in_an_order_are_nearly_right_nearby():
    """Nothing is lost where the scores are the Gaussian itself; a code beside the true one costs little, one far away much."""
    process, data = NextToken(spread=2.0), torch.full((1, 1), 30)
    codes = torch.arange(64.0)

    def lost(middle: float) -> float:
        scores = -(((codes - middle) / 2) ** 2) / 2
        return process.loss(scores[None, None], data, torch.zeros(1, 1, 64), torch.zeros(1)).item()

    assert lost(30) == pytest.approx(0, abs=1e-5)
    assert lost(31) == pytest.approx(1 / (2 * 2 ** 2), rel=1e-3)  # between Gaussians of one width: distance² / (2 deviation²)
    assert lost(40) == pytest.approx(100 / (2 * 2 ** 2), rel=1e-3)
    certain = torch.full((1, 1, 64), -30.0).index_fill(-1, torch.tensor([30]), 30.0)
    plain = NextToken().loss(certain, data, torch.zeros(1, 1, 64), torch.zeros(1))
    assert plain.item() == pytest.approx(0, abs=1e-5) and process.loss(certain, data, certain, certain).item() > 1


def test_training_draws_no_noise_for_words():
    assert NextToken().training_noise((32, 64, 512), torch.Generator()).untyped_storage().nbytes() <= 4
    assert MaskedTokens().training_noise((32, 64, 512), torch.Generator()).untyped_storage().nbytes() == 4 * 32 * 64
    assert noise_for(NextToken(), (2, 64, 512)).untyped_storage().nbytes() == 4 * 2 * 64 * 512


@pytest.mark.parametrize("make", [lambda: NextToken(temperature=-1.0), lambda: MaskedTokens(steps=0), lambda: Bins(0),
                                  lambda: MaskedTokens(choice=float("nan")),
                                  lambda: VectorQuantised(levels=()).build((32, 32)),
                                  lambda: VectorQuantised(levels=(8, 1)).build((32, 32)),
                                  lambda: VectorQuantised(levels=(300, 300)).build((32, 32)),
                                  lambda: VectorQuantised().build((36, 32))])
def test_numbers_that_mean_nothing_are_refused(make):
    with pytest.raises(SpecError):
        make()


READ = {"future": (*CONDITIONS, "action", "future"), "action": (*CONDITIONS, "action")}


@pytest.mark.parametrize("streams, reads, problem", [
    ({"future": frames(Codes()), "action": actions()}, READ, "future holds codes"),
    ({"future": frames(), "action": actions(process=NextToken(), within="step")}, READ, "action holds numbers"),
    ({"future": frames(Latents(VectorQuantised())), "action": actions()}, READ, "codes, not numbers"),
    ({"future": frames(Codes(ConvAutoencoder()), MaskedTokens()), "action": actions()}, READ, "numbers, not codes"),
    ({"future": frames(), "action": actions(Bins(), NextToken(), within="step")},
     {"future": (*CONDITIONS, "future"), "action": (*CONDITIONS, "action", "future")}, "beside what is made step by step"),
    ({"future": frames(Codes(), NextToken(), within="causal"), "action": actions()},
     {"future": (*CONDITIONS, "future"), "action": (*CONDITIONS, "action", "future@hidden")}, "without a pass over noise"),
])
def test_streams_that_cannot_be_are_refused(streams, reads, problem):
    with pytest.raises(SpecError, match=problem):
        Streams(streams, reads, width=32, depth=1).build(small_spec())


# -- bins

def bins(low: float, high: float, unit: float, count: int, width: int = 4):
    spec = replace(small_spec(), action=ActionSpec(("a", "b", "c", "d"), (low * unit,) * 4, (high * unit,) * 4, ("1",) * 4))
    return Bins(count).build(replace(SITE, spec=spec))


def moment(action: torch.Tensor) -> Moment:
    return Moment(random_context(len(action)), action=action)


@settings(max_examples=50)
@given(st.integers(-6, 6), st.integers(2, 300), st.integers(0, 10_000))
def test_an_action_comes_back_within_half_a_bin_in_any_unit(power, count, seed):
    unit, rows = 10.0**power, torch.rand(64, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    rows = rows * torch.tensor([1.0, 0.5, 0.05, 0.0]) * unit
    content = bins(-1, 1, unit, count)
    content.fit(rows, rows)
    action = rows.unflatten(0, (8, 8))
    codes = content.encode(moment(action))
    assert codes.shape == (8, 32) and codes.min() >= 0 and codes.max() < count
    back = content.decode(codes, moment(action))
    assert ((back - action).abs() <= 0.5 * content.step * (1 + 1e-3)).all()
    assert (content.step > 0).all() and content.step[2] * count < 0.2 * unit, "a channel's bins span its own range"
    beyond = content.encode(moment(action + 100 * unit))
    assert (beyond == count - 1).all()


def test_bins_are_wider_than_what_was_seen_and_a_code_is_one_channel_of_one_step():
    content = bins(-1, 1, 1.0, 16)
    rows = torch.rand(500, 4) * 0.2
    content.fit(rows, rows)
    assert (content.low < rows.amin(0)).all() and (content.low + 16 * content.step > rows.amax(0)).all()
    action = rows[:8][None]
    before, moved = content.encode(moment(action)), action.clone()
    moved[0, 3, 2] += 0.05
    assert torch.nonzero(content.encode(moment(moved)) != before).tolist() == [[0, 3 * 4 + 2]]
    batch = random_batch(2)
    batch.action_mask[0, 5:] = False
    assert torch.equal(content.mask(batch)[0], torch.arange(32) < 20) and content.mask(batch)[1].all()


# -- codes of frames

def squares(count: int, seed: int) -> torch.Tensor:
    """Frames of a bright square on a dark ground, each somewhere else."""
    g = torch.Generator().manual_seed(seed)
    found = torch.full((count, 3, 64, 64), 0.2)
    for frame, (y, x) in zip(found, torch.randint(0, 52, (count, 2), generator=g).tolist(), strict=True):
        frame[0, y : y + 12, x : x + 12] = 0.9
    return found


def test_a_codec_of_codes_learns_and_does_not_collapse():
    torch.manual_seed(0)
    codec = VectorQuantised(channels=8).build((64, 64))
    assert codec.tokens == 64 and codec.classes == 512
    optimiser = torch.optim.Adam(codec.parameters(), 3e-3)
    losses = []
    for step in range(150):
        loss = codec.loss(squares(16, step), squares(16, 1000 + step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    seen, reference = squares(64, 5000), squares(64, 6000)
    codes = codec.encode(seen)
    assert codes.shape == (64, 64) and codes.min() >= 0 and codes.max() < 512
    painted = codec.decode(codes, reference)
    far = [((one - seen) ** 2).mean().item() for one in (painted, reference, codec.decode(codes.roll(1, 0), reference))]
    assert losses[-1] < 0.5 * losses[0] and far[0] < 0.5 * far[1] and far[0] < 0.5 * far[2]
    used = usage(codes, 512)
    assert used["used"] >= 8 and used["perplexity"] > 1.5 and not any("collapsed" in line for line in told({"diagnosis": {
        "codes": used | {"perplexity": 20.0}}}))
    dead = usage(torch.zeros_like(codes), 512)
    assert dead == {"classes": 512, "used": 1, "perplexity": 1.0}
    assert any("alarm: the codes have collapsed" in line for line in told({"diagnosis": {"codes": dead}}))


def test_codes_are_cells_of_a_grid():
    """Every code is another picture's numbers, and what is rounded comes back as it was."""
    codec = VectorQuantised(levels=(4, 3, 5)).build((32, 32))
    every = torch.arange(60)
    cells = every[:, None] // codec.basis % (codec.top.long() + 1)
    assert len({tuple(cell) for cell in cells.tolist()}) == 60 and torch.equal((cells * codec.basis).sum(-1), every)
    frames_ = torch.rand(5, 3, 32, 32)
    torch.testing.assert_close(codec.decode(codec.encode(frames_), frames_), codec.draw(codec.raw(frames_), frames_))


def test_a_code_is_unchanged_by_later_frames_and_found_in_the_cache():
    content, g = randomise(Codes().build(SITE)), torch.Generator().manual_seed(0)
    future = torch.rand(2, 2, 3, 32, 32, generator=g)
    here = Moment(random_context(2), future)
    codes = content.encode(here)
    assert codes.shape == (2, 32) and content.steps == 2
    for frame, same in ((0, slice(16, None)), (1, slice(None, 16))):
        spoilt = future.clone()
        spoilt[:, frame] = 1 - spoilt[:, frame]
        after = content.encode(replace(here, future=spoilt))
        assert torch.equal(after[:, same], codes[:, same]) and not torch.equal(after, codes)
    now = content.codec.encode(here.context.frames[:, -1].float() / 255)
    cached = torch.cat([now[:, None], codes.unflatten(1, (2, -1))], 1)
    assert torch.equal(content.encode(Moment(here.context, None, latents=cached)), codes)
    assert content.decode(codes, here).shape == (2, 2, 3, 32, 32)
