"""Transforms undo themselves, mean what they say, and never blow up a channel that stands still."""

import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wamlab.data.transforms import ActionMeaning, Affine
from wamlab.errors import DataError, SpecError

ROWS = arrays.arrays(np.float64, (7, 3), elements=st.floats(-100, 100))
KINDS = ("delta", "relative", "absolute")


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, mode=st.sampled_from(["meanstd", "range"]))
def test_affine_is_undone_and_survives_json(rows, mode):
    fitted = Affine.fit(rows, mode=mode)
    again = Affine.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again == fitted
    assert np.allclose(fitted.invert(fitted.apply(rows)), rows, atol=1e-9)
    tensor = torch.from_numpy(rows)
    assert torch.allclose(fitted.invert(fitted.apply(tensor)), tensor, atol=1e-9)
    assert np.allclose(fitted.apply(tensor).numpy(), fitted.apply(rows))


def test_affine_scales_to_what_it_promises():
    rows = np.random.default_rng(0).normal([5, -2], [3, 0.1], (500, 2))
    standard, ranged = Affine.fit(rows).apply(rows), Affine.fit(rows, mode="range").apply(rows)
    assert np.allclose(standard.mean(0), 0) and np.allclose(standard.std(0), 1)
    assert np.allclose(ranged.min(0), -1) and np.allclose(ranged.max(0), 1)
    assert Affine.fit(rows).apply(rows.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("mode", ["meanstd", "range"])
def test_a_channel_that_stands_still_is_not_blown_up(mode):
    rows = np.stack([np.linspace(0, 1, 50), np.full(50, 0.3) + np.linspace(0, 1e-5, 50)], 1)
    fitted = Affine.fit(rows, mode=mode)
    assert fitted.scale[1] == pytest.approx(0.3, rel=1e-3) and fitted.scale[0] < 1  # its own size, whatever its unit
    assert abs(fitted.apply(np.array([0.5, 0.31]))[1]) < 0.05
    assert abs(Affine.fit(rows * 1e4, mode=mode).apply(np.array([0.5, 0.31]) * 1e4)[1]) < 0.05
    assert abs(Affine.fit(rows, mode=mode, floor=0.0).apply(np.array([0.5, 0.31]))[1]) > 100  # what the guard prevents


def test_masked_rows_do_not_count():
    values = np.zeros((2, 3, 1))
    values[0, :, 0], values[1, :, 0] = [1, 2, 3], 1000
    mask = np.array([[True] * 3, [False] * 3])
    assert Affine.fit(values, mask).shift == (2.0,)
    with pytest.raises(DataError, match="no rows"):
        Affine.fit(values, np.zeros((2, 3), bool))


@settings(max_examples=60, deadline=None)
@given(chunk=ROWS, reference=arrays.arrays(np.float64, 3, elements=st.floats(-10, 10)),
       kinds=st.sampled_from(list(itertools.product(KINDS, KINDS))))
def test_action_meanings_are_undone(chunk, reference, kinds):
    meaning = ActionMeaning(*kinds, moving=(True, True, False), unit=(0.01, 1.0, 1.0))
    there = meaning.apply(chunk, reference)
    assert np.allclose(meaning.invert(there, reference), chunk, atol=1e-6)
    assert np.array_equal(there[:, 2], chunk[:, 2])  # the gripper means the same everywhere
    tensors = meaning.apply(torch.from_numpy(chunk)[None], torch.from_numpy(reference)[None])
    assert np.allclose(tensors[0].numpy(), there)


def test_action_meanings_by_hand():
    chunk, here = np.array([[1.0, 9], [2, 8], [-1, 7]]), np.array([0.5, 0.0])
    unit, moving = (0.01, 1.0), (True, False)
    assert ActionMeaning("delta", "relative", moving, unit).apply(chunk, here)[:, 0].tolist() == [1, 3, 2]
    assert np.allclose(ActionMeaning("delta", "absolute", moving, unit).apply(chunk, here)[:, 0], [0.51, 0.53, 0.52])
    assert ActionMeaning("relative", "delta", moving, unit).apply(chunk, here)[:, 0].tolist() == [1, 1, -3]


def test_statistics_belong_after_the_change_of_meaning():
    """Deltas of 1 summed over 8 steps reach 8: statistics of the deltas do not fit the relative actions."""
    deltas = np.random.default_rng(0).uniform(0, 1, (200, 8, 1))
    relative = ActionMeaning("delta", "relative", (True,), (1.0,)).apply(deltas, np.zeros((200, 1)))
    assert abs(Affine.fit(relative, mode="range").apply(relative)).max() <= 1 + 1e-9
    assert abs(Affine.fit(deltas, mode="range").apply(relative)).max() > 5


def test_another_width_is_refused():
    with pytest.raises(SpecError, match="another width"):
        Affine((0.0,), (1.0,)).apply(np.zeros((2, 3)))
    with pytest.raises(SpecError, match="channels"):
        ActionMeaning("delta", "relative", (True,), (1.0,)).apply(np.zeros((2, 3)), np.zeros(3))


@pytest.mark.parametrize("value", [{}, {"shift": [0], "scale": [0]}, {"shift": [0], "scale": [1, 1]}, {"shift": [float("nan")],
                                   "scale": [1]}, {"shift": "x", "scale": "y"}, {"shift": None, "scale": [1]}])
def test_damaged_statistics_are_refused(value):
    with pytest.raises(DataError, match="damaged"):
        Affine.from_json(value)
