"""The frozen protocol CC-1.0: what must agree before two numbers may be compared.

The formulas are those of `docs/protocol-cc-1.0.md`. A change of any of them is a new version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ...errors import DataError
from .branch_data import Branches

VERSION = "CC-1.0"
EDITION = 2
"""of its text: what a verdict needs beside its intervals; no number depends on it"""


@dataclass(frozen=True)
class Terms:
    """Everything that decides what a number means, apart from the model."""

    task: str
    contexts: int
    actions: tuple[str, ...]
    """names of the actions tried from each saved state"""
    offsets: tuple[int, ...]
    """control steps ahead at which futures are compared"""
    horizon: int
    """control steps of each action chunk"""
    seed: int = 0
    renderer: str = ""
    """fingerprint; empty where no picture was involved"""
    samples: int = 1
    """futures per question, of which the mean counts: the budget of a stochastic model"""
    mode: str = "interventional"
    """or "twin": the factual continuation was offered as evidence"""
    scales: tuple[tuple[str, float], ...] = ()
    """sigma per entity: the unit of its effects"""
    version: str = VERSION

    @property
    def digest(self) -> str:
        """A name for all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"digest": self.digest}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Terms:
        """Terms from JSON values.

        Raises:
            DataError: naming the field that is missing or of the wrong kind.
        """
        try:
            return cls(str(value["task"]), int(value["contexts"]), tuple(map(str, value["actions"])),
                       tuple(map(int, value["offsets"])), int(value["horizon"]), int(value.get("seed", 0)),
                       str(value.get("renderer", "")), int(value.get("samples", 1)), str(value.get("mode", "interventional")),
                       tuple((str(name), float(sigma)) for name, sigma in value.get("scales", ())),
                       str(value.get("version", VERSION)))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("the protocol's terms cannot be read", where="protocol", got=f"{type(error).__name__}: {error}",
                            expected=[f.name for f in fields(cls)]) from error


def terms_of(branches: Branches, samples: int = 1, mode: str = "interventional") -> Terms:
    """The terms under which a model is judged on these branches."""
    p = branches.protocol
    scales = tuple(sorted((name, round(sigma, 9)) for name, sigma in branches.scales().items()))
    return Terms(p.task, p.contexts, p.actions, p.offsets, p.horizon, p.seed, branches.renderer, samples, mode, scales)


def must_match(one: Terms, two: Terms) -> None:
    """Refuse to compare numbers of different terms.

    Raises:
        DataError: naming every field that differs.
    """
    a, b = asdict(one), asdict(two)
    differ = [name for name in a if a[name] != b[name]]
    if differ:
        raise DataError("these numbers were made under different terms", where=", ".join(differ),
                        expected={name: a[name] for name in differ}, got={name: b[name] for name in differ},
                        fix="judge both models on the same branches")
