"""The immutable record of what was judged: scores, curves and arrays, with all that is needed to reproduce them.

On disk: a folder with `log.json` (canonical: sorted keys, so equal logs are equal text) and, if there are arrays,
`arrays-<sha>.safetensors` beside it, named by its content. A log is never changed, only written anew elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy import ndarray
from safetensors.numpy import save as save_arrays

from ..data.atomic import write_whole
from ..errors import DataError
from ..reading import load_json, read_bytes, table, words
from ..reading_tensors import load_arrays
from .provenance import provenance as provenance

VERSION = 1
FILE = "log.json"
ARRAYS = 4 * 2**30
"""bytes of the largest file of arrays"""
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Score:
    """One number with its interval; or the reason why there is none, which is not the same as zero.

    Raises:
        DataError: if a number is not finite, or if value and `unavailable` do not exclude each other.
    """

    model: str
    """name of the model or policy judged; null models are named "null/frozen" and so on"""
    task: str
    metric: str
    """dotted, such as "success" or "cc.robot"; unique together with model and task"""
    value: float | None
    low: float | None = None
    """lower end of the 95 % interval, None if none was computed"""
    high: float | None = None
    n: int = 0
    """number of independent units (episodes, contexts) behind the value"""
    unit: str = ""
    note: str = ""
    unavailable: str = ""
    """why there is no value; empty when there is one"""
    timing: bool = False
    """True for wall-clock measurements, which no seed reproduces: `EvalLog.numbers` leaves them out"""

    def __post_init__(self) -> None:
        where = f"{self.model}, {self.task}, {self.metric}"
        if (self.value is None) != bool(self.unavailable):
            raise DataError("a score has either a value or the reason why it is unavailable", where=where,
                            expected="exactly one of value and unavailable", got=f"{self.value!r} and {self.unavailable!r}")
        for name in ("value", "low", "high"):
            number = self.__dict__[name]
            if number is not None and not math.isfinite(number):
                raise DataError(f"a score's {name} is not finite", where=where, expected="a finite number or unavailable",
                                got=number)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.model, self.task, self.metric

    def told(self, digits: int = 5) -> dict[str, Any]:
        """What it says as JSON values, without the fields that it leaves empty; a zero is not empty."""
        return {name: round(value, digits) if isinstance(value, float) else value for name, value in asdict(self).items()
                if value is not None and value is not False and value != ""}


NUMBER = (int, float, type(None))
KINDS: dict[str, Any] = {"model": str, "task": str, "metric": str, "value": NUMBER, "low": NUMBER, "high": NUMBER, "n": int,
                         "unit": str, "note": str, "unavailable": str, "timing": bool}
"""types of a score's fields"""


