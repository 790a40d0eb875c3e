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

from ...data.atomic import make_folder, write_whole
from ...data.sealed import seal, unseal
from ...errors import DataError, WamError
from ...ranges import SEED
from ...reading import table, whole, words
from ...reading_tensors import text_table
from ...spec import TaskSpec, from_json, to_json
from ..metric import sigma
from .actions import STANDARD

VERSION = "branches-1"
STRATA = ("free", "near", "contact")
FIX = "move the file away; it is made anew"
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
    truth: Mapping[str, Float64[ndarray, "C K H1 _"]]
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
        make_folder(path.parent)
        write_whole(path, seal(arrays, {"branches": json.dumps(record)}))

    @classmethod
    def load(cls, path: str | Path) -> Branches:
        """Read what `save` wrote.

        Raises:
            DataError: if the file is missing, damaged or of another version.
        """
        path = Path(path)
        if not path.exists():
            raise DataError("there are no branches", where=path, expected="a file that make_branches wrote")
        found = unseal(path, "the branches", FIX)
        where = f"{path}, header, field branches"
        try:
            record = text_table(found.texts, "branches", path)
            if record.get("version") != VERSION:
                raise DataError("they are of another version", where=where, expected=VERSION, got=record.get("version"))
            arrays, spec = dict(found.arrays), from_json(record.get("spec"))
            protocol = _protocol(table(record.get("protocol"), f"{where}.protocol"), f"{where}.protocol")
            truth = {name.removeprefix("truth/"): arrays.pop(name) for name in sorted(arrays) if name.startswith("truth/")}
            _fit(spec, protocol, arrays, truth, path)
            return cls(spec, protocol, words(record.get("renderer"), f"{where}.renderer"), truth=truth, **arrays)
        except WamError as error:
            raise DataError(f"the branches are damaged: {error.problem}", where=error.where, expected=error.expected,
                            got=error.got, fix=FIX) from error


def _protocol(said: Mapping[str, Any], where: str) -> Protocol:
    """A protocol from a file. Raises DataError naming the field that cannot be."""
    lists = {name: said.get(name) for name in ("offsets", "actions")}
    if not all(isinstance(value, list) for value in lists.values()):
        raise DataError("this is no protocol", where=where, expected="lists of offsets and actions", got=str(lists)[:80])
    numbers = {name: whole(said.get(name), f"{where}.{name}") for name in ("contexts", "horizon", "history")}
    return Protocol(words(said.get("task"), f"{where}.task"), tuple(whole(o, f"{where}.offsets") for o in said["offsets"]),
                    seed=whole(said.get("seed"), f"{where}.seed", high=int(SEED.high)),
                    actions=tuple(words(a, f"{where}.actions") for a in said["actions"]),
                    options=table(said.get("options"), f"{where}.options"), **numbers)


def _fit(spec: TaskSpec, protocol: Protocol, arrays: Mapping[str, ndarray], truth: Mapping[str, ndarray], path: Path) -> None:
    """Refuse arrays that are not of these sizes and types, or not finite. Raises DataError naming the first."""
    kinds, steps, size = len(protocol.actions), protocol.horizon, (*spec.image_size, 3)
    wanted: dict[str, tuple[type, tuple[int, ...]]] = {
        "actions": (np.float32, (kinds, steps, spec.action.width)), "context_frames": (np.uint8, (protocol.history, *size)),
        "context_state": (np.float32, (protocol.history, len(spec.state))), "success": (np.bool_, (kinds, steps + 1)),
        "frames": (np.uint8, (kinds, len(protocol.offsets), *size)), "scene": (np.int64, ()), "step": (np.int64, ()),
        "stratum": (np.int64, ())}
    wanted |= {f"truth/{e.name}": (np.float64, (kinds, steps + 1, len(e.channels))) for e in spec.entities}
    held = {**arrays, **{f"truth/{name}": value for name, value in truth.items()}}
    if set(held) != set(wanted):
        raise DataError("arrays are missing or left over", where=path, expected=", ".join(sorted(wanted)),
                        got=", ".join(sorted(held)))
    contexts = held["stratum"].shape[:1]
    for name, (kind, shape) in wanted.items():
        value = held[name]
        if value.dtype != kind or value.shape != (*contexts, *shape) or not contexts:
            raise DataError("an array is of another size or type", where=f"{path}, field {name}",
                            expected=f"{np.dtype(kind)} {('contexts', *shape)}", got=f"{value.dtype} {value.shape}")
        if not np.isfinite(value).all():
            raise DataError("an array is not finite", where=f"{path}, field {name}", expected="finite numbers", got="others")
    if not np.isin(held["stratum"], range(len(STRATA))).all():
        raise DataError("a stratum is none", where=f"{path}, field stratum", expected=f"0 to {len(STRATA) - 1}",
                        got=held["stratum"].max())


def joined(parts: list[Branches], protocol: Protocol) -> Branches:
    """Contexts of several pieces, in order, as many as the protocol asks for."""
    arrays = {name: np.concatenate([vars(part)[name] for part in parts])
              for name, value in vars(parts[0]).items() if isinstance(value, ndarray)}
    truth = {name: np.concatenate([part.truth[name] for part in parts]) for name in parts[0].truth}
    whole = replace(parts[0], protocol=protocol, truth=truth, **arrays)
    return whole.take(np.arange(min(len(whole), protocol.contexts)))
