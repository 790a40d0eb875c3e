"""The one suspicious reader: what a regular file, a JSON text, a number, a name and a size may be.

Nothing that a file says is trusted, whoever wrote it: paths stay inside their folder, files are regular and of bounded size,
JSON is finite and shallow, numbers lie in their range, text can be shown. Whatever is read from a disk comes through here.
"""

from __future__ import annotations

import json
import math
import re
import stat
import string
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .errors import DataError

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
DEPTH = 64
"""levels of lists and tables in a JSON text"""
LEVELS = np.zeros(256, np.int8)
"""per byte, how many levels deeper it leads"""
LEVELS[[91, 123]], LEVELS[[93, 125]] = 1, -1
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""what would be obeyed by a terminal, or cannot be written: escapes, directions, halves of characters; not tab and line feed"""


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


def regular(file: Path, limit: int = VIDEO_LIMIT) -> Path:
    """`file`, if it is a regular file (links followed) of at most `limit` bytes. Asked before it is opened: a pipe would hang.

    Raises:
        DataError: if it is missing, something else than a file, or larger.
    """
    try:
        info = file.stat()
    except (OSError, ValueError) as error:
        raise DataError("a file is missing", where=file, expected="a file", got=getattr(error, "strerror", None) or error,
                        fix="check the path, or restore the file from a copy") from error
    if not stat.S_ISREG(info.st_mode):
        raise DataError("this is no regular file", where=file, expected="a file", got="a folder, pipe or device")
    if info.st_size > limit:
        raise DataError("the file is larger than any that is read", where=file, expected=f"at most {limit} bytes",
                        got=info.st_size)
    return file


def inside(root: Path, path: Path | PurePosixPath, limit: int = VIDEO_LIMIT) -> Path:
    """`root / path` as a regular file that really lies below `root`, links followed.

    Raises:
        DataError: if it is missing, something else than a file, larger than `limit` bytes, or elsewhere.
    """
    file = root / path
    try:
        real = file.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError("a file of the dataset is missing", where=file, expected="a file", got=type(error).__name__,
                        fix="copy the dataset again, whole") from error
    if not real.is_relative_to(root.resolve()):
        raise DataError("a link leaves the dataset's folder", where=file, expected=f"a file below {root}", got=real,
                        fix="copy the dataset with its links resolved: cp -rL SRC DST")
    return regular(file, limit)


def read_bytes(file: Path, limit: int = JSON_LIMIT) -> bytes:
    """The content of a regular file. Raises DataError."""
    try:
        return regular(file, limit).read_bytes()
    except OSError as error:
        raise DataError("the file cannot be read", where=file, got=error.strerror or error) from error


def load_json(file: Path, nan: bool = False) -> Any:
    """The values in a JSON file of our own. Raises DataError."""
    return parse_json(read_bytes(file), str(file), nan)


def read_json(root: Path, path: str) -> Any:
    """The values in a JSON file of the dataset. Raises DataError."""
    file = inside(root, Path(path), JSON_LIMIT)
    return parse_json(file.read_bytes(), str(file))


def read_lines(root: Path, path: str) -> list[Any]:
    """One JSON value per line that is not empty. Raises DataError naming the line."""
    file = inside(root, Path(path), JSON_LIMIT)
    lines = file.read_bytes().split(b"\n")
    return [parse_json(line, f"{file}, line {number + 1}") for number, line in enumerate(lines) if line.strip()]


def parse_json(content: bytes, where: str, nan: bool = False) -> Any:
    """The values of a JSON text.

    Args:
        nan: allow NaN and infinity, which some tools write for what they could not measure. They stay what they are.

    Raises:
        DataError: for what is no JSON or not UTF-8, is nested deeper than `DEPTH`, names a field of a table twice, or holds a
            number that is not finite or beyond 64 bits, or half a character.
    """
    try:
        if _deep(content):
            raise _Refused("the file is nested too deeply", f"more than {DEPTH} levels")
        value = (WITH_NAN if nan else FINITE).decode(content.removeprefix(b"\xef\xbb\xbf").decode())
        if SURROGATE.search(content):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        problem, got = ("the file holds half a character", error) if isinstance(error, UnicodeEncodeError) else (
            error.args if isinstance(error, _Refused) else ("the file is damaged", error))
        raise DataError(problem, where=where, expected="JSON", got=shown(got)[:120],
                        fix="copy the file again, or repair it") from error
    return value


class _Refused(ValueError):
    """(problem, got): JSON, but not of the kind that is read here."""


def _fraction(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused("the file holds a number that is not finite", text)
    return value


def _integer(text: str) -> int:
    if len(text) > 20 or not -2**63 <= int(text) < 2**64:
        raise _Refused("the file holds a number that is too large", text)
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Refused("a field stands twice in one table", next(name for name in names if names.count(name) > 1))
    return made


FINITE = json.JSONDecoder(parse_constant=_fraction, parse_float=_fraction, parse_int=_integer, object_pairs_hook=_once)
WITH_NAN = json.JSONDecoder(parse_constant=float, parse_float=float, parse_int=_integer, object_pairs_hook=_once)


def _deep(content: bytes) -> bool:
    """Whether brackets are nested more than `DEPTH` levels; brackets in texts do not count."""
    if content.count(b"[") + content.count(b"{") <= DEPTH:
        return False
    if np.cumsum(LEVELS[np.frombuffer(content, np.uint8)], dtype=np.int32).max(initial=0) <= DEPTH:
        return False
    bare = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", content)
    depth = deepest = 0
    for sign in re.findall(rb"[\[\]{}]", bare):
        depth += 1 if sign in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest > DEPTH


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


def number(value: Any, where: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number within limits. Raises DataError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
        raise DataError("the number is impossible", where=where, expected=f"a finite number from {low} to {high}",
                        got=repr(value)[:60])
    return float(value)


def shown(text: object) -> str:
    """Text from a file as it may reach a terminal or a page: what would be obeyed is written out as an escape."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), str(text))
