"""Files that no episode refers to, and rows of episodes that nobody lists. Nothing here is ever said to be removable while
anything is missing: what looks superfluous may hold it.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError
from ..check.finding import Finding, listing
from .index import piece_files
from .lerobot import LeRobot

ASIDE = "other readers load every file: move it out of the dataset's folder, and keep it"


def stray_files(dataset: LeRobot) -> list[Finding]:
    """Data and video files of a dataset of version 3.0 that no episode refers to, and what they hold."""
    if dataset.info.version != "v3.0":
        return []
    root, used, lacking = dataset.root, set[Path](), list[int]()
    for row in dataset.rows:
        used |= {row.data, *(span.path for span in row.videos.values())}
        try:
            if row.length:
                dataset.parts.find(row)
        except DataError:
            lacking.append(row.index)
    used |= set(dataset.parts.elsewhere.values())
    found = []
    for path in sorted(set(piece_files(root, "data")) - used):
        found.append(_data(dataset, path, lacking))
    films = {path.relative_to(root) for path in (root / "videos").rglob("*.mp4")}
    for path in sorted(films - used):
        keep = f"keep it: episodes {listing(lacking)} are incomplete" if lacking else ASIDE
        found.append(Finding("stray file", "note", str(root / path), "", None, "no episode refers to this video",
                             "no such file", "a file", keep))
    return found


def _data(dataset: LeRobot, path: Path, lacking: list[int]) -> Finding:
    try:
        held = sorted(dataset.parts.extents(path))
    except DataError as error:
        return Finding("stray file", "warning", str(dataset.root / path), "", None,
                       "no episode refers to this file, and it cannot be read", "no such file", error.problem,
                       f"keep it: episodes {listing(lacking)} are incomplete" if lacking else ASIDE)
    missed = [index for index in held if index in set(lacking)]
    unlisted = [index for index in held if index not in set(dataset.indices())]
    if missed or unlisted:
        which = (f"rows of episodes {listing(missed)}, which are incomplete" if missed else
                 f"episodes {listing(unlisted)}, which the table of episodes does not list")
        return Finding("stray file", "error" if missed else "warning", str(dataset.root / path), "episode_index",
                       (missed or unlisted)[0], f"no episode refers to this file, but it holds {which}",
                       "an entry in the table of episodes", "none", "keep it: write the table of episodes again from all data")
    return Finding("stray file", "warning", str(dataset.root / path), "episode_index", None,
                   "no episode refers to this file, and all its episodes are whole elsewhere", "no such file",
                   f"rows of episodes {listing(held)}",
                   f"keep it: episodes {listing(lacking)} are incomplete" if lacking else ASIDE)


def unlisted_rows(dataset: LeRobot) -> list[Finding]:
    """Files that were read and hold rows of episodes which the table of episodes does not list."""
    known = set(dataset.indices())
    return [Finding("import", "warning", str(dataset.root / path), "episode_index", extra[0],
                    f"there are rows of episodes {listing(extra)}, which the table of episodes does not list",
                    "an entry in the table of episodes", "none", "write the table of episodes again from all data")
            for path, episodes in dataset.parts.read().items()
            if path in {row.data for row in dataset.rows} and (extra := sorted(set(episodes) - known))]
