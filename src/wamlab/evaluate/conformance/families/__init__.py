"""Families of saboteurs: each file here makes one table (saboteur x score) and says what the scores promise about it.

A file declares `FAMILY`; nothing else registers it. Metrics of your own come with a family of their own in a file of yours.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ....errors import SpecError
from ....spec import TaskSpec
from ....userfile import load_file
from ...ask.branch_data import Branches
from ...eyes.readout import Readout
from ...metric import Effects
from ..promise import Promise, Table


@dataclass(frozen=True, eq=False)
class World:
    """Where conformance is tested: true futures of several actions from saved states."""

    name: str
    spec: TaskSpec
    effects: Effects
    branches: Branches | None = None
    """with frames; None in a world without pictures"""
    readout: Readout | None = None
    """trained on other frames of this world; None: nothing is read off pictures"""
    seed: int = 0


@dataclass(frozen=True)
class Family:
    """Saboteurs of one kind, and what scores promise about them."""

    name: str
    table: Callable[[World], Table]
    promises: tuple[Promise, ...]
    pictures: bool = False
    """whether it needs the world's frames"""
    reads: bool = False
    """whether it needs a readout of them"""

    def suits(self, world: World) -> bool:
        """Whether it can be examined in a world."""
        return not (self.pictures and world.branches is None) and not (self.reads and world.readout is None)


@cache
def discover() -> dict[str, Family]:
    """All families of this package by name."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return {family.name: family for family in (_declared(vars(m).get("FAMILY"), m.__name__) for m in modules)}


def load(path: str | Path) -> Family:
    """The family that a file of your own declares as `FAMILY`.

    Raises:
        WamError: if the file is not there or cannot be run.
        SpecError: if it declares none.
    """
    return _declared(vars(load_file(path, "FAMILY = Family(...)")).get("FAMILY"), str(path))


def _declared(family: object, where: str) -> Family:
    if not isinstance(family, Family):
        raise SpecError("the file declares no family", where=where, expected="FAMILY = Family(...)", got=repr(family))
    return family
