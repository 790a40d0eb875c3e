"""No metric without passing promises enters a report; the record of what passed is current."""

import json

import pytest

from synthetic import write_run
from toyworld import SPEC, effects
from wamlab.cli import main
from wamlab.errors import DataError
from wamlab.evaluate.conformance import families, gate
from wamlab.evaluate.conformance.families import Family, World
from wamlab.evaluate.conformance.promise import Promise
from wamlab.evaluate.conformance.registry import examine
from wamlab.evaluate.log import EvalLog, Score
from wamlab.report import html

TOY = "tidiness"


def test_a_metric_without_promises_is_withheld_and_named():
    log = EvalLog({}, (Score("m", "t", "success", 0.5), Score("m", "t", TOY, 0.9), Score("m", "t", f"{TOY}.more", 0.9),
                       Score("m", "t", "branch.psnr.copy", 20.0), Score("readout", "t", "readout.robot.r2", 0.9)))
    shown, withheld = gate.admit(log)
    assert withheld == (TOY,) and {s.metric for s in shown.scores} == {"success", "branch.psnr.copy", "readout.robot.r2"}


def test_a_toy_metric_enters_a_page_only_with_its_conformance_file(tmp_path):
    log = write_run(tmp_path)
    own = tmp_path / "log" / gate.OWN
    def table(best):
        return lambda world: {"oracle": {TOY: best}, "frozen": {TOY: 0.0}}

    promise = (Promise(TOY, TOY, "higher", {"oracle": 1.0}),)
    world = World("toy", SPEC, effects(2))
    for best, passes in ((0.3, False), (1.0, True)):
        found = examine(world, {TOY: Family(TOY, table(best), promise)})
        gate.write({name: [found.world] for name in found.cleared}, own)
        text = html(log, tmp_path / "log", tmp_path / "a.html").read_text()
        assert (f"Withheld: {TOY}" not in text) == passes and (">tidiness</" in text) == passes


def test_the_record_names_every_metric_that_has_promises():
    """That they pass is what tests/test_conformance.py shows."""
    assert gate.own() == {p.metric for family in families.discover().values() for p in family.promises}


def test_the_packages_own_metrics_must_pass_in_both_worlds(monkeypatch, tmp_path):
    assert gate.complete(["pushworld", "metaworld/plate-slide"]) and not gate.complete(["pushworld"]) and not gate.complete([])
    passed = {"cc": ["pushworld"], "dose": ["pushworld", "metaworld/drawer-open"]}
    (tmp_path / gate.PASSED).write_text(json.dumps({"protocol": gate.VERSION, "metrics": passed}))
    monkeypatch.setattr(gate, "files", lambda package: tmp_path)
    assert gate.own() == {"dose"}
    log = EvalLog({}, (Score("m", "t", "cc", 0.5), Score("m", "t", "dose", 0.5)))
    assert gate.admit(log)[1] == ("cc",)


def test_the_packages_record_is_not_written_from_half_an_examination(capsys):
    for words in (["--task", "pushworld"], ["--no-readout"]):
        assert main(["conformance", "--write", *words]) == 2 and "through the readout" in capsys.readouterr().err


def test_damaged_and_old_records_are_clear_errors(tmp_path):
    path = tmp_path / gate.OWN
    assert gate.read(path) == frozenset()
    for text, words in (("{", "damaged"), (json.dumps({"protocol": "CC-0", "metrics": {}}), "another version"),
                        (json.dumps({"protocol": gate.VERSION, "metrics": []}), "damaged")):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            gate.read(path)
    assert gate.read(gate.write({"a": ["w"], "b": []}, path)) == {"a"}
