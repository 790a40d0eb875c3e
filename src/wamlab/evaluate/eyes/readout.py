"""A frozen eye: from a frame to the state of the world, trained on true frames only and audited on held-out ones.

Causal measures live in state space. A model that imagines pixels is measured through this network, whose own error
on true frames is reported beside every number as the ceiling. It never sees an imagined frame; blur and noise in
training keep it calm when imagined frames are less sharp than real ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt8
from numpy import ndarray
from torch import Tensor, nn

from ...data.atomic import make_folder, write_whole
from ...data.sealed import seal, unseal
from ...errors import DataError
from ...reading import number, table, whole, words
from ...reading_tensors import tensor_header, text_table

VERSION = "readout-1"
WIDEST = 4096
"""feature maps, and channels of an entity, that a file may ask for"""
FIX = "move the file away; it is trained anew"


@dataclass(frozen=True)
class Shape:
    """What a readout reads."""

    entities: Mapping[str, int]
    """channels per entity, in the order of the outputs"""
    success: bool
    """whether it also reads if the task's condition holds"""
    width: int = 32

    @property
    def outputs(self) -> int:
        return sum(self.entities.values()) + self.success


class Eye(nn.Module):
    """Convolutions, then where each of 32 feature maps is brightest (spatial softmax, arXiv 1509.06113), straight and through
    a small head. It says where things are, so it carries over to places in which training saw none."""

    def __init__(self, shape: Shape):
        super().__init__()
        wide, maps = shape.width, 32
        half = wide // 2
        self.stem = nn.Sequential(nn.Conv2d(3, half, 5, 2, 2), nn.GroupNorm(4, half), nn.ReLU(),
                                  nn.Conv2d(half, wide, 3, 2, 1), nn.GroupNorm(4, wide), nn.ReLU(),
                                  nn.Conv2d(wide, wide, 3, 1, 1), nn.GroupNorm(4, wide), nn.ReLU(), nn.Conv2d(wide, maps, 1))
        self.sharpness = nn.Parameter(torch.tensor(4.0))
        self.head = nn.Sequential(nn.Linear(3 * maps, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
                                  nn.Linear(64, shape.outputs))
        self.straight = nn.Linear(2 * maps, shape.outputs)

    def forward(self, frames: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B out"]:
        maps = self.stem(frames - 0.5)
        weight = (maps.flatten(2) * self.sharpness).softmax(-1)
        rows, columns = (torch.linspace(-1, 1, n) for n in maps.shape[2:])
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)
        where, peak = (weight @ grid).flatten(1), (weight * maps.flatten(2)).sum(-1)
        return self.head(torch.cat([where, peak], 1)) + self.straight(where)


@dataclass(frozen=True)
class Audit:
    """How well one entity is read from held-out true frames."""

    rmse: float
    """root mean squared error over the channels that share the first one's unit, in that unit"""
    median: float
    """median distance between the read and the true position, in that unit"""
    r2: float
    """share of its variance explained; 0 if it stands still in all these frames"""
    frames: int


@dataclass(frozen=True, eq=False)
class Readout:
    """A trained eye with the scale of its outputs and its audit."""

    eye: Eye
    shape: Shape
    mean: Float64[ndarray, "D"]
    std: Float64[ndarray, "D"]
    audit: Mapping[str, Audit]
    threshold: float = 0.5
    """probability from which success is believed: true frames of failure stay below it in 99 of 100 cases"""
    note: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def raw(self, frames: UInt8[ndarray, "*batch h w 3"]) -> Float64[ndarray, "*batch out"]:
        """Outputs in physical units (entities one after the other), success as a probability."""
        flat = np.ascontiguousarray(frames.reshape(-1, *frames.shape[-3:]))
        out = []
        with torch.inference_mode():
            for start in range(0, len(flat), 512):
                part = torch.from_numpy(flat[start:start + 512]).movedim(-1, -3).float() / 255
                out.append(self.eye(part.contiguous()).double().numpy())
        found = np.concatenate(out) if out else np.zeros((0, self.shape.outputs))
        if self.shape.success:
            found[:, -1] = 1 / (1 + np.exp(-found[:, -1]))
        width = len(self.mean)
        found[:, :width] = found[:, :width] * self.std + self.mean
        return found.reshape(*frames.shape[:-3], self.shape.outputs)

    def states(self, frames: UInt8[ndarray, "*batch h w 3"]) -> dict[str, Float64[ndarray, "*batch _"]]:
        """State per entity."""
        return self.split(self.raw(frames))

    def split(self, raw: Float64[ndarray, "*batch out"]) -> dict[str, Float64[ndarray, "*batch _"]]:
        edges = np.cumsum([0, *self.shape.entities.values()])
        return {name: raw[..., a:b] for name, a, b in zip(self.shape.entities, edges[:-1], edges[1:], strict=True)}

    def sees_success(self, raw: Float64[ndarray, "*batch out"]) -> Bool[ndarray, "*batch"] | None:
        """Whether each frame shows the task done; None if that was not learned."""
        return raw[..., -1] >= self.threshold if self.shape.success else None

    def save(self, path: Path) -> None:
        """Write to one safetensors file, atomically. Raises DataError if it cannot be written."""
        record = {"version": VERSION, "shape": asdict(self.shape), "threshold": self.threshold, "note": self.note,
                  "audit": {name: asdict(audit) for name, audit in self.audit.items()}, "extra": dict(self.extra)}
        arrays = {f"eye/{k}": v.numpy() for k, v in self.eye.state_dict().items()} | {"mean": self.mean, "std": self.std}
        make_folder(path.parent)
        write_whole(path, seal(arrays, {"readout": json.dumps(record)}))

    @classmethod
    def load(cls, path: str | Path) -> Readout:
        """Read what `save` wrote.

        Raises:
            DataError: if the file is missing, damaged or of another version.
        """
        path = Path(path)
        if not path.exists():
            raise DataError("there is no readout", where=path, expected="a file that a readout was saved to")
        where = f"{path}, header, field readout"
        try:
            record = text_table(tensor_header(path).texts, "readout", path)
            if record.get("version") != VERSION:
                raise DataError("it is of another version", where=where, expected=VERSION, got=record.get("version"))
            shape = _shape(table(record.get("shape"), f"{where}.shape"), f"{where}.shape")
            audits = {name: _audit(table(said, f"{where}.audit"), f"{where}.audit.{name}")
                      for name, said in table(record.get("audit"), f"{where}.audit").items()}
            extra = table(record.get("extra"), f"{where}.extra")
            for name, said in extra.items():
                words(said, f"{where}.extra.{name}")
            tensors = {name: torch.from_numpy(array) for name, array in unseal(path, "the readout", FIX).arrays.items()}
            eye, scale = _eye(shape, tensors, path)
            return cls(eye, shape, *scale, audits, number(record.get("threshold"), f"{where}.threshold", 0, 1),
                       words(record.get("note"), f"{where}.note"), extra)
        except DataError as error:
            raise DataError(f"the readout is damaged: {error.problem}", where=error.where, expected=error.expected,
                            got=error.got, fix=FIX) from error


def _shape(said: Mapping[str, Any], where: str) -> Shape:
    """What a file's readout reads. Raises DataError naming the field that cannot be."""
    entities = {name: whole(count, f"{where}.entities", 1, WIDEST)
                for name, count in table(said.get("entities"), f"{where}.entities").items()}
    width, success = whole(said.get("width"), f"{where}.width", 8, WIDEST), said.get("success")
    if width % 8 or not isinstance(success, bool):
        raise DataError("this is no shape of a readout", where=where, expected="a width in eights, success true or false",
                        got=f"{width}, {str(success)[:40]}")
    return Shape(entities, success, width)


def _audit(said: Mapping[str, Any], where: str) -> Audit:
    rmse, median, r2 = (number(said.get(name), f"{where}.{name}") for name in ("rmse", "median", "r2"))
    return Audit(rmse, median, r2, whole(said.get("frames"), f"{where}.frames"))


def _eye(shape: Shape, tensors: Mapping[str, Tensor], path: Path) -> tuple[Eye, tuple[ndarray, ndarray]]:
    """The network with its weights, (mean, std) of its outputs. Raises DataError for tensors that do not fit, or infinite."""
    with torch.device("meta"):  # costs nothing, whatever the shape says
        blank = Eye(shape).state_dict()
    width = sum(shape.entities.values())
    wanted = {f"eye/{name}": (value.dtype, value.shape) for name, value in blank.items()}
    wanted |= {name: (torch.float64, torch.Size([width])) for name in ("mean", "std")}
    for name in sorted({*wanted, *tensors}):
        if name not in tensors or (tensors[name].dtype, tensors[name].shape) != wanted.get(name) \
                or not torch.isfinite(tensors[name]).all():
            got = f"{tensors[name].dtype} {tuple(tensors[name].shape)}" if name in tensors else "nothing"
            raise DataError("a tensor does not fit", where=f"{path}, field {name}", got=got,
                            expected=f"finite numbers, {wanted.get(name, 'no such tensor')}")
    eye = Eye(shape)
    eye.load_state_dict({name.removeprefix("eye/"): value for name, value in tensors.items() if name.startswith("eye/")})
    return eye.eval(), (tensors["mean"].numpy(), tensors["std"].numpy())
