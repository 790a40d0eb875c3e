"""What a number depends on beside the model: code, libraries, hardware, seeds and renderer."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from .. import __version__

PACKAGES = ("torch", "numpy", "scipy", "mujoco", "metaworld", "gymnasium")


def provenance(command: str, seeds: Sequence[int] = (), renderer: str | Sequence[str] = "", **more: Any) -> dict[str, Any]:
    """A record to put into an `EvalLog`.

    Args:
        command: the command line that was run.
        seeds: the random seeds that the numbers depend on.
        renderer: fingerprint(s) of the renderer that drew the frames.
        more: anything else that is JSON, such as the recipe.
    """
    return {
        "command": command, "seeds": [int(s) for s in seeds],
        "renderer": renderer if isinstance(renderer, str) else list(renderer),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "wamlab": __version__, "commit": commit(), "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(), "cores": os.cpu_count() or 0, "threads": torch.get_num_threads(), **more,
    }


def commit() -> str:
    """The commit of the source tree, with "+" if it has changes; empty where the package is not a git checkout."""
    here = Path(__file__).resolve().parents[3]
    if not (here / ".git").exists():
        return ""
    try:
        def git(*words: str) -> str:
            return subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True,
                                  timeout=10).stdout.strip()
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):  # no git program, or not a readable checkout: the record goes without
        return ""


def cpu_model() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
