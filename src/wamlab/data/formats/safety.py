"""What a foreign dataset says is never trusted: paths stay inside its folder, files are regular, sizes have limits."""

from __future__ import annotations

import json
import re
import stat
import string
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import DataError

JSON_LIMIT = 256 * 2**20
"""bytes of the largest JSON file that is read"""
PARQUET_LIMIT = 8 * 2**30
"""bytes that one parquet file may unpack to"""
VIDEO_LIMIT = 64 * 2**30
PIXELS = 64 * 2**20
"""pixels of the largest picture"""
NUMBER = 10_000_000
"""largest index or count that a dataset may state"""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\- ]{0,199}")
WIDTH = re.compile(r"|0?\d{1,2}d")


def safe_name(name: str, where: str) -> str:
    """A feature or camera name that can be part of a path. Raises DataError."""
    if not NAME.fullmatch(name) or ".." in name:
        raise DataError("the name cannot be used", where=where, expected="letters, digits, '_', '-', '.' (no '..', no '/')",
                        got=repr(name)[:80], fix="rename the feature in the tool that wrote the dataset")
    return name


def fill(template: str, values: Mapping[str, int | str], where: str) -> PurePosixPath:
    """A path template with its fields filled in: known fields only, relative, without "..".

    Args:
        template: such as "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", from the dataset's own JSON.

    Raises:
        DataError: for a template that names other fields, reads attributes, or leaves the dataset's folder.
    """
    expected = f"a relative path with fields among {', '.join('{' + name + '}' for name in values)}"
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise DataError("the path template cannot be read", where=where, expected=expected, got=repr(template)[:120]) from error
    out = []
    for literal, field, form, conversion in pieces:
        out.append(literal)
        if field is None:
            continue
        if field not in values or conversion or not WIDTH.fullmatch(form or ""):
            raise DataError("the path template asks for something else", where=where, expected=expected,
                            got=repr(template)[:120], fix="do not use this dataset unless you trust who made it")
        value = values[field]
        if form and not isinstance(value, int):
            raise DataError("the path template formats a name as a number", where=where, expected=expected,
                            got=repr(template)[:120])
        out.append(format(value, form or ""))
    text = "".join(out)
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text or ":" in text or "\0" in text or not path.parts:
        raise DataError("the path leaves the dataset's folder", where=where, expected="a relative path below the dataset",
                        got=repr(text)[:120], fix="do not use this dataset unless you trust who made it")
    return path


def inside(root: Path, path: Path | PurePosixPath, limit: int = VIDEO_LIMIT) -> Path:
    """`root / path` as a regular file that really lies below `root`, links followed.

    Raises:
        DataError: if it is missing, something else than a file, larger than `limit` bytes, or elsewhere.
    """
    file = root / path
    try:
        real = file.resolve(strict=True)
        info = real.stat()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError("a file of the dataset is missing", where=file, expected="a file", got=type(error).__name__,
                        fix="copy the dataset again, whole") from error
    if not real.is_relative_to(root.resolve()):
        raise DataError("a link leaves the dataset's folder", where=file, expected=f"a file below {root}", got=real,
                        fix="copy the dataset with its links resolved: cp -rL SRC DST")
    if not stat.S_ISREG(info.st_mode):
        raise DataError("this is no regular file", where=file, expected="a file", got="a folder, pipe or device")
    if info.st_size > limit:
        raise DataError("the file is larger than any that is read", where=file, expected=f"at most {limit} bytes",
                        got=info.st_size)
    return file


def read_json(root: Path, path: str) -> Any:
    """The values in a JSON file of the dataset. Raises DataError."""
    file = inside(root, Path(path), JSON_LIMIT)
    return parse_json(file.read_bytes(), str(file))


def read_lines(root: Path, path: str) -> list[Any]:
    """One JSON value per line that is not empty. Raises DataError naming the line."""
    file = inside(root, Path(path), JSON_LIMIT)
    lines = file.read_bytes().split(b"\n")
    return [parse_json(line, f"{file}, line {number + 1}") for number, line in enumerate(lines) if line.strip()]


def parse_json(content: bytes, where: str) -> Any:
    """Raises DataError for what is no JSON, nested too deeply or not UTF-8."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError("the file is damaged", where=where, expected="JSON", got=str(error)[:120],
                        fix="copy the dataset again, or repair the file") from error


def table(value: Any, where: str) -> dict[str, Any]:
    """Raises DataError unless the value is a JSON table."""
    if not isinstance(value, dict):
        raise DataError("a table is expected here", where=where, expected="{...}", got=type(value).__name__)
    return value


def whole(value: Any, where: str, low: int = 0, high: int = NUMBER) -> int:
    """A whole number from the dataset within limits. Raises DataError."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high or value != int(value):  # also False for NaN
        raise DataError("the number is impossible", where=where, expected=f"a whole number from {low} to {high}",
                        got=repr(value)[:60])
    return int(value)


def words(value: Any, where: str) -> str:
    """Raises DataError unless the value is text."""
    if not isinstance(value, str):
        raise DataError("text is expected here", where=where, expected="text", got=repr(value)[:60])
    return value
