"""The type checker and the linter are part of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow  # a minute where nothing is cached; .ci/run asks the type checker itself
def test_types():
    done = tool("mypy", "--no-color-output")
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_are_checked(tmp_path):
    (tmp_path / "wrong.py").write_text("def half(x: int) -> int:\n    return str(x)\n")
    assert tool("mypy", str(tmp_path / "wrong.py")).returncode != 0


def test_lint():
    done = tool("ruff", "check", "src", "tests", "examples", "benchmarks")
    assert done.returncode == 0, done.stdout + done.stderr
