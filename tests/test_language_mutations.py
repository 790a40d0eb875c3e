"""The tests of the language notice faults in the language."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from language_mutations import MUTATIONS

HERE = Path(__file__).parent


def suite(mutation: str) -> subprocess.CompletedProcess:
    """The tests of table and session, on two recipes that between them use every word."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-o", "addopts=", "-p", "language_mutations",
               "-p", "no:cacheprovider", "-k", "dreamzero or uwm", "tests/test_table.py", "tests/test_session.py"]
    return subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, timeout=900, env=os.environ | {
        "WAMLAB_MUTATION": mutation, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])})


@pytest.mark.slow
def test_the_suite_passes_as_it_stands():
    done = suite("")
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_fault_in_the_language_is_noticed(mutation):
    done = suite(mutation)
    assert done.returncode == 1 and "failed" in done.stdout, done.stdout[-2000:]
    assert "Error" in done.stdout and "ImportError" not in done.stdout
