"""Safetensors files with a checksum per array, as episodes have them: what has changed on the disk is noticed before it is
used."""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy import ndarray
from safetensors.numpy import save

from ..errors import DataError
from ..reading import VIDEO_LIMIT, shown
from ..reading_tensors import TensorFile, load_arrays, text_table

SUMS = "checksums"


def checksum(array: ndarray) -> int:
    """CRC-32 of the type, the shape and the bytes."""
    start = zlib.crc32(f"{array.dtype.str}{array.shape}".encode())
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, start)


def seal(arrays: Mapping[str, ndarray], texts: Mapping[str, str] | None = None) -> bytes:
    """The content of a file that `unseal` reads: the same bytes for the same values. `texts`: what its header carries too."""
    whole = {name: np.array(value, order="C") for name, value in arrays.items()}
    sums = {name: checksum(value) for name, value in whole.items()}
    said = dict(texts or {})
    seal_of = zlib.crc32(json.dumps([sums, said], sort_keys=True).encode())
    return _ordered(save(whole, said | {SUMS: json.dumps(sums), "header_checksum": str(seal_of)}))


def _ordered(content: bytes) -> bytes:
    """The same file with its texts in alphabetical order; the library writes them in any."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    text = json.dumps({"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header},
                      separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # arrays begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + content[end:]


def unseal(file: Path, what: str, fix: str, limit: int = VIDEO_LIMIT) -> TensorFile:
    """The arrays and texts of a file, checked against their sums. A file from before there were sums is read with a warning.

    Raises:
        DataError: if the file is missing, damaged, or holds an array or a text that has changed since it was written.
    """
    found = load_arrays(file, what, fix, limit=limit)
    if SUMS not in found.texts:
        warnings.warn(f"{file} was written without checksums: {what} is used unverified; make it again for one that is checked",
                      stacklevel=3)
        return found
    try:
        sums = text_table(found.texts, SUMS, file)
    except DataError as error:
        raise DataError(f"{what} is damaged: {error.problem}", where=error.where, got=error.got, fix=fix) from error
    for name, array in found.arrays.items():
        if sums.get(name) != checksum(array):
            raise DataError(f"{what} is damaged: {shown(name)} has changed", where=f"{file}, field {shown(name)}",
                            expected=f"checksum {sums.get(name)}", got=checksum(array), fix=fix)
    said = {name: text for name, text in found.texts.items() if name not in (SUMS, "header_checksum")}
    seal_of = zlib.crc32(json.dumps([sums, said], sort_keys=True).encode())
    if found.names != set(sums) or found.texts.get("header_checksum") != str(seal_of):
        raise DataError(f"{what} is damaged: its header has changed", where=file, fix=fix)
    return found
