"""Datasets are of two kinds: episode stores and LeRobot datasets."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError


def is_store(root: Path) -> bool:
    """Whether a folder is an episode store (by its dataset.json) or else a LeRobot dataset (by its meta/).

    Raises:
        DataError: if it is neither.
    """
    if (root / "dataset.json").exists():
        return True
    if (root / "meta").is_dir():
        return False
    got = "neither" if root.is_dir() else "a file" if root.exists() else "no such folder"
    raise DataError("there is no dataset here", where=root, expected="dataset.json, or meta/info.json", got=got,
                    fix="check the path, or make one: wam collect TASK --out DIR")
