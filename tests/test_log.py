import json
from dataclasses import replace

import numpy as np
import pytest

from wamlab.errors import DataError
from wamlab.evaluate.log import EvalLog, Score, difference
from wamlab.evaluate.provenance import provenance

SCORES = (Score("uwm", "pushworld", "success", 0.8, 0.6, 0.9, 25),
          Score("uwm", "pushworld", "latency", 0.02, n=3, unit="s", timing=True),
          Score("vla", "pushworld", "fcs", None, unavailable="the model imagines nothing"))


def make(**changes):
    given = {"provenance": provenance("test", [1, 2], "fake-00"), "scores": SCORES,
             "curves": {"loss": {"x": [0, 1], "y": (2.0, 1.0)}},
             "arrays": {"strip": np.arange(24, dtype=np.uint8).reshape(2, 3, 4)}, "timings": {"train": 3.2}}
    return EvalLog(**(given | changes))


def test_round_trip_keeps_everything(tmp_path):
    log = make()
    again = EvalLog.load(log.save(tmp_path / "log"))
    assert again.scores == log.scores and again.numbers() == log.numbers() and not list(difference(log, again))
    assert (again.arrays["strip"] == log.arrays["strip"]).all() and again.provenance == log.provenance
    assert again.find("uwm", "pushworld", "success").value == 0.8
    assert len(again.select(model="uwm")) == 2 and again.select(metric="suc") == ()


def test_equal_logs_are_equal_text_and_saving_twice_is_harmless(tmp_path):
    log = make()
    first = log.save(tmp_path / "a").read_bytes()
    assert log.save(tmp_path / "a").read_bytes() == first == log.save(tmp_path / "b").read_bytes()
    assert sorted(p.name for p in (tmp_path / "a").iterdir())[-1] == "log.json"  # and no temporary file is left
    assert len(list((tmp_path / "a").iterdir())) == 2


def test_a_different_log_is_not_overwritten(tmp_path):
    make().save(tmp_path)
    before = (tmp_path / "log.json").read_bytes()
    with pytest.raises(DataError, match="never overwritten"):
        make(scores=SCORES[:1]).save(tmp_path)
    assert (tmp_path / "log.json").read_bytes() == before


def test_numbers_leave_out_clocks_but_nothing_else():
    log = make()
    slower = make(scores=(SCORES[0], replace(SCORES[1], value=9.0), SCORES[2]), timings={"train": 99})
    assert slower.numbers() == log.numbers()
    for change in ({"scores": (replace(SCORES[0], value=0.81), *SCORES[1:])}, {"arrays": {}}, {"curves": {}},
                   {"arrays": {"strip": np.zeros((2, 3, 4), np.uint8)}}):
        assert make(**change).numbers() != log.numbers() and list(difference(log, make(**change)))


@pytest.mark.parametrize("damage, message", [
    (lambda d: (d / "log.json").unlink(), "no log"),
    (lambda d: next(d.glob("*.safetensors")).unlink(), "no log"),
    (lambda d: (d / "log.json").write_text((d / "log.json").read_text()[:100]), "damaged"),
    (lambda d: next(d.glob("*.safetensors")).write_bytes(b"short"), "damaged"),
    (lambda d: (d / "log.json").write_text("[]"), "damaged"),
    (lambda d: (d / "log.json").write_text(json.dumps(json.loads((d / "log.json").read_text()) | {"version": 99})), "version"),
])
def test_a_damaged_log_is_a_clear_error(tmp_path, damage, message):
    make().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        EvalLog.load(tmp_path)


def test_unavailable_is_not_zero_and_numbers_are_finite():
    for wrong in ({"value": None}, {"value": 0.0, "unavailable": "why"}, {"value": float("nan")},
                  {"value": 1.0, "high": float("inf")}):
        with pytest.raises(DataError):
            Score("m", "t", "x", **wrong)
    with pytest.raises(DataError, match="same name"):
        make(scores=(SCORES[0], SCORES[0]))


def test_what_is_not_json_and_what_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="not JSON"):
        make(provenance={"x": object()}).save(tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        make().save(tmp_path / "file")


def test_provenance_names_code_libraries_and_hardware():
    record = provenance("wam run", [3], "egl-1", recipe={"name": "uwm"})
    assert record["seeds"] == [3] and record["renderer"] == "egl-1" and record["recipe"] == {"name": "uwm"}
    assert record["packages"]["torch"] and record["cores"] > 0 and record["threads"] > 0 and record["date"].endswith("Z")
    json.dumps(record)
