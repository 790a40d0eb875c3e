"""The record of what would have happened: several actions from the same saved state, with the true futures of all.

Letters: C contexts, K actions, H steps, F offsets, D channels of an entity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from ..data.atomic import write_whole
from ..errors import DataError
from ..spec import TaskSpec, from_json, to_json
from .actions import STANDARD
from .metrics.base import sigma

VERSION = "branches-1"
STRATA = ("free", "near", "contact")
FIRST_SCENE = 2_000_000
"""scenes for branches have seeds from here on: neither collected from nor evaluated on"""


@dataclass(frozen=True)
class Protocol:
    """All that decides the numbers in `Branches`; two sets of numbers may be compared if their protocols agree."""

    task: str
    """a name for `simulators.make`"""
    offsets: tuple[int, ...]
    """steps ahead at which frames are kept"""
    contexts: int = 30
    horizon: int = 8
    """control steps of every action chunk"""
    history: int = 1
    """observations up to the saved state that a model may see"""
    seed: int = 0
    actions: tuple[str, ...] = STANDARD
    options: Mapping[str, Any] = field(default_factory=dict)
    """keyword arguments for `simulators.make`, JSON values"""

    def __post_init__(self) -> None:
        if not self.offsets or not all(1 <= o <= self.horizon for o in self.offsets) or self.contexts < 1 or self.history < 1:
            got = f"contexts {self.contexts}, history {self.history}, offsets {self.offsets}, horizon {self.horizon}"
            raise DataError("the protocol asks for frames that no branch reaches", where="protocol", got=got,
                            expected="contexts and history >= 1, offsets within 1..horizon")

    def digest(self, renderer: str) -> str:
        """Name of the numbers that this protocol gives under this renderer."""
        text = json.dumps([VERSION, renderer, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Branches:
    """True futures of K actions from each of C contexts."""

    spec: TaskSpec
    protocol: Protocol
    renderer: str
    actions: Float32[ndarray, "C K H A"]
    context_frames: UInt8[ndarray, "C history h w 3"]
    """main camera, the last one shows the saved state"""
    context_state: Float32[ndarray, "C history P"]
    truth: Mapping[str, Float64[ndarray, "C K H1 D"]]
    """per entity, H + 1 states; the first is the saved one"""
    success: Bool[ndarray, "C K H1"]
    """whether the task's condition held; False for the saved state itself"""
    frames: UInt8[ndarray, "C K F h w 3"]
    """at the protocol's offsets"""
    scene: Int64[ndarray, "C"]
    """seed of the scene"""
    step: Int64[ndarray, "C"]
    """control step within it"""
    stratum: Int64[ndarray, "C"]
    """position in STRATA"""

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def digest(self) -> str:
        return self.protocol.digest(self.renderer)

    @property
    def strata(self) -> tuple[str, ...]:
        return tuple(STRATA[i] for i in self.stratum)

    def start(self) -> dict[str, Float64[ndarray, "C D"]]:
        """The saved states."""
        return {name: value[:, 0, 0] for name, value in self.truth.items()}

    def real(self, offsets: tuple[int, ...]) -> dict[str, Float64[ndarray, "C K T D"]]:
        """The true states `offsets` steps ahead."""
        return {name: value[:, :, list(offsets)] for name, value in self.truth.items()}

    def scales(self) -> dict[str, float]:
        """Sigma per entity over these true effects: the unit in which models on this protocol are measured."""
        return {e.name: sigma(e, self.truth[e.name][:, :, 1:] - self.truth[e.name][:, :1, :1])
                for e in self.spec.entities if e.name in self.truth}

    def take(self, contexts: ndarray) -> Branches:
        """Only these contexts."""
        arrays = {name: value[contexts] for name, value in vars(self).items() if isinstance(value, ndarray)}
        return replace(self, **arrays, truth={name: value[contexts] for name, value in self.truth.items()})

    def save(self, path: Path) -> None:
        """Write to one safetensors file, atomically. Raises DataError if it cannot be written."""
        record = {"version": VERSION, "spec": to_json(self.spec), "protocol": asdict(self.protocol), "renderer": self.renderer}
        arrays = {name: value for name, value in vars(self).items() if isinstance(value, ndarray)}
        arrays |= {f"truth/{name}": value for name, value in self.truth.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, to_bytes({k: np.ascontiguousarray(v) for k, v in arrays.items()}, {"branches": json.dumps(record)}))

    @classmethod
    def load(cls, path: str | Path) -> Branches:
        """Read what `save` wrote.

        Raises:
            DataError: if the file is missing, damaged or of another version.
        """
        if not Path(path).is_file():
            raise DataError("there are no branches", where=path, expected="a file that make_branches wrote")
        try:
            with safe_open(path, "numpy") as file:
                record = json.loads(file.metadata()["branches"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if record["version"] != VERSION:
                raise DataError("the branches are of another version", where=path, expected=VERSION, got=record["version"],
                                fix="delete the file; it is made anew")
            protocol = record["protocol"] | {k: tuple(record["protocol"][k]) for k in ("offsets", "actions")}
            truth = {name.removeprefix("truth/"): arrays.pop(name) for name in sorted(arrays) if name.startswith("truth/")}
            return cls(from_json(record["spec"]), Protocol(**protocol), record["renderer"], truth=truth, **arrays)
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise DataError("the branches are damaged", where=path, got=f"{type(error).__name__}: {error}",
                            fix="delete the file; it is made anew") from error


def joined(parts: list[Branches], protocol: Protocol) -> Branches:
    """Contexts of several pieces, in order, as many as the protocol asks for."""
    arrays = {name: np.concatenate([vars(part)[name] for part in parts])
              for name, value in vars(parts[0]).items() if isinstance(value, ndarray)}
    truth = {name: np.concatenate([part.truth[name] for part in parts]) for name in parts[0].truth}
    whole = replace(parts[0], protocol=protocol, truth=truth, **arrays)
    return whole.take(np.arange(min(len(whole), protocol.contexts)))
