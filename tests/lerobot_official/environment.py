"""An environment of its own for the official library; made once, reused while it lasts.

WAMLAB_LEROBOT_ENV names another folder for it. Where it cannot be had (no package index), `Unavailable` says what failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VERSION = "0.4.4"
PACKAGES = ["numpy<2.3", "datasets<5", "av<16", "huggingface-hub<0.36", "jsonlines", "draccus==0.10.0", "termcolor",
            "deepdiff<9", "packaging<26"]


class Unavailable(Exception):
    """The official library cannot be had here; the text says why."""


def folder() -> Path:
    return Path(os.environ.get("WAMLAB_LEROBOT_ENV") or Path(tempfile.gettempdir()) / f"wamlab-lerobot-{VERSION}")


def python() -> Path:
    """The interpreter of the environment; makes it if needed."""
    if sys.version_info[:2] >= (3, 13):
        raise Unavailable(f"lerobot {VERSION} is not for Python {sys.version.split()[0]}")
    place = folder()
    interpreter = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (place / "ready").exists():
        return interpreter
    call([sys.executable, "-m", "venv", str(place)])
    inner = call([str(interpreter), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    # torch, gymnasium and so on come from here; what the environment installs itself comes first
    (Path(inner) / "zz_outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    call([str(interpreter), "-m", "pip", "install", "-q", *PACKAGES])
    call([str(interpreter), "-m", "pip", "install", "-q", "--no-deps", f"lerobot=={VERSION}", "accelerate<2"])
    call([str(interpreter), "-c", "import lerobot.datasets.lerobot_dataset"])
    (place / "ready").write_text(VERSION)
    return interpreter


def call(command: list[str], **extra: str) -> str:
    """Run a command in the environment's terms; its stdout. Raises Unavailable with the end of what it said."""
    env = os.environ | {"PYTHONPATH": str(HERE), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "SVT_LOG": "1", **extra}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command[-3:])} failed: {done.stderr.strip()[-600:]}")
    return done.stdout


def run(script: str, *arguments: object) -> str:
    """Run one of the scripts beside this file with the official library."""
    return call([str(python()), str(HERE / script), *map(str, arguments)])
