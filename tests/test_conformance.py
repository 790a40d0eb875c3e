"""The ruler is tested itself: every metric of effects against every saboteur, in two worlds, and the published scores that
trivial models win are shown failing."""

from dataclasses import replace

import numpy as np
import pytest

from toyworld import SPEC, effects
from wamlab.evaluate.branches import Protocol, make_branches
from wamlab.evaluate.conformance.registry import PROMISES, blind_spots, check, cleared, fooled, table_of
from wamlab.evaluate.conformance.saboteurs import SABOTEURS
from wamlab.evaluate.metrics import discover
from wamlab.evaluate.score import true_effects


@pytest.fixture(scope="module")
def pushworld(tmp_path_factory):
    branches = make_branches(Protocol("pushworld", (2, 4, 6, 8), contexts=40, options={"size": 16}),
                             tmp_path_factory.mktemp("b"), workers=1)
    return true_effects(branches), branches.spec


@pytest.fixture(scope="module", params=["toy", "pushworld"])
def table(request):
    made, spec = (effects(), SPEC) if request.param == "toy" else request.getfixturevalue("pushworld")
    return table_of(made, spec)


def broken(findings):
    return [f"{f.score} {f.saboteur}: {f.value} is not {f.demand}" for f in findings if not f.kept]


def test_every_promise_is_kept(table):
    findings = check(table)
    assert not broken(findings) and cleared(findings) == {p.metric for p in PROMISES}


def test_every_saboteur_is_accounted_for_and_every_blind_spot_is_seen_by_another_score(table):
    for promise in PROMISES:
        assert {f.saboteur for f in check(table, (promise,))} == set(SABOTEURS)
    assert not broken(blind_spots(table))


def test_published_scores_are_fooled(table):
    assert not broken(fooled(table))
    assert table["random"]["exhibit.diversity"] > table["oracle"]["exhibit.diversity"]
    assert table["factual_only"]["exhibit.delta_psnr"] >= table["oracle"]["exhibit.delta_psnr"]
    assert table["frozen"]["exhibit.closeness"] > 0.8
    # and ours are not, by the same models
    assert table["random"]["cc"] < 0.2 and table["factual_only"]["cc"] < 0.2 and table["frozen"]["cc"] == 0


def test_every_metric_of_effects_has_a_promise():
    assert {p.metric for p in PROMISES} == {name for name, metric in discover().items() if metric.needs == ("effects",)}


def test_a_gamed_metric_does_not_clear(table):
    """Control: a diversity score in the place of CC breaks the promises of CC."""
    best = table["oracle"]["exhibit.diversity"]
    gamed = {name: {**row, "cc": row["exhibit.diversity"] / best} for name, row in table.items()}
    findings = check(gamed)
    assert "cc" not in cleared(findings) and len(broken(findings)) >= 5
    lost = {name: {**row, "cc": None} for name, row in table.items()}
    assert "cc" not in cleared(check(lost))
    lenient = (replace(PROMISES[0], anchors={"oracle": 1.0}, chains=(), blind=dict.fromkeys(SABOTEURS, "miss")),)
    assert broken(blind_spots(table, (*lenient, *PROMISES[1:])))


def test_values_are_finite(table):
    assert all(np.isfinite(v) for row in table.values() for v in row.values() if v is not None)
