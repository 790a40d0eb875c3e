"""The order of the windows is a pure function of (n, batch size, step, seed)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wamlab.data.sampling import batch_indices
from wamlab.errors import WamError


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 50), size=st.integers(1, 20), seed=st.integers(0, 2**32), epochs=st.integers(1, 3))
def test_every_index_comes_once_per_epoch(n, size, seed, epochs):
    steps = -(-n * epochs // size)
    drawn = np.concatenate([batch_indices(n, size, step, seed) for step in range(steps)])
    for epoch in range(epochs):
        assert sorted(drawn[epoch * n:(epoch + 1) * n]) == list(range(n))


def test_pure_and_seeded():
    before = np.random.get_state()[1].copy()
    once = [batch_indices(1000, 32, step, 5) for step in range(70)]
    assert all(np.array_equal(once[step], batch_indices(1000, 32, step, 5)) for step in reversed(range(70)))
    assert not np.array_equal(once[0], batch_indices(1000, 32, 0, 6)) and not np.array_equal(once[0], once[1])
    assert not np.array_equal(np.concatenate(once)[:1000], np.concatenate(once)[1000:2000])  # epochs differ
    assert np.array_equal(before, np.random.get_state()[1])


def test_an_empty_dataset_is_refused():
    with pytest.raises(WamError, match="nothing to sample"):
        batch_indices(0, 2, 0, 0)
