"""Safetensors files read with suspicion: what a header claims has to be what the file holds, before anything is allocated.

A file begins with the header's length (8 bytes, little-endian), then the header (JSON: per tensor its type, shape and place
among the data, and texts under `__metadata__`), then the data. The data are read, not mapped: a file that is cut while it is
read is an error then, and no crash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from .errors import DataError
from .reading import VIDEO_LIMIT, parse_json, regular, shown, table, words

HEADER = 64 * 2**20
"""bytes of the largest header"""
TENSORS = 100_000
"""tensors of one file"""
ELEMENTS = 2**40
"""numbers of one tensor, also of an empty one: the product of its sizes that are not zero"""
DIMENSIONS = 16
NUMBERS = {
    "BOOL": np.dtype("?"), "U8": np.dtype("u1"), "U16": np.dtype("<u2"), "U32": np.dtype("<u4"), "U64": np.dtype("<u8"),
    "I8": np.dtype("i1"), "I16": np.dtype("<i2"), "I32": np.dtype("<i4"), "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
"""types that an array can have"""
SHORT = {"BF16": (2, torch.bfloat16), "F8_E4M3": (1, torch.float8_e4m3fn), "F8_E5M2": (1, torch.float8_e5m2)}
"""types that only a tensor can have"""
WIDTHS = {name: dtype.itemsize for name, dtype in NUMBERS.items()} | {name: width for name, (width, _) in SHORT.items()}
"""bytes of one number by type"""


class Entry(NamedTuple):
    """What a header says of one tensor."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    """place of its first byte among the data"""
    end: int


@dataclass(frozen=True)
class Header:
    """What a safetensors file says that it holds; checked against the file's size."""

    texts: Mapping[str, str]
    """its `__metadata__`"""
    entries: Mapping[str, Entry]


def tensor_header(file: Path, limit: int = VIDEO_LIMIT) -> Header:
    """The header of a safetensors file of at most `limit` bytes.

    Raises:
        DataError: if the file is missing, no regular file, too large or cut, or its header is no JSON, has types or shapes that
            cannot be, or tensors that do not fill the data exactly.
    """
    size = regular(file, limit).stat().st_size
    try:
        with open(file, "rb") as source:
            return _header(source, size, file)
    except OSError as error:
        raise DataError("the file cannot be read", where=file, got=error.strerror or error) from error


def _header(source: BinaryIO, size: int, file: Path) -> Header:
    length = int.from_bytes(source.read(8), "little")
    if size < 8 or not 2 <= length <= min(HEADER, size - 8):
        raise DataError("the header's length is impossible", where=file, got=f"{length} bytes in a file of {size}",
                        expected=f"2 to {max(2, min(HEADER, size - 8))} bytes")
    said = table(parse_json(source.read(length), f"{file}, header"), f"{file}, header")
    texts = table(said.pop("__metadata__", {}), f"{file}, header, __metadata__")
    for name, text in texts.items():
        words(text, f"{file}, header, __metadata__.{shown(name)[:60]}")
    if len(said) > TENSORS:
        raise DataError("the file holds too many tensors", where=file, expected=f"at most {TENSORS}", got=len(said))
    entries = {name: _entry(value, file, name) for name, value in said.items()}
    held, end = size - 8 - length, 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != end or entry.end > held:
            raise DataError("a tensor lies where it cannot", where=_place(file, name), got=f"{entry.start} to {entry.end}",
                            expected=f"from {end}, within {held} bytes")
        end = entry.end
    if end != held:
        raise DataError("the tensors do not fill the file", where=file, expected=f"{held} bytes", got=end)
    return Header(texts, entries)


def _place(file: Path, name: str) -> str:
    return f"{file}, header, {shown(name)[:60]}"


def _counts(value: Any, most: int) -> bool:
    """Whether this is a short list of whole numbers that are not negative."""
    return isinstance(value, list) and len(value) <= most and all(type(one) is int and one >= 0 for one in value)


