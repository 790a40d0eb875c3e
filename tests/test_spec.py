"""A spec with a number that means nothing cannot be made, wherever it comes from; and the gate trusts no spec."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from data_fakes import SPEC
from wamlab import cli
from wamlab.control.gate import Gate
from wamlab.data.store import EpisodeStore
from wamlab.errors import SpecError
from wamlab.spec import ActionSpec, EntitySpec, from_json, to_json

NAN, INF = float("nan"), float("inf")
NO_NUMBER = [NAN, INF, -INF, 1e300]


def action(low=(-1.0, 0.0), high=(1.0, 2.0), names=("a", "b"), units=("m", "m")) -> ActionSpec:
    return ActionSpec(names, low, high, units)


def thing(tolerance=0.01, channels=("x", "y"), units=("m", "m"), name="cup") -> EntitySpec:
    return EntitySpec(name, "object", channels, units, tolerance)


def test_specs_that_mean_something_are_made():
    """The control: what is legal though rare. A channel that never moves, no channel at all, whole numbers, other scripts."""
    assert action(low=(0.5, 0.0), high=(0.5, 0.0)).low == (0.5, 0.0)
    assert ActionSpec((), (), (), ()).width == 0
    assert thing(channels=("größe",), units=("",), tolerance=1e-12).tolerance == 1e-12
    assert replace(SPEC, control_hz=59.94, max_steps=1, image_size=(1, 1)).control_hz == 59.94
    assert from_json(json.loads(json.dumps(to_json(SPEC)))) == SPEC


@pytest.mark.parametrize("make, words", [
    *((lambda bad=bad, field=field: action(**{field: (0.0, bad)}), [f"ActionSpec.{field}, b", "finite"])
      for bad in NO_NUMBER for field in ("low", "high")),
    *((lambda bad=bad: thing(tolerance=bad), ["tolerance, cup", "above 0"]) for bad in (*NO_NUMBER, 0.0, -1.0)),
    *((lambda bad=bad: replace(SPEC, control_hz=bad), ["control_hz", "above 0"]) for bad in (*NO_NUMBER, 0.0, -1.0)),
    *((lambda bad=bad: replace(SPEC, max_steps=bad), ["max_steps"]) for bad in (0, -7, 2**60)),
    *((lambda bad=bad: replace(SPEC, image_size=bad), ["image_size"])
      for bad in ((0, 8), (-1, 8), (10**6, 10**6), (8, 2**40))),
    (lambda: action(low=(2.0, 0.0)), ["reversed", "a"]),
    (lambda: action(low=(0.0,)), ["differ in number", "low"]),
    (lambda: action(units=("m",)), ["differ in number", "units"]),
    (lambda: action(names=("a", "a")), ["twice", "a"]),
    (lambda: action(names=("a", " ")), ["missing", "ActionSpec.names"]),
    (lambda: thing(channels=(), units=()), ["missing", "channels"]),
    (lambda: thing(units=("m",)), ["differ in number"]),
    (lambda: thing(name=""), ["missing", "EntitySpec.name"]),
    (lambda: replace(SPEC, cameras=()), ["cameras", "at least 1"]),
    (lambda: replace(SPEC, cameras=("main", "main")), ["twice", "cameras"]),
    (lambda: replace(SPEC, state=("x", "x")), ["twice", "state"]),
    (lambda: replace(SPEC, task=""), ["TaskSpec.task"]),
    (lambda: replace(SPEC, entities=SPEC.entities * 2), ["twice", "entities"]),
])
def test_what_means_nothing_is_refused_where_it_is_made(make, words):
    with pytest.raises(SpecError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("found, written, word", [
    ('"control_hz": 10.0', '"control_hz": -1', "control_hz"), ('"control_hz": 10.0', '"control_hz": 1e999', "control_hz"),
    ('"max_steps": 50', '"max_steps": -7', "max_steps"), ('"max_steps": 50', '"max_steps": 1e999', "max_steps"),
    ('"max_steps": 50', '"max_steps": NaN', "max_steps"), ('"tolerance": 0.001', '"tolerance": NaN', "tolerance"),
    ('"max_steps": 50', '"max_steps": 7.5', "max_steps"), ("-1000.0", "-Infinity", "low"),
])
def test_a_dataset_with_impossible_numbers_is_refused_by_name(found, written, word, tmp_path, capsys):
    file = EpisodeStore.create(tmp_path / "set", SPEC, "none", {}).path / "dataset.json"
    text = file.read_text()
    assert cli.main(["data", "info", str(tmp_path / "set")]) == 0
    file.write_text(text.replace(found, written, 1))
    capsys.readouterr()
    assert cli.main(["data", "check", str(tmp_path / "set")]) == 2
    said = capsys.readouterr()
    assert "dataset.json" in said.out + said.err and (word in said.out + said.err or "not finite" in said.out + said.err)
    assert "Traceback" not in said.err


ODD = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 0.1, -0.1, 1e-320, 1e300, NAN, INF]))
ACTIONS = st.one_of(arrays.arrays(np.float64, 2, elements=ODD), arrays.arrays(np.float32, 2, elements=st.floats(width=32)),
                    arrays.arrays(np.int64, 2), st.sampled_from([
                        np.zeros(3), np.zeros((2, 1)), np.array([None, 1.0]), np.array(["1", "2"]), np.zeros(2, complex),
                        np.array([np.longdouble("1e4000")] * 2)]))


@settings(max_examples=400, deadline=None)
@given(low=st.lists(ODD, min_size=2, max_size=2), high=st.lists(ODD, min_size=2, max_size=2), tried=ACTIONS,
       margin=st.sampled_from([0.0, 0.5, 1e300]))
def test_whatever_the_spec_what_passes_is_finite_and_within_finite_limits(low, high, tried, margin):
    try:
        verdict = _gate(low, high, margin).check(tried)
    except SpecError:
        return
    assert verdict.kind in ("pass", "clamp", "reject") and (verdict.action is None) == (verdict.kind == "reject")
    if verdict.action is not None:
        made = verdict.action.astype(np.float64)
        assert np.isfinite(low).all() and np.isfinite(high).all() and np.isfinite(made).all()
        assert (np.array(low) <= made).all() and (made <= np.array(high)).all()


def _gate(low, high, margin) -> Gate:
    """A gate whose spec has not been through the checks of its class."""
    spec = object.__new__(ActionSpec)
    for name, value in (("names", ("a", "b")), ("low", tuple(low)), ("high", tuple(high)), ("units", ("m", "m")),
                        ("kind", "delta")):
        object.__setattr__(spec, name, value)
    return Gate(spec, margin)


@pytest.mark.parametrize("low, high", [((NAN, 0.0), (1.0, 1.0)), ((-INF, 0.0), (INF, 1.0)), ((1.0, 0.0), (0.0, 1.0)),
                                       ((0.0,), (1.0,)), ((-1e300, 0.0), (1e300, 1.0))])
def test_no_gate_stands_on_limits_that_are_none(low, high):
    with pytest.raises(SpecError, match="cannot be built"):
        _gate(low, high, 0.5)
    with pytest.raises(SpecError, match="margin"):
        Gate(action(), NAN)


def test_a_limit_between_two_single_precision_numbers_lets_nothing_through():
    assert Gate(action(low=(0.1, 0.0), high=(0.1, 0.0))).check(np.array([0.1, 0.0])).kind == "reject"
    assert Gate(action(low=(0.5, 0.0), high=(0.5, 0.0))).check(np.array([0.5, 0.0])).kind == "pass"
