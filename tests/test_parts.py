"""Processes, representations and conditioning on their own."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wamlab.errors import SpecError
from wamlab.parts.codecs import ConvAutoencoder, PixelPatches
from wamlab.parts.conditioning import FrameEncoder, LevelEmbedding, hashed_words
from wamlab.parts.processes import Diffusion, FlowMatching, Regression

PROCESSES = [FlowMatching(), FlowMatching(predict="velocity"), FlowMatching(shift=4.0), Diffusion(), Regression()]


def oracle_output(process, data, noise, level):
    return process.target(data, noise, level)


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_level_one_is_data_and_level_zero_is_not(process):
    data, noise = torch.randn(4, 5, 3), torch.randn(4, 5, 3)
    torch.testing.assert_close(process.corrupt(data, noise, torch.ones(4)), data, atol=1e-6, rtol=0)
    blank = process.corrupt(data, noise, torch.zeros(4))
    torch.testing.assert_close(blank, process.corrupt(data + 1, noise, torch.zeros(4)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_a_perfect_network_is_sampled_exactly(process):
    """With the true target as output, the sampler ends at the data, from whatever noise."""
    data, noise = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    x = process.corrupt(noise, noise, torch.zeros(2))
    grid = process.grid(5).tolist()
    assert grid[0] == 0 and grid[-1] == 1 and grid == sorted(grid)
    for now, then in pairwise(grid):
        level = torch.full((2,), now)
        x = process.step(x, oracle_output(process, data, noise, level), noise, now, then)
    torch.testing.assert_close(x, data, atol=1e-5, rtol=1e-5)


@given(st.floats(0.01, 0.99), st.floats(0.0, 1.0))
def test_flow_step_stays_on_the_straight_path(now, share):
    then = now + share * (1 - now)
    process, data, noise = FlowMatching(), torch.tensor([[2.0]]), torch.tensor([[-1.0]])
    x = process.corrupt(data, noise, torch.tensor([now]))
    moved = process.step(x, data, noise, now, then)
    torch.testing.assert_close(moved, process.corrupt(data, noise, torch.tensor([then])), atol=1e-4, rtol=1e-4)


@given(st.floats(0.02, 0.98))
def test_other_conventions_agree(level):
    """π0's t = 1 is noise: x_t = t noise + (1 - t) data, velocity noise - data; the same point and the same estimate."""
    data, noise, t = torch.tensor([[1.5]]), torch.tensor([[-0.5]]), 1 - level
    theirs = t * noise + (1 - t) * data
    ours = FlowMatching(predict="velocity")
    torch.testing.assert_close(ours.corrupt(data, noise, torch.tensor([level])), theirs)
    estimate = ours.estimate(-(noise - data), theirs, torch.tensor([level]))
    torch.testing.assert_close(estimate, theirs - t * (noise - data), atol=1e-5, rtol=1e-5)


@given(st.floats(0.0, 1.0))
def test_diffusion_preserves_variance(level):
    one = torch.ones(1, 1)
    signal = Diffusion().corrupt(one, 0 * one, torch.tensor([level])).item()
    spread = Diffusion().corrupt(0 * one, one, torch.tensor([level])).item()
    assert math.isclose(signal**2 + spread**2, 1, abs_tol=1e-5)


def test_patches_are_lossless_and_must_tile():
    frames = torch.rand(3, 3, 32, 48)
    codec = PixelPatches(patch=8).build((32, 48))
    codec.fit(frames)
    latents = codec.encode(frames)
    assert latents.shape == (3, codec.tokens, codec.width)
    torch.testing.assert_close(codec.decode(latents, frames), frames, atol=1e-5, rtol=0)
    with pytest.raises(SpecError, match="tile"):
        PixelPatches(patch=5).build((32, 32))


def test_autoencoder_learns_and_uses_both_inputs():
    codec = ConvAutoencoder(latent=4, channels=8).build((32, 32))
    frames, reference = torch.rand(8, 3, 32, 32), torch.rand(8, 3, 32, 32)
    optimiser, first = torch.optim.Adam(codec.parameters(), 1e-2), None
    for _ in range(30):
        optimiser.zero_grad()
        loss = codec.loss(frames, reference)
        first = first if first is not None else loss.item()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.8 * first
    latents = codec.encode(frames)
    assert not torch.equal(codec.decode(latents, reference), codec.decode(latents + 1, reference))
    assert not torch.equal(codec.decode(latents, reference), codec.decode(latents, 1 - reference))
    with pytest.raises(SpecError, match="multiples of 16"):
        ConvAutoencoder().build((40, 40))


def test_whitened_latents_have_unit_spread():
    codec = PixelPatches(patch=16).build((32, 32))
    frames = torch.rand(400, 3, 32, 32) * 0.1 + 0.4
    codec.fit(frames)
    latents = codec.encode(frames)
    assert latents.mean().abs() < 0.05 and abs(latents.std() - 1) < 0.05


@given(st.text(min_size=1, max_size=60))
def test_instructions_hash_alike_and_to_unit_length(sentence):
    vector = hashed_words(sentence, 256)
    norm = math.sqrt(sum(v * v for v in vector))
    assert vector == hashed_words(sentence.upper().lower(), 256) or sentence.lower() != sentence.upper().lower()
    assert norm == 0 or math.isclose(norm, 1, rel_tol=1e-9)


def test_different_instructions_differ():
    assert hashed_words("open the drawer", 256) != hashed_words("close the drawer", 256)


def test_encoders_have_the_sizes_they_claim():
    encoder = FrameEncoder(32, (48, 64))
    assert encoder(torch.rand(2, 3, 3, 48, 64)).shape == (2, 3 * encoder.tokens, 32)
    assert LevelEmbedding(16)(torch.rand(2, 5)).shape == (2, 5, 16)


@pytest.mark.parametrize("copies", [1, 4, 16])
def test_a_shift_undoes_what_copies_tell(copies):
    """Signal over noise of the mean of k noisy copies at a shifted level is that of one at the level before."""
    plain, shifted = FlowMatching(), FlowMatching(shift=copies ** 0.5)
    one, many = plain.grid(0)[1:-1], shifted.grid(0)[1:-1]
    assert torch.allclose(many / (1 - many) * copies ** 0.5, one / (1 - one))
    assert shifted.grid(0)[0] == 0 and shifted.grid(0)[-1] == 1
    draws = [process.draw((20_000,), torch.Generator().manual_seed(0)) for process in (plain, shifted)]
    assert torch.allclose(draws[1], shifted.shifted(draws[0])) and (copies == 1 or draws[1].mean() < draws[0].mean())
    with pytest.raises(SpecError, match="shift"):
        FlowMatching(shift=0.0)
