"""Learning does not depend on the unit: a channel in another one, its limits with it, gives the same normalised numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers_models import random_batch, randomise, small_spec
from wamlab import recipe
from wamlab.control.collect import collect
from wamlab.curate.filters import Corpus, discover
from wamlab.data.formats.semantics import correlation, guess_kind
from wamlab.data.transforms import Affine, floors, stands_still
from wamlab.data.umi.convert import ACTION as UMI
from wamlab.labels.inverse import InverseConfig, train_inverse
from wamlab.labels.pairs import Pairs
from wamlab.parts.representations import senses
from wamlab.spec import ActionSpec

WIDTH = 4
SCALES = st.lists(st.sampled_from([1e-4, 1e-2, 1.0, 1e3, 1e4]), min_size=WIDTH, max_size=WIDTH)
SHAPES = st.lists(st.tuples(st.sampled_from([0.0, 1e-5, 2e-3, 0.03, 0.5]), st.sampled_from([0.0, 0.3, -1.0])),
                  min_size=WIDTH, max_size=WIDTH)
"""per channel: deviation and mean, of a legal range of 2"""


def channels(shapes, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(200, WIDTH))
    return (rows * [deviation for deviation, _ in shapes] + [mean for _, mean in shapes]).astype(np.float32)


def model_of(limits: np.ndarray):
    """A model whose action's legal range is -limit to limit per channel."""
    action = ActionSpec(tuple("abcd"), tuple((-limits).tolist()), tuple(limits.tolist()), ("?",) * WIDTH)
    spec = replace(small_spec(), action=action, state=tuple("wxyz"))
    model = built()
    model.contents["action"].limits = (spec.action.low, spec.action.high)
    return model


@cache
def built():
    return randomise(recipe.load("vla").sized("debug").model.build(replace(small_spec(), state=tuple("wxyz"))))


def scaled(model, values: torch.Tensor) -> torch.Tensor:
    return model.contents["action"].scaled(values)


def state(model):
    return model.contents["state"]


