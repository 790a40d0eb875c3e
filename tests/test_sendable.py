"""A test that prints, warns of or fails with what UTF-8 cannot write fails alone: a run of several processes goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sendable import sendable

HOSTILE = '''
import sys, warnings

def test_prints():
    print("\\ud800")
    print("\\udcff", file=sys.stderr)
    warnings.warn("a \\ud801", UserWarning)
    assert not "b \\ud802"

def test_passes():
    warnings.warn("c \\ud803", UserWarning)
'''


def test_what_can_be_written_stays():
    plain = {"a": ["é", ("☃", 1, None)], "b": {"c": 0.5}}
    assert sendable(plain) == plain
    assert sendable({"\ud800": ["x\udcff", ("\ud801",)]}) == {"\\ud800": ["x\\udcff", ("\\ud801",)]}


def test_a_run_goes_on(tmp_path):
    (tmp_path / "test_hostile.py").write_text(HOSTILE)
    command = [sys.executable, "-m", "pytest", "-n", "1", "-p", "sendable", "-p", "no:cacheprovider", "--rootdir", tmp_path]
    done = subprocess.run([*command, tmp_path], capture_output=True, text=True, cwd=Path(__file__).parent, check=False)
    assert "1 failed, 1 passed, 2 warnings" in done.stdout, done.stdout + done.stderr
    assert all(escape in done.stdout for escape in ("\\ud800", "\\udcff", "a \\ud801", "b \\ud802", "c \\ud803"))