@dataclass(frozen=True, eq=False)
class EvalLog:
    """Everything that one evaluation found.

    Raises:
        DataError: if two scores share model, task and metric.
    """

    provenance: Mapping[str, Any]
    """JSON values; the function of that name beside this class makes them"""
    scores: tuple[Score, ...]
    curves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """by name: {"x": [...], "y": [...], "label": ..., ...}, JSON values that a seed reproduces"""
    arrays: Mapping[str, ndarray] = field(default_factory=dict)
    """by name, for example frames of counterfactual strips"""
    episodes: Mapping[str, str] = field(default_factory=dict)
    """stores, branches and readouts that the scores were computed from: name to path, relative to the log's folder"""
    timings: Mapping[str, Any] = field(default_factory=dict)
    """seconds per phase and other JSON values that differ from run to run"""
    version: int = VERSION

    def __post_init__(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        for score in self.scores:
            if score.key in seen:
                raise DataError("two scores of the same name", where=", ".join(score.key),
                                expected="one score per model, task and metric", got="two")
            seen.add(score.key)

    def find(self, model: str, task: str, metric: str) -> Score | None:
        """The score of that name, None if it was not computed."""
        return next((s for s in self.scores if s.key == (model, task, metric)), None)

    def select(self, *, model: str | None = None, task: str | None = None, metric: str | None = None) -> tuple[Score, ...]:
        """All scores that match what is not None; `metric` also matches its children ("cc" finds "cc.robot")."""
        return tuple(s for s in self.scores if (model is None or s.model == model) and (task is None or s.task == task)
                     and (metric is None or s.metric == metric or s.metric.startswith(metric + ".")))

    def numbers(self) -> dict[str, Any]:
        """The part that the same seeds must reproduce to the bit, interrupted or not: no clocks, no hardware."""
        return {
            "version": self.version,
            "scores": [asdict(s) for s in sorted(self.scores, key=lambda s: s.key) if not s.timing],
            "curves": _canonical(self.curves),
            "arrays": {name: _digest(value.tobytes(), str(value.dtype), str(value.shape))
                       for name, value in sorted(self.arrays.items())},
        }

    def save(self, folder: str | Path) -> Path:
        """Write atomically; saving the same log twice does nothing. Returns the path of the JSON file.

        Raises:
            DataError: if another log is already there, or the folder cannot be written.
        """
        folder = Path(folder)
        blob = save_arrays({k: v.copy(order="C") for k, v in sorted(self.arrays.items())}) if self.arrays else b""
        digest = hashlib.sha256(blob).hexdigest() if blob else ""
        record = {
            "version": self.version, "provenance": self.provenance, "scores": [asdict(s) for s in self.scores],
            "curves": self.curves, "episodes": self.episodes, "timings": self.timings, "arrays_sha256": digest,
        }
        try:
            text = json.dumps(record, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        except (TypeError, ValueError) as error:
            raise DataError("the log holds something that is not JSON", where=folder / FILE, got=error,
                            expected="finite numbers, strings, lists and mappings") from error
        path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                if read_bytes(path) == text.encode():
                    return path
                raise DataError("another log is already there, and logs are never overwritten", where=path,
                                fix="save to another folder, or move the old log away")
            if blob:
                write_whole(folder / _arrays_file(digest), blob)
            write_whole(path, text.encode())
        except OSError as error:
            raise DataError("the log cannot be written", where=folder, got=error,
                            fix="choose a folder that can be written, with space left") from error
        return path

    @classmethod
    def load(cls, folder: str | Path) -> EvalLog:
        """Read a log from its folder (or from the path of its JSON file).

        Raises:
            DataError: if it is missing, damaged or of another version.
        """
        path = Path(folder)
        path = path if path.suffix == ".json" else path / FILE
        try:
            return cls._read(path)
        except DataError as error:
            if not path.exists():
                raise DataError("there is no log", where=path, expected=f"{FILE} and the arrays it names",
                                fix="give the folder that an evaluation wrote") from error
            raise DataError(f"the log is damaged: {error.problem}", where=error.where, expected=error.expected, got=error.got,
                            fix=error.fix or "evaluate again, or restore the file") from error

    @classmethod
    def _read(cls, path: Path) -> EvalLog:
        record = table(load_json(path), str(path))
        if record.get("version") != VERSION:
            raise DataError("the log is of another version", where=path, expected=VERSION, got=record.get("version"),
                            fix="read it with the release that wrote it, or score the episodes again")
        parts = {name: table(record.get(name), f"{path}, field {name}")
                 for name in ("provenance", "curves", "episodes", "timings")}
        curves = {name: table(curve, f"{path}, field curves.{name}") for name, curve in parts["curves"].items()}
        episodes = {name: words(place, f"{path}, field episodes") for name, place in parts["episodes"].items()}
        digest, said = words(record.get("arrays_sha256"), f"{path}, field arrays_sha256"), record.get("scores")
        if not isinstance(said, list):
            raise DataError("a list is expected here", where=f"{path}, field scores", got=type(said).__name__)
        arrays: Mapping[str, ndarray] = {}
        if digest:
            if not SHA256.fullmatch(digest):
                raise DataError("this is no digest", where=f"{path}, field arrays_sha256", expected="64 hexadecimal digits",
                                got=digest[:80])
            file = path.parent / _arrays_file(digest)
            if not file.exists():
                raise DataError("there is no log without its arrays", where=file, expected="the file", got="nothing there")
            if hashlib.sha256(read_bytes(file, ARRAYS)).hexdigest() != digest:
                raise DataError("its arrays are damaged", where=file, expected=f"SHA-256 {digest[:12]}", got="another content")
            arrays = load_arrays(file, "the log's arrays", limit=ARRAYS).arrays
        scores = tuple(score_of(one, f"{path}, scores[{place}]") for place, one in enumerate(said))
        return cls(parts["provenance"], scores, curves, arrays, episodes, parts["timings"], VERSION)


def score_of(said: Any, where: str) -> Score:
    """A score from a file; fields that a later version added are passed over. Raises DataError naming the field."""
    given = table(said, where)
    for name, kinds in KINDS.items():
        if name not in given and name not in ("model", "task", "metric", "value"):
            continue
        value = given.get(name)
        if name not in given or not isinstance(value, kinds) or isinstance(value, bool) != (kinds is bool):
            raise DataError("this is no score", where=f"{where}, field {name}", expected=kinds, got=repr(value)[:60])
    return Score(**{name: given[name] for name in KINDS if name in given})


def _canonical(value: Any) -> Any:
    """As it will read after a round trip through JSON (tuples become lists), so that both sides compare equal."""
    return json.loads(json.dumps(value, sort_keys=True))


def _digest(*parts: bytes | str) -> str:
    return hashlib.sha256(b"|".join(p.encode() if isinstance(p, str) else p for p in parts)).hexdigest()


def _arrays_file(digest: str) -> str:
    return f"arrays-{digest[:12]}.safetensors"


def difference(one: EvalLog, two: EvalLog) -> Iterable[str]:
    """Where the numbers of two logs differ, one line each; nothing if a seed reproduced them."""
    a, b = one.numbers(), two.numbers()
    rows_a, rows_b = ({(s["model"], s["task"], s["metric"]): s for s in side["scores"]} for side in (a, b))
    for key in sorted(rows_a.keys() | rows_b.keys()):
        if rows_a.get(key) != rows_b.get(key):
            yield f"score {', '.join(key)}: {rows_a.get(key)} against {rows_b.get(key)}"
    for part in ("curves", "arrays"):
        for name in sorted(a[part].keys() | b[part].keys()):
            if a[part].get(name) != b[part].get(name):
                yield f"{part} {name}"
