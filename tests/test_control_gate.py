"""Nothing that is not finite, out of range or too large passes the gate, and everything is counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wamlab.control.gate import Gate
from wamlab.errors import SpecError
from wamlab.spec import ActionSpec

SPEC = ActionSpec(("x", "y", "grip"), (-1.0, -0.1, 0.0), (1.0, 0.1, 0.3), ("cm", "m", "1"))
ANY = arrays.arrays(np.float64, 3, elements=st.one_of(st.floats(-3, 3), st.floats(allow_nan=True, allow_infinity=True)))


@settings(max_examples=500, deadline=None)
@given(actions=st.lists(ANY, max_size=8), single=st.booleans(), margin=st.sampled_from([0.0, 0.1, 0.5, 10.0]))
def test_what_comes_out_is_safe(actions, single, margin):
    gate = Gate(SPEC, margin)
    low, high = np.array(SPEC.low), np.array(SPEC.high)
    for action in actions:
        with np.errstate(over="ignore"):
            action = action.astype(np.float32) if single else action
        verdict = gate.check(action)
        inside = bool(np.isfinite(action).all() and (action >= low).all() and (action <= high).all())
        assert (verdict.kind == "pass") == inside
        if verdict.action is None:
            over = np.maximum(low - action, action - high)
            assert verdict.kind == "reject" and verdict.reason
            assert not np.isfinite(action).all() or (over > margin * (high - low)).any()
        else:  # a simulator compares in float64
            assert verdict.action.dtype == np.float32
            assert (verdict.action.astype(np.float64) >= low).all() and (verdict.action.astype(np.float64) <= high).all()
            assert np.allclose(verdict.action, np.clip(action, low, high))
    counts = gate.counts
    assert sum(counts[kind] for kind in ("pass", "clamp", "reject")) == len(actions)
    assert counts["reject"] == counts["not finite"] + counts["too large"]


@pytest.mark.parametrize("action, kind, word", [
    ([0, 0, 0], "pass", ""), ([1, 0.1, 0.3], "pass", ""), ([1.5, 0, 0], "clamp", "x"), ([0, 0, -0.1], "clamp", "grip"),
    ([4, 0, 0], "reject", "x is too large"), ([0, 0.3, 9], "reject", "grip is too large"),
    ([0, np.nan, 0], "reject", "y is not finite"), ([np.inf, 0, 0], "reject", "x is not finite"),
    ([-np.inf, np.nan, 9], "reject", "x, y is not finite"),
])
def test_verdicts(action, kind, word):
    verdict = Gate(SPEC, margin=0.5).check(np.array(action, float))
    assert verdict.kind == kind and word in verdict.reason


def test_counts_start_anew():
    gate = Gate(SPEC)
    for action in ([0, 0, 0], [1.2, 0, 0], [9, 0, 0], [np.nan, 0, 0], [0, 0, 0.1]):
        gate.check(np.array(action))
    assert gate.counts == {"pass": 2, "clamp": 1, "reject": 2, "not finite": 1, "too large": 1}
    gate.reset()
    assert not any(gate.counts.values())


@pytest.mark.parametrize("action", [np.zeros(2), np.zeros(4), np.zeros((1, 3)), np.zeros(0), np.array(["a", "b", "c"]),
                                    np.array([None] * 3), np.zeros(3, complex)])
def test_the_wrong_width_is_an_error(action):
    with pytest.raises(SpecError, match="wrong width") as caught:
        Gate(SPEC).check(action)
    assert "3 numbers: x, y, grip" in str(caught.value)
