"""The table of situations: what it tries ends in a result or an error, never in a traceback, and its reader can see both."""

from __future__ import annotations

import json
import runpy
import sys

import pytest

from documents import ROOT

MAKER = runpy.run_path(str(ROOT / "benchmarks" / "situations.py"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return MAKER["small"](tmp_path_factory.mktemp("situations"))


def tried(base, folder, words):
    (one,) = [situation for situation in MAKER["situations"](base) if situation.input == words]
    folder.mkdir()
    return MAKER["outcome"](one, base, folder)


@pytest.mark.parametrize(("words", "check", "kept"), [
    ("the dataset itself", 0, 6), ("info.json states three times the rate", 2, None), ("names in a list inside a list", 0, 6),
    ("an action of the first episode is 1e+30", 2, None), ("the same, with --skip-bad: 1e+30", 2, 5),
    ("a pipe in place of info.json", 2, None)])
def test_what_becomes_of_them(base, tmp_path, words, check, kept):
    row = tried(base, tmp_path / "x", words)
    assert (row["check"]["status"], row["import"].get("episodes")) == (check, kept), row
    assert row["import"]["status"] == (2 if kept is None else 0)


def test_a_changed_bit_is_no_import(base, tmp_path):
    changed = [situation for situation in MAKER["situations"](base) if situation.kind == "a bit of a file changed"]
    assert len(changed) > 5
    for number, situation in enumerate(changed):
        (tmp_path / str(number)).mkdir()
        row = MAKER["outcome"](situation, base, tmp_path / str(number))
        assert row["check"]["status"] == 2 == row["import"]["status"], row


def test_a_traceback_would_be_seen(monkeypatch):
    def broken(argv):
        raise ZeroDivisionError
    monkeypatch.setitem(MAKER["said_by"].__globals__, "main", broken)
    assert "ZeroDivisionError" in MAKER["said_by"]("data", "check")["status"]


@pytest.mark.slow
def test_the_whole_table(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["situations.py", str(tmp_path / "table.json")])
    MAKER["run"]()
    found = json.loads((tmp_path / "table.json").read_text())
    assert found["situations"] > 60 and found["tracebacks and hangs"] == 0
