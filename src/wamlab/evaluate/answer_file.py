"""What a model answered to offered futures, on disk: so that a run can be scored again without the model or the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from ..data.atomic import make_folder, write_whole
from ..errors import DataError
from .evidence import Answers

VERSION = "answers-1"


def save(answers: Answers, path: Path) -> None:
    """Write to one safetensors file, atomically. Raises DataError if it cannot be written."""
    sides = {"start": answers.start, "offered": answers.offered, "consequence": answers.consequence}
    sides |= {f"control/{name}": states for name, states in answers.controls.items()}
    arrays = {f"{side}/{name}": np.ascontiguousarray(value) for side, states in sides.items() for name, value in states.items()}
    record = {"version": VERSION, "offsets": answers.offsets, "kinds": answers.kinds, "strata": answers.strata}
    make_folder(path.parent)
    write_whole(path, to_bytes(arrays, {"answers": json.dumps(record)}))


def load(path: str | Path) -> Answers:
    """Read what `save` wrote.

    Raises:
        DataError: if the file is missing, damaged or of another version.
    """
    sides: dict[str, dict[str, ndarray]] = {}
    try:
        with safe_open(path, "numpy") as file:
            record = json.loads(file.metadata()["answers"])
            for name in file.keys():  # noqa: SIM118
                side, _, entity = name.rpartition("/")
                sides.setdefault(side, {})[entity] = file.get_tensor(name)
        if record["version"] != VERSION:
            raise DataError("the answers are of another version", where=path, expected=VERSION, got=record["version"],
                            fix="delete the file; the model is asked again")
        controls = {side.removeprefix("control/"): states for side, states in sides.items() if side.startswith("control/")}
        return Answers(sides["start"], sides["offered"], sides["consequence"], tuple(map(int, record["offsets"])),
                       tuple(record["kinds"]), tuple(record["strata"]), controls)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise DataError("the answers are damaged", where=path, got=f"{type(error).__name__}: {error}",
                        fix="delete the file; the model is asked again") from error
