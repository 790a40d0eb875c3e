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

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt8
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ..data.atomic import write_whole
from ..errors import DataError

VERSION = "readout-1"


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
        tensors = {f"eye/{k}": v.contiguous() for k, v in self.eye.state_dict().items()}
        tensors |= {"mean": torch.from_numpy(self.mean), "std": torch.from_numpy(self.std)}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, to_bytes(tensors, {"readout": json.dumps(record)}))

    @classmethod
    def load(cls, path: str | Path) -> Readout:
        """Read what `save` wrote.

        Raises:
            DataError: if the file is missing, damaged or of another version.
        """
        if not Path(path).is_file():
            raise DataError("there is no readout", where=path, expected="a file that a readout was saved to")
        try:
            with safe_open(path, "pt") as file:
                record = json.loads(file.metadata()["readout"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if record["version"] != VERSION:
                raise DataError("the readout is of another version", where=path, expected=VERSION, got=record["version"],
                                fix="delete the file; it is trained anew")
            shape = Shape(**record["shape"])
            eye = Eye(shape)
            eye.load_state_dict({k.removeprefix("eye/"): v for k, v in tensors.items() if k.startswith("eye/")})
            return cls(eye.eval(), shape, tensors["mean"].numpy(), tensors["std"].numpy(),
                       {name: Audit(**audit) for name, audit in record["audit"].items()}, record["threshold"], record["note"],
                       record["extra"])
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
            raise DataError("the readout is damaged", where=path, got=f"{type(error).__name__}: {error}",
                            fix="delete the file; it is trained anew") from error
