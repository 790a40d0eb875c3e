"""Whether the files of an export are those that were written."""

from __future__ import annotations

from pathlib import Path

from ...errors import WamError
from ..formats.sidecar import differing_files
from .finding import Finding, from_error


def check_sums(root: Path) -> list[Finding]:
    """Files against the checksums written with them."""
    try:
        return [Finding("checksum", "error", str(root / name), "", None, "the file is not the one that was written", wanted,
                        got,
                        "copy the dataset again") for name, wanted, got in differing_files(root)]
    except WamError as error:
        return [from_error("checksum", error)]