def _entry(said: Any, file: Path, name: str) -> Entry:
    dtype = said.get("dtype") if isinstance(said, dict) and len(said) == 3 else None
    if not isinstance(dtype, str) or dtype not in WIDTHS or not _counts(shape := said.get("shape"), DIMENSIONS) \
            or not _counts(place := said.get("data_offsets"), 2) or len(place) != 2:
        raise DataError("this is no tensor", where=_place(file, name), got=str(said)[:120],
                        expected=f"dtype ({', '.join(WIDTHS)}), shape (at most {DIMENSIONS} sizes), data_offsets (two)")
    start, end = place
    if end - start != (count := math.prod(shape)) * WIDTHS[dtype] or (count or math.prod(filter(None, shape))) > ELEMENTS:
        raise DataError("the tensor's shape does not fit its bytes", where=_place(file, name), got=f"{end - start} bytes",
                        expected=f"{' x '.join(map(str, shape)) or 'one'} of {WIDTHS[dtype]} bytes")
    return Entry(dtype, tuple(shape), start, end)


@dataclass(frozen=True, eq=False)
class TensorFile:
    """What was read of a safetensors file."""

    arrays: Mapping[str, ndarray]
    """those that were wanted, by name in order"""
    texts: Mapping[str, str]
    """its `__metadata__`"""
    names: frozenset[str]
    """of all tensors in the file"""


def load_arrays(file: Path, what: str = "the file", fix: str = "copy the file again, or make it again",
                wanted: Callable[[str], bool] = lambda name: True, limit: int = VIDEO_LIMIT) -> TensorFile:
    """The arrays in a safetensors file.

    Args:
        what: what the file should be, for the message, such as "the episode file".
        fix: what to do about one that is damaged.

    Raises:
        DataError: if it is missing, does not pass `tensor_header`, or holds a wanted array of a type that numpy lacks.
    """
    texts, names, raw = _read(file, what, fix, wanted, limit, NUMBERS)
    return TensorFile({name: data.view(NUMBERS[entry.dtype]).reshape(entry.shape) for name, (entry, data) in raw.items()},
                      texts, frozenset(names))


def load_tensors(file: Path, what: str = "the file", fix: str = "copy the file again, or make it again",
                 limit: int = VIDEO_LIMIT) -> dict[str, Tensor]:
    """All tensors in a safetensors file, by name in order. Raises DataError as `load_arrays`."""
    raw = _read(file, what, fix, lambda name: True, limit, WIDTHS)[2]
    return {name: (torch.from_numpy(data).view(SHORT[kind.dtype][1]) if kind.dtype in SHORT else
                   torch.from_numpy(data.view(NUMBERS[kind.dtype]))).reshape(kind.shape) for name, (kind, data) in raw.items()}


def _read(file: Path, what: str, fix: str, wanted: Callable[[str], bool], limit: int,
          known: Iterable[str]) -> tuple[Mapping[str, str], Iterable[str], dict[str, tuple[Entry, ndarray]]]:
    """(texts, names, bytes of the wanted tensors)."""
    size = regular(file, limit).stat().st_size
    raw: dict[str, tuple[Entry, ndarray]] = {}
    try:
        with open(file, "rb") as source:
            header = _header(source, size, file)
            begin = source.tell()
            for name in sorted(filter(wanted, header.entries)):
                entry = header.entries[name]
                if entry.dtype not in known:
                    raise DataError("an array is of a type that is not read here", where=_place(file, name),
                                    expected=", ".join(known), got=entry.dtype)
                raw[name] = entry, data = entry, np.empty(entry.end - entry.start, np.uint8)
                source.seek(begin + entry.start)
                if source.readinto(data.data) != len(data):
                    raise DataError("the file was cut while it was read", where=file, expected=f"{size} bytes", got="fewer")
                if entry.dtype == "BOOL" and data.max(initial=0) > 1:
                    raise DataError("a truth value is neither true nor false", where=_place(file, name), expected="0 or 1",
                                    got=int(data.max()))
    except DataError as error:
        raise DataError(f"{what} is damaged: {error.problem}", where=error.where, expected=error.expected, got=error.got,
                        fix=fix) from error
    except OSError as error:
        raise DataError(f"{what} cannot be read", where=file, got=error.strerror or error, fix=fix) from error
    return header.texts, header.entries.keys(), raw


def text_table(texts: Mapping[str, str], name: str, file: Path) -> dict[str, Any]:
    """The JSON table that stands under a name among a header's texts. Raises DataError."""
    where = f"{file}, header, field {name}"
    if name not in texts:
        raise DataError("the file's header lacks a field", where=where, expected=name, got=", ".join(map(shown, texts))[:120])
    return table(parse_json(texts[name].encode(), where), where)
