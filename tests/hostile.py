"""What a file should not hold, and a watch over whoever reads it: JSON whose values were exchanged for hostile ones, bytes that
were turned, and limits of time and memory."""

from __future__ import annotations

import json
import resource
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

SECONDS = 5
"""that one reading may take"""
MEMORY = 1 << 30
"""bytes by which the process may grow while it reads: far more than any of these files needs"""
MARK = "@hostile@"
TOKENS = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "-1", "0", "0.5", "1e-320", "1e308", "1e18", "4294967296",
    "2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "99999999",
    "null", "true", "false", '""', '"x"', '"\\ud800"', '"\\u001b[2J"', '"\\u0000"', '"a\\u0000b"', '"../../x"', '"/etc/passwd"',
    '"{x.__class__}"', '"{0}"', '"%s"', '"nan"', '"1"', '"' + "a" * 5000 + '"', "[]", "{}", "[[]]", "[{}]", "[null]", '[""]',
    "[1, 2, 3]", '["x", "x"]', "[NaN]", "[1e308, -1e308]", '{"x": 1}', '{"a": 1, "a": 2}', "[" * 70 + "]" * 70,
    "[" * 3000 + "]" * 3000, '{"a":' * 2000 + "1" + "}" * 2000)
"""JSON values, some of which are none"""
NAMES = ("", "../x", "a/b", "\x1b[2J", "x" * 300)
INSERTED = (b"\0", b"\xff", b"\xed\xa0\x80", b"\n", b"\xef\xbb\xbf", b'"', b"]")
ENDS = ("whole", "cut", "turned", "inserted", "twice", "empty")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values in a JSON value are, itself first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def exchanged(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """The value with another one at a place."""
    if not path:
        return change(value)
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = exchanged(value[path[0]], path[1:], change)
    return copied


@st.composite
def hostile_json(draw: st.DrawFn, value: Any) -> bytes:
    """The JSON text of a value in which one thing is hostile, missing, renamed, doubled, or of another kind; seldom nothing."""
    where = list(places(value))
    path, token = where[draw(st.integers(0, len(where) - 1))], draw(st.sampled_from(TOKENS))
    kind = draw(st.sampled_from(("value", "value", "value", "lost", "listed", "named", "grown", "same")))
    if kind in ("value", "same"):
        made = exchanged(value, path, lambda old: MARK if kind == "value" else old)
    elif kind == "listed":
        made = exchanged(value, path, lambda old: [old, old])
    elif kind == "grown":
        made = exchanged(value, path, lambda old: [*old, MARK] if isinstance(old, list) else {**old, "more": MARK}
                         if isinstance(old, dict) else old * -1000 if isinstance(old, int | float) else f"{old}{old}")
    else:
        def change(old: Any) -> Any:
            if isinstance(old, dict) and old:
                name = list(old)[draw(st.integers(0, len(old) - 1))]
                rest = {key: inner for key, inner in old.items() if key != name}
                return rest if kind == "lost" else {**rest, draw(st.sampled_from(NAMES)): old[name]}
            return old[:-1] if isinstance(old, list | str) else None

        made = exchanged(value, path, change)
    return json.dumps(made).replace(json.dumps(MARK), token).encode()


@st.composite
def spoilt(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes of which some were cut off, turned or put in; mostly as they were."""
    kind = draw(st.sampled_from(ENDS[:1] * 8 + ENDS))
    place = draw(st.integers(0, max(0, len(content) - 1)))
    match kind:
        case "cut":
            return content[:place]
        case "turned":
            return content[:place] + bytes([draw(st.integers(0, 255))]) + content[place + 1:]
        case "inserted":
            return content[:place] + draw(st.sampled_from(INSERTED)) + content[place:]
        case "twice":
            return content + content
        case "empty":
            return b""
    return content


def head_of(file: Path) -> tuple[Any, bytes]:
    """(header, data) of a safetensors file."""
    content = file.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:8 + length]), content[8 + length:]


def with_head(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


@contextmanager
def watched() -> Iterator[None]:
    """AssertionError if the block takes longer than SECONDS, MemoryError if it takes more than MEMORY."""
    def late(*_: object) -> None:
        raise AssertionError(f"still reading after {SECONDS} s")

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before, heard = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, before[1]))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, heard)
        resource.setrlimit(resource.RLIMIT_AS, before)
