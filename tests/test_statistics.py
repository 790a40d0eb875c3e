"""Known values, dualities with the tests that the intervals invert, and coverage by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from wamlab.errors import DataError
from wamlab.evaluate.aggregate import holm, interquartile_mean, probability_of_improvement, stratified
from wamlab.evaluate.power.analysis import (
    claim_above,
    claim_better,
    mcnemar_power,
    rate_power,
    starts_for_difference,
    starts_for_rate,
)
from wamlab.evaluate.power.sequential import Verdict, compare, log_wealth, win_share
from wamlab.evaluate.statistics import (
    auroc,
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


def test_sequential_test_keeps_its_promise_and_its_speed():
    """The reference: type I .037 within 400 pairs at .05; 240, 51, 19 discordant starts to decide at 60, 70, 80 %."""
    generator = np.random.default_rng(0)
    fair = np.cumsum(generator.random((2000, 400)) < 0.5, 1)
    tosses = np.arange(1, 401)
    assert (log_wealth(fair, tosses) >= np.log(20)).any(1).mean() < 0.055
    for share, expected in ((0.7, 51), (0.8, 19)):
        wins = np.cumsum(generator.random((1500, 400)) < share, 1)
        over = log_wealth(wins, tosses) >= np.log(20)
        assert np.median(np.where(over.any(1), over.argmax(1) + 1, 401)) == pytest.approx(expected, rel=0.15)


def test_sequential_verdicts():
    ahead, behind = np.ones(40, bool), np.zeros(40, bool)
    assert compare(ahead, behind).winner == "first" and compare(behind, ahead).winner == "second"
    found = compare(ahead, behind)
    assert found.starts == found.discordant < 12 and found.wealth >= 20
    assert compare(ahead, ahead) == Verdict("", 40, 0, 1.0) and compare(ahead[:0], ahead[:0]).winner == ""
    assert compare(ahead, behind, alpha=1e-4).starts > found.starts
    with pytest.raises(DataError):
        compare(ahead, behind[:3])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(1, 60))
def test_the_confidence_sequence_inverts_the_wealth(wins, extra):
    tosses = wins + extra
    low, high = win_share(wins, tosses)
    assert 0 <= low <= wins / tosses <= high <= 1
    decided = log_wealth(np.array(wins), np.array(tosses)) >= np.log(20)
    assert decided == (not low < 0.5 < high)
    assert low < clopper_pearson(wins, tosses).low + 1e-9  # looking at every start costs width


def test_power_by_simulation():
    generator = np.random.default_rng(0)
    outcome = generator.random((4000, 60))
    b, c = (outcome < 0.3).sum(1), ((outcome >= 0.3) & (outcome < 0.4)).sum(1)
    simulated = np.mean([mcnemar(int(x), int(y)) <= 0.05 for x, y in zip(b, c, strict=True)])
    assert mcnemar_power(60, 0.3, 0.1) == pytest.approx(simulated, abs=0.03)
    assert mcnemar_power(60, 0.1, 0.1) <= 0.05 and mcnemar_power(60, 0, 0) == 0
    solved = generator.binomial(50, 0.9, 4000)
    simulated = np.mean([clopper_pearson(int(k), 50).low > 0.75 for k in solved])
    assert rate_power(50, 0.9, 0.75) == pytest.approx(simulated, abs=0.03)


def test_how_many_starts():
    needed = starts_for_difference(0.9, 0.7)
    assert mcnemar_power(needed, 0.9 * 0.3, 0.1 * 0.7) >= 0.8 and 50 < needed < 90
    assert starts_for_difference(0.9, 0.7, agreement=1) < needed  # shared difficulty helps
    assert 4000 < starts_for_difference(0.80, 0.78) < 12000  # the reference: 6.6 to 11.9 thousand
    assert rate_power(starts_for_rate(0.9, 0.8), 0.9, 0.8) >= 0.8
    assert starts_for_rate(1, 0.01) == 1
    for wrong in (lambda: starts_for_difference(0.5, 0.5), lambda: starts_for_rate(0.5, 0.6),
                  lambda: starts_for_difference(0.5, 0.5001)):
        with pytest.raises(DataError):
            wrong()


def test_claims_that_the_data_cannot_carry_are_refused():
    assert claim_above(45, 50, 0.7).holds
    assert not claim_above(20, 25, 0.7).holds and "needs about" in claim_above(20, 25, 0.7).why
    assert "not above" in claim_above(5, 10, 0.7).why
    assert claim_better(20, 3, 50).holds and not claim_better(3, 20, 50).holds
    assert "about" in claim_better(6, 3, 50).why and not claim_better(6, 3, 50).holds


def test_interquartile_mean_and_its_interval():
    assert interquartile_mean(np.array([0.0, 1, 2, 100])) == 1.5
    values = np.random.default_rng(0).normal(size=37)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(np.repeat(values, 4), 0.25))
    runs = {f"task {i}": np.random.default_rng(i).normal(i, 0.1, 5) for i in range(4)}
    found = stratified(runs, resamples=2000)
    assert found.low <= found.value <= found.high and found.high - found.low < 0.5  # tasks are not drawn, only runs
    with pytest.raises(DataError):
        stratified({})


def test_probability_of_improvement():
    low, high = {"a": np.array([0.0, 0.1])}, {"a": np.array([1.0, 2.0])}
    assert probability_of_improvement(high, low) == (1, 1, 1)
    assert probability_of_improvement(low, low).value == 0.5
    with pytest.raises(DataError):
        probability_of_improvement(low, {"b": np.zeros(2)})


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=8))
def test_holm(p):
    found = holm(p)
    assert list(found) == list(p) and all(p[k] <= found[k] <= min(1, len(p) * p[k]) for k in p)
    order = sorted(p, key=lambda k: p[k])
    assert [found[k] for k in order] == sorted(found.values())


@pytest.mark.slow
def test_coverage_at_nominal_value():
    """Intervals of all kinds at sizes as evaluations have them; Monte-Carlo error about .007."""
    generator = np.random.default_rng(0)
    for rate in (0.5, 0.8, 0.95):
        for n in (20, 50):
            k = generator.binomial(n, rate, 4000)
            table = {x: (clopper_pearson(x, n), wilson(x, n)) for x in range(n + 1)}
            exact, score = (np.mean([table[x][i].low <= rate <= table[x][i].high for x in k]) for i in (0, 1))
            assert exact >= 0.945 and 0.9 <= score <= 0.995
    for b, c in ((0.2, 0.1), (0.1, 0.1), (0.3, 0.02)):
        draws = generator.multinomial(50, [b, c, 1 - b - c], 1500)
        hits = [low <= b - c <= high for x, y, _ in draws for low, high in [tango(int(x), int(y), 50)]]
        assert 0.93 <= np.mean(hits) <= 0.975
    hits = []
    for trial in range(1500):  # gaussian effects: the true concordance of truth and truth + noise is known
        real, noise = generator.normal(size=(60, 8)), generator.normal(size=(60, 8))
        made = real + noise
        sums = np.stack([(real * made).sum(1), (made**2).sum(1), (real**2).sum(1)], 1)
        found = cluster_bootstrap(sums, lambda s: 2 * s[:, 0] / (s[:, 1] + s[:, 2]), seed=trial, resamples=1000)
        hits.append(found.low <= 2 / 3 <= found.high)
    assert 0.92 <= np.mean(hits) <= 0.97


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=30))
def test_auroc_is_the_share_of_pairs_in_the_right_order(rows):
    bad, badness = np.array([b for b, _ in rows]), np.array([value for _, value in rows], np.float64)
    found, above = auroc(bad, badness), badness[bad][:, None] - badness[~bad][None]
    assert np.isnan(found) if not above.size else found == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean())


@given(st.integers(1, 80), st.floats(0.02, 0.98), st.floats(0.02, 0.98))
def test_power_of_a_rate_is_that_of_its_interval(starts, rate, threshold):
    passing = next((k for k in range(starts + 1) if clopper_pearson(k, starts).low > threshold), starts + 1)
    assert rate_power(starts, rate, threshold) == pytest.approx(float(stats.binom.sf(passing - 1, starts, rate)))


@pytest.mark.parametrize(("rate", "threshold"), [(0.8, 0.6), (0.9, 0.8), (0.1, 0.02), (0.3, 0.2)])
def test_with_more_starts_than_told_the_power_stays(rate, threshold):
    """47 starts show 0.8 above 0.6 with less than 0.8, though 45 do with more."""
    told = starts_for_rate(rate, threshold)
    assert rate_power(told - 1, rate, threshold) < 0.8
    assert min(rate_power(n, rate, threshold) for n in range(told, 5 * told)) >= 0.8
