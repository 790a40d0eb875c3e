"""Known values, dualities with the tests that the intervals invert, and coverage by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from wamlab.errors import DataError
from wamlab.evaluate.statistics import (
    clopper_pearson,
    cluster_bootstrap,
    mcnemar,
    mean_of_clusters,
    tango,
    tango_score,
    wilson,
)

counts = st.integers(1, 120).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_agree_with_scipy(count, level):
    result = stats.binomtest(*count)
    for ours, method in ((clopper_pearson, "exact"), (wilson, "wilson")):
        assert ours(*count, level) == pytest.approx(tuple(result.proportion_ci(level, method)), abs=1e-9)


@given(counts)
def test_intervals_are_nested_and_symmetric(count):
    k, n = count
    for interval in (clopper_pearson, wilson):
        low, high = interval(k, n)
        assert 0 <= low <= k / n <= high <= 1
        assert interval(k, n, 0.99).low <= low and interval(k, n, 0.99).high >= high
        assert interval(n - k, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_known_values():
    assert clopper_pearson(0, 10) == pytest.approx((0, 0.30850), abs=1e-5)  # 1 - .025^(1/10)
    assert clopper_pearson(8, 10) == pytest.approx((0.44390, 0.97479), abs=1e-5)
    assert wilson(8, 10) == pytest.approx((0.49016, 0.94332), abs=1e-5)
    assert mcnemar(0, 0) == 1 and mcnemar(5, 5) == 1
    assert mcnemar(0, 6) == pytest.approx(2 / 64) and mcnemar(1, 7) == pytest.approx(2 * 9 / 256)


@pytest.mark.parametrize("call", [lambda: wilson(1, 0), lambda: clopper_pearson(3, 2), lambda: clopper_pearson(-1, 2),
                                  lambda: tango(3, 3, 5), lambda: tango(0, 0, 0)])
def test_impossible_counts_are_refused(call):
    with pytest.raises(DataError):
        call()


def constrained_score(d, b, c, n):
    """Tango's statistic by direct numerical maximisation of the trinomial likelihood at difference d."""
    def loss(q):
        p_b, p_c = q + d, q
        return -(b * np.log(max(p_b, 1e-300)) + c * np.log(max(p_c, 1e-300)) + (n - b - c) * np.log(max(1 - p_b - p_c, 1e-300)))
    q = optimize.minimize_scalar(loss, bounds=(max(0, -d), (1 - d) / 2), method="bounded", options={"xatol": 1e-12}).x
    return (b - c - n * d) / np.sqrt(n * (2 * q + d - d * d))


@pytest.mark.parametrize("b, c, n", [(12, 2, 50), (3, 9, 40), (1, 0, 30), (0, 0, 20), (20, 1, 21), (7, 7, 100)])
def test_tango_inverts_its_score_test(b, c, n):
    low, high = tango(b, c, n)
    assert -1 <= low <= (b - c) / n <= high <= 1
    assert tango(c, b, n) == pytest.approx((-high, -low), abs=1e-9)
    for bound in (low, high):
        if abs(bound) < 0.999:
            assert abs(tango_score(bound, b, c, n)) == pytest.approx(1.959964, abs=1e-5)
            assert constrained_score(bound, b, c, n) == pytest.approx(tango_score(bound, b, c, n), abs=1e-3)


def test_tango_all_discordant_one_way():
    # without concordant starts the difference is 2 p - 1, and the interval Wilson's
    assert tango(30, 0, 30) == pytest.approx((2 * wilson(30, 30).low - 1, 1), abs=1e-9)
    assert tango(0, 30, 30).low == -1


def ratio(sums):
    return sums[..., 0] / sums[..., 1]


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    for bca in (False, True):
        hits = 0
        for trial in range(300):  # clusters of different sizes that share an offset: frames are not independent
            size = generator.integers(1, 20, 40)
            means = generator.normal(size=40)
            sums = np.stack([means * size, size], -1).astype(float)
            found = cluster_bootstrap(sums, ratio, seed=trial, resamples=800, bca=bca)
            hits += found.low <= 0 <= found.high
        assert 0.89 <= hits / 300 <= 0.98


def test_treating_frames_as_units_would_be_wrong():
    generator = np.random.default_rng(1)
    cluster = np.repeat(np.arange(20), 50)
    values = np.repeat(generator.normal(size=20), 50)
    right, clusters = mean_of_clusters(values, cluster)
    wrong, _ = mean_of_clusters(values, np.arange(1000))
    assert clusters == 20 and right.value == pytest.approx(values.mean()) == pytest.approx(wrong.value)
    assert right.high - right.low > 4 * (wrong.high - wrong.low)


def test_bootstrap_is_reproducible_and_says_when_it_cannot_tell():
    sums = np.random.default_rng(2).uniform(1, 2, (10, 2))
    assert cluster_bootstrap(sums, ratio, seed=5) == cluster_bootstrap(sums, ratio, seed=5)
    assert cluster_bootstrap(sums, ratio, seed=5) != cluster_bootstrap(sums, ratio, seed=6)
    assert cluster_bootstrap(sums[:2], ratio) is None
    assert cluster_bootstrap(np.zeros((5, 2)), ratio) is None
    assert mean_of_clusters(np.zeros(0), np.zeros(0, int)) == (None, 0)
    same = cluster_bootstrap(np.ones((5, 2)), ratio, bca=True)
    assert same == (1, 1, 1)
