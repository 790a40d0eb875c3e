"""Settings are frozen dataclasses; this turns them into JSON and back, by type hints alone.

Every dataclass carries its class name under "class". A name is only ever looked up among the classes that the field's
type allows, so a file can choose between known settings but never name code to import. A setting that came later than a file
has a default, which means what was done before there was a choice; what a file says of settings unknown here is refused.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import CheckpointError

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Dataclasses, mappings, tuples, paths and scalars as plain JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"class": type(value).__name__} | {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(v) for v in value]
    if isinstance(value, frozenset):
        return sorted(to_json(v) for v in value)
    return str(value) if isinstance(value, Path) else value


def from_json(kind: type[T], data: Any, where: str = "config", known: tuple[type, ...] = ()) -> T:
    """The inverse of `to_json`.

    Args:
        kind: the dataclass expected.
        known: further classes allowed where a field's type is a protocol (users' own model settings).

    Raises:
        CheckpointError: naming the field, if something is missing, unknown or of another type.
    """
    return _decode(kind, data, where, known)


def classes_of(value: Any) -> set[type]:
    """The classes of all settings in a value."""
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value)}.union(*(classes_of(getattr(value, f.name)) for f in fields(value)))
    if isinstance(value, Mapping):
        return set[type]().union(*(classes_of(v) for v in value.values()))
    return set[type]().union(*(classes_of(v) for v in value)) if isinstance(value, tuple | list) else set()


def _wrong(where: str, expected: Any, got: Any) -> CheckpointError:
    return CheckpointError("a setting does not fit", where=where, expected=expected, got=got,
                           fix="the file was written by another version or edited; train again or restore it")


def _decode(kind: Any, data: Any, where: str, known: tuple[type, ...]) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in args:
            return None
        options = [a for a in args if a is not type(None)]
        named = [a for a in options if is_dataclass(a)]
        if named:
            return _dataclass(named, data, where, known)
        return _decode(options[0], data, where, known)
    if origin is Literal:
        if data not in args:
            raise _wrong(where, args, data)
        return data
    if origin in (tuple, frozenset):
        if not isinstance(data, list):
            raise _wrong(where, "a list", data)
        if origin is frozenset:
            return frozenset(_decode(args[0], d, f"{where}[{i}]", known) for i, d in enumerate(data))
        inner = [args[0]] * len(data) if args[-1:] == (Ellipsis,) else list(args)
        if len(inner) != len(data):
            raise _wrong(where, f"{len(inner)} entries", data)
        return tuple(_decode(k, d, f"{where}[{i}]", known) for i, (k, d) in enumerate(zip(inner, data, strict=True)))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, dict):
            raise _wrong(where, "a mapping", data)
        return {k: _decode(args[1], v, f"{where}.{k}", known) for k, v in data.items()}
    if kind is Path and isinstance(data, str):
        return Path(data)
    if is_dataclass(kind):
        return _dataclass([kind], data, where, known)
    if kind in (int, float, str, bool):
        allowed = (int, float) if kind is float else (kind,)
        if not isinstance(data, allowed) or (kind is not bool and isinstance(data, bool)):
            raise _wrong(where, kind.__name__, data)
        return float(data) if kind is float else data
    return _dataclass(list(known), data, where, known)


def _dataclass(options: list[Any], data: Any, where: str, known: tuple[type, ...]) -> Any:
    names = {option.__name__: option for option in options}
    if not isinstance(data, dict) or not isinstance(data.get("class"), str) or data["class"] not in names:
        raise _wrong(where, " or ".join(sorted(names)) or "settings of a known model",
                     data.get("class") if isinstance(data, dict) else data)
    kind = names[data["class"]]
    hints, wanted, there = get_type_hints(kind), {f.name for f in fields(kind)}, set(data) - {"class"}
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    if not needed <= there <= wanted:
        raise _wrong(where, sorted(wanted), sorted(there))
    return kind(**{name: _decode(hints[name], data[name], f"{where}.{name}", known) for name in there})
