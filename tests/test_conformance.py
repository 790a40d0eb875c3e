"""The ruler is tested itself: every metric against every saboteur, in two worlds, and the published scores that trivial models
win are shown failing."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toyworld import SPEC, effects
from wamlab.cli import main
from wamlab.errors import SpecError
from wamlab.evaluate.ask.actions import ACTIONS
from wamlab.evaluate.ask.branches import Protocol, make_branches
from wamlab.evaluate.conformance import families, gate
from wamlab.evaluate.conformance.families import World, uncertainty
from wamlab.evaluate.conformance.promise import blind_spots, check, cleared
from wamlab.evaluate.conformance.registry import examine
from wamlab.evaluate.conformance.saboteurs import SABOTEURS
from wamlab.evaluate.metrics import discover
from wamlab.evaluate.scoring.score import true_effects

PROMISES = families.discover()["effects"].promises


@pytest.fixture(scope="module")
def pushworld(tmp_path_factory):
    branches = make_branches(Protocol("pushworld", (2, 4, 6, 8), contexts=40, actions=tuple(ACTIONS), options={"size": 16}),
                             tmp_path_factory.mktemp("b"), workers=1)
    return World("pushworld", branches.spec, true_effects(branches), branches)


@pytest.fixture(scope="module", params=["toy", "pushworld"])
def found(request):
    toy = request.param == "toy"
    return examine(World("toy", SPEC, effects(40, late=True)) if toy else request.getfixturevalue("pushworld"))


def broken(findings):
    return [f"{f.score} {f.saboteur}: {f.value} is not {f.demand}" for f in findings if not f.kept]


def test_every_promise_is_kept_and_every_blind_spot_is_seen_by_another_score(found):
    assert not broken(found.findings)
    every = {p.metric for f in families.discover().values() if f.name in found.tables for p in f.promises}
    assert found.cleared == every and set(found.tables) == {
        name for name, f in families.discover().items() if not f.reads and not (f.pictures and found.world == "toy")}


def test_every_saboteur_is_accounted_for(found):
    for name, table in found.tables.items():
        for promise in families.discover()[name].promises:
            assert {"oracle"} | {f.saboteur for f in check(table, (promise,))} == set(table), promise.score
    assert set(found.tables["effects"]) == set(SABOTEURS)


def test_published_scores_are_fooled(found):
    table = found.tables["effects"]
    assert not broken(found.exhibits) and len(found.exhibits) == 3
    assert table["random"]["exhibit.diversity"] > table["oracle"]["exhibit.diversity"]
    assert table["factual_only"]["exhibit.delta_psnr"] >= table["oracle"]["exhibit.delta_psnr"]
    assert table["frozen"]["exhibit.closeness"] > 0.8
    # and ours are not, by the same models
    assert table["random"]["cc"] < 0.2 and table["factual_only"]["cc"] < 0.2 and table["frozen"]["cc"] == 0


def test_every_metric_of_effects_and_answers_has_a_promise():
    promised = {p.metric for family in families.discover().values() for p in family.promises}
    assert promised >= {name for name, metric in discover().items() if metric.needs in (("effects",), ("answers",))}


def test_a_gamed_metric_does_not_clear(found):
    """Control: a diversity score in the place of CC breaks the promises of CC."""
    table = found.tables["effects"]
    best = table["oracle"]["exhibit.diversity"]
    gamed = {name: {**row, "cc": row["exhibit.diversity"] / best} for name, row in table.items()}
    findings = check(gamed, PROMISES)
    assert "cc" not in cleared(findings, PROMISES) and len(broken(findings)) >= 5
    lost = {name: {**row, "cc": None} for name, row in table.items()}
    assert "cc" not in cleared(check(lost, PROMISES), PROMISES)
    lenient = (replace(PROMISES[0], anchors={"oracle": 1.0}, chains=(), blind=dict.fromkeys(SABOTEURS, "miss")),)
    assert broken(blind_spots(table, (*lenient, *PROMISES[1:])))


def test_a_metric_that_should_be_unavailable_and_is_not_breaks_its_promise(found):
    table = found.tables["effects"]
    onset = next(p for p in PROMISES if p.metric == "onset")
    assert table["frozen"]["onset"] is None and table["oracle"]["onset"] == 0
    zero = {**table, "frozen": {**table["frozen"], "onset": 0.0}}
    assert broken(check(zero, (onset,))) and not broken(check(table, (onset,)))


def test_uncertainty_that_anyone_could_guess_has_no_advantage(found):
    table = found.tables["uncertainty"]
    assert set(table) == set(uncertainty.UNSURE) and table["motion"]["calibration.gain"] <= 1e-9
    assert table["oracle"]["calibration.gain"] > 0.05 > table["random"]["calibration.gain"]
    assert table["oracle"]["calibration.risk"] < table["random"]["calibration.risk"]


def test_values_are_finite(found):
    assert all(np.isfinite(v) for table in found.tables.values() for row in table.values() for v in row.values()
               if v is not None)


@pytest.mark.slow
@pytest.mark.sim
def test_the_command_passes_in_both_worlds_through_the_readout(capsys):
    """`wam conformance` as it is: all families, in state space, on pictures and through a readout; the record is current."""
    assert main(["conformance", "--json", "--workers", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and set(told["worlds"]) == {"pushworld", "metaworld/plate-slide"}
    for world in told["worlds"].values():
        assert set(world["tables"]) == set(families.discover())
        assert world["tables"]["seeing"]["oracle"]["cc.robot"] > 0.8 and world["tables"]["acting"]["oracle"]["fcs"] > 0.8
    assert {name: sorted(worlds) for name, worlds in told["passed"].items()} == json.loads(
        (Path(gate.__file__).parent / gate.PASSED).read_text())["metrics"]


def test_a_family_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text('''
from wamlab.evaluate.conformance.families import Family
from wamlab.evaluate.conformance.promise import Promise

def table(world):
    return {"oracle": {"mine": 1.0}, "frozen": {"mine": 0.0}}

FAMILY = Family("mine", table, (Promise("mine", "mine", "higher", {"oracle": 1.0}),))
''')
    world = World("toy", SPEC, effects(4))
    assert examine(world, {"mine": families.load(path)}).cleared == {"mine"}
    path.write_text("FAMILY = 1")
    with pytest.raises(SpecError, match="no family"):
        families.load(path)
