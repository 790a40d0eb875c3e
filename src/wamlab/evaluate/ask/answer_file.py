"""What a model answered to offered futures, on disk: so that a run can be scored again without the model or the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy import ndarray

from ...data.atomic import make_folder, write_whole
from ...data.sealed import seal, unseal
from ...errors import DataError
from ...reading import whole, words
from ...reading_tensors import text_table
from ..evidence import Answers

VERSION = "answers-1"
FIX = "move the file away; the model is asked again"


def save(answers: Answers, path: Path) -> None:
    """Write to one safetensors file, atomically. Raises DataError if it cannot be written."""
    sides = {"start": answers.start, "offered": answers.offered, "consequence": answers.consequence}
    sides |= {f"control/{name}": states for name, states in answers.controls.items()}
    arrays = {f"{side}/{name}": np.ascontiguousarray(value) for side, states in sides.items() for name, value in states.items()}
    record = {"version": VERSION, "offsets": answers.offsets, "kinds": answers.kinds, "strata": answers.strata}
    make_folder(path.parent)
    write_whole(path, seal(arrays, {"answers": json.dumps(record)}))


def load(path: str | Path) -> Answers:
    """Read what `save` wrote.

    Raises:
        DataError: if the file is missing, damaged or of another version.
    """
    path, sides = Path(path), dict[str, dict[str, ndarray]]()
    found = unseal(path, "the answers", FIX)
    where = f"{path}, header, field answers"
    try:
        record = text_table(found.texts, "answers", path)
        if record.get("version") != VERSION:
            raise DataError("they are of another version", where=where, expected=VERSION, got=record.get("version"))
        offsets, kinds, strata = (record.get(name) for name in ("offsets", "kinds", "strata"))
        if not (isinstance(offsets, list) and isinstance(kinds, list) and isinstance(strata, list)):
            raise DataError("these are no answers", where=where, expected="lists of offsets, kinds and strata", got="others")
        for name, value in found.arrays.items():
            side, _, entity = name.rpartition("/")
            sides.setdefault(side, {})[entity] = value
            shape = (len(strata), *(() if side == "start" else (len(offsets),) if "/" in side else (len(kinds), len(offsets))))
            if value.dtype.kind != "f" or value.ndim != len(shape) + 1 or value.shape[:-1] != shape:
                raise DataError("an array is of another size or type", where=f"{path}, field {name}",
                                expected=f"numbers {(*shape, 'channels')}", got=f"{value.dtype} {value.shape}")
        if lacking := {"start", "offered", "consequence"} - set(sides):
            raise DataError("arrays are missing", where=path, expected=", ".join(sorted(lacking)), got=", ".join(sorted(sides)))
        controls = {side.removeprefix("control/"): states for side, states in sides.items() if side.startswith("control/")}
        steps = tuple(whole(one, f"{where}.offsets") for one in offsets)
        names, near = (tuple(words(one, f"{where}.kinds and strata") for one in part) for part in (kinds, strata))
        return Answers(sides["start"], sides["offered"], sides["consequence"], steps, names, near, controls)
    except DataError as error:
        raise DataError(f"the answers are damaged: {error.problem}", where=error.where, expected=error.expected, got=error.got,
                        fix=FIX) from error
