"""Every test runs with checked shapes and types, one thread, and no colour."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background job; programs started here would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("LP_NUM_THREADS", "0")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["NO_COLOR"] = "1"
if "PYTEST_DEBUG_TEMPROOT" not in os.environ and os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 4 * 2**30:
    os.environ["PYTEST_DEBUG_TEMPROOT"] = "/dev/shm"  # thousands of files are flushed: in memory that takes no time
os.environ["COLUMNS"] = "120"

from jaxtyping import install_import_hook

install_import_hook("wamlab", "checker.check")  # before anything of wamlab is imported

import hypothesis
import numpy as np
import pytest
import torch

from sendable import pytest_report_to_serializable, pytest_warning_recorded  # noqa: F401  hooks are found by name

hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one takes long, which is no fault
hypothesis.settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _same_numbers():
    """The package never reads global random state; tests that slip would at least repeat."""
    torch.set_num_threads(1)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def debug_run(tmp_path_factory):
    """A folder in which `wam run --size debug` has been run; what it printed lies in printed.json."""
    folder = tmp_path_factory.mktemp("debug")
    command = [sys.executable, "-m", "wamlab", "run", "--size", "debug", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "printed.json").write_text(done.stdout)
    return folder