def normalised(rows: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows as actions and as states, in another unit, as a model sees them."""
    model, values = model_of(scale), torch.from_numpy((rows * scale).astype(np.float32))
    model.fit(values, values)
    return (scaled(model, values).numpy(), ((values - state(model).mean) / state(model).scale).numpy())


@settings(max_examples=60, deadline=None)
@given(shapes=SHAPES, scale=SCALES, seed=st.integers(0, 3))
def test_another_unit_changes_no_normalised_number(shapes, scale, seed):
    rows, scale = channels(shapes, seed), np.array(scale)
    for here, there in zip(normalised(rows, np.ones(WIDTH)), normalised(rows, scale), strict=True):
        # rounding to single precision is up to 6e-8 of the number, and a scale at least a thousandth of it
        assert np.allclose(here, there, rtol=1e-3, atol=2e-3)
    for mode in ("meanstd", "range"):
        for limits in (None, np.ones(WIDTH)):
            def fitted(factor: np.ndarray, mode=mode, limits=limits) -> np.ndarray:
                legal = None if limits is None else (tuple((-limits * factor).tolist()), tuple((limits * factor).tolist()))
                values = rows.astype(np.float64) * factor
                return Affine.fit(values, mode=mode, limits=legal).apply(values)

            assert np.allclose(fitted(np.ones(WIDTH)), fitted(scale), rtol=1e-6, atol=1e-6)


def test_a_floor_in_numbers_is_what_depended_on_the_unit(monkeypatch):
    """The control: with floors of 0.05 and 0.001 whatever the unit, the same check fails."""
    rows = channels([(0.5, 0.0)] * WIDTH, 0)
    fine = np.full(WIDTH, 1e-4)
    monkeypatch.setattr(senses, "floors", lambda values, limits=None: np.full(WIDTH, 1e-3 if limits is None else 0.05))
    for here, there in zip(normalised(rows, np.ones(WIDTH)), normalised(rows, fine), strict=True):
        assert there.std() < 0.1 and here.std() > 0.9


@pytest.mark.parametrize("values", [
    np.full(300, 0.0), np.full(300, 1.0), np.full(300, 1e-7), np.full(300, -1e6),
    1e6 + np.random.default_rng(0).normal(0, 0.02, 300), -3e-4 * (1 + np.random.default_rng(1).normal(0, 1e-8, 300)),
])
def test_what_is_constant_but_for_rounding_is_not_blown_up(values):
    rows = np.repeat(values[:, None], WIDTH, 1).astype(np.float32)
    assert stands_still(rows).all()
    for limits in (None, ((0.0,) * WIDTH, (1e-6,) * WIDTH), (tuple(rows.min(0).tolist()), tuple(rows.max(0).tolist()))):
        scale = floors(rows, limits)
        assert (scale > 0).all() and (np.abs(rows - rows.mean(0, dtype=np.float64)) / scale < 2e-3).all()
    model, tensor = model_of(np.full(WIDTH, 1e-6)), torch.from_numpy(rows)
    model.fit(tensor, tensor)
    assert scaled(model, tensor).abs().max() < 0.1 and state(model).scale.min() > 0


def test_what_hardly_varies_within_its_legal_range_is_not_blown_up():
    """A tremor of 1e-5 of the legal range is no motion; 2 % of it is, and becomes a deviation of 1."""
    rows = np.random.default_rng(0).normal(size=(500, WIDTH)) * [1e-5, 1e-4, 0.02, 0.5]
    for unit in (1.0, 1e-4, 1e4):
        model, values = model_of(np.full(WIDTH, unit)), torch.from_numpy((rows * unit).astype(np.float32))
        model.fit(values, values[:0])
        assert np.allclose(scaled(model, values).std(0), [1e-3, 1e-2, 1, 1], rtol=0.1)


def test_one_row_and_the_usual_channels_keep_their_scale():
    """The numbers that earlier models of the simulators in the package were trained with: a gripper that stays closed."""
    model = model_of(np.ones(WIDTH))
    rows = torch.tensor([[1.0, -0.5, 0.5, 0.0], [1.0, 0.5, -0.5, 0.0]])
    model.fit(rows, rows)
    assert model.contents["action"].scale.tolist() == [np.float32(0.05), rows[:, 1].std(), rows[:, 1].std(), np.float32(0.05)]
    assert state(model).scale.tolist() == [np.float32(1e-3), rows[:, 1].std(), rows[:, 1].std(), 1.0]
    model.fit(rows[:1], rows[:1])
    assert torch.isfinite(model.contents["action"].scale).all() and model.contents["action"].scale.min() > 0


def test_a_hand_that_moves_as_hands_do_is_scaled_by_its_own_motion():
    """10 cm/s and half a radian per second at 10 Hz, in m/step and rad/step."""
    rows = np.random.default_rng(0).normal(size=(400, 7)) * ([0.01] * 3 + [0.05] * 3 + [0.3])
    assert (floors(rows, (UMI.low, UMI.high)) < rows.std(0)).all()


def test_losses_are_the_same_in_every_unit(monkeypatch):
    """By a power of two nothing is rounded, so that they are equal to the bit; with a fixed floor they are not."""
    def losses(unit: float) -> dict[str, float]:
        batch = random_batch()
        batch = replace(batch, action=0.3 * batch.action * unit)
        model = model_of(np.full(WIDTH, unit))
        model.fit(batch.action.flatten(0, 1), torch.zeros(0, WIDTH))
        context = replace(batch.context, state=torch.zeros(len(batch), 1, WIDTH))
        return {name: value.item() for name, value in model.loss(replace(batch, context=context), seed=3).items()}

    assert losses(1.0) == losses(2.0**-10) == losses(2.0**12)
    monkeypatch.setattr(senses, "floors", lambda values, limits=None: np.full(values.shape[-1], 0.05))
    assert losses(1.0) != losses(2.0**-10)


@pytest.mark.parametrize("unit", [1e-6, 1e4])
def test_what_an_action_means_is_read_off_in_every_unit(unit):
    rng = np.random.default_rng(0)
    state = np.cumsum(rng.normal(size=(60, 2)), 0)
    delta = np.concatenate([np.diff(state, axis=0), np.zeros((1, 2))])
    target = np.concatenate([state[1:], state[-1:]])
    assert guess_kind([(state * unit, delta * unit)]) == "delta" and guess_kind([(state * unit, target * unit)]) == "absolute"
    found = correlation(state * unit, np.concatenate([state, np.full((60, 1), 1e6)], 1))
    assert np.allclose(found, correlation(state, np.concatenate([state, np.zeros((60, 1))], 1))) and (found[:, 2] == 0).all()


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_inverse_dynamics_err_alike_in_every_unit(unit):
    rng = np.random.default_rng(0)
    frames, before = rng.integers(0, 255, (40, 32, 32, 3)).astype(np.uint8), np.arange(39)
    action = np.concatenate([rng.normal(0, 0.1, (39, 2)), np.full((39, 1), 0.7)], 1).astype(np.float32)
    config = InverseConfig(gaps=(1,))
    config = replace(config, training=replace(config.training, steps=2))

    def trained(factor: float):
        return train_inverse(Pairs(frames, before, np.ones(39, np.int64), before // 10, action * np.float32(factor)), config)

    here, there = trained(1.0), trained(unit)
    assert np.allclose(there.std / unit, here.std, rtol=1e-5) and np.allclose(there.mean / unit, here.mean, rtol=1e-5)
    assert here.mean_error == pytest.approx(there.mean_error, rel=1e-4) and here.mean_error > 0.5
    assert ((here.std > here.least) == [True, True, False]).all()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    return Corpus.read(collect("pushworld", 8, tmp_path_factory.mktemp("units") / "set", kind="noisy", workers=1,
                               options={"size": 32}))


@pytest.mark.parametrize("unit", [1e-4, 1e4])
@pytest.mark.parametrize("name", ["jerk", "follows", "frozen", "alignment", "information", "duplicates"])
def test_filters_judge_alike_in_every_unit(name, unit, corpus):
    spec = corpus.spec.action
    limits = [tuple(value * unit for value in side) for side in (spec.low, spec.high)]
    other = replace(corpus, spec=replace(corpus.spec, action=replace(spec, low=limits[0], high=limits[1])), records=tuple(
        replace(r, state=(r.state * unit).astype(np.float32), action=(r.action * unit).astype(np.float32))
        for r in corpus.records))
    here, there = discover()[name](corpus).scores, discover()[name](other).scores
    assert np.allclose(here, there, rtol=5e-3, atol=5e-3, equal_nan=True) and np.isfinite(here).any()
