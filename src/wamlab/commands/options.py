"""Types of options. Numbers carry their range (`wamlab.ranges`), which the command line holds them to; paths are not empty."""

from __future__ import annotations

from pathlib import Path

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from ..ranges import Count as Count
from ..ranges import Port as Port
from ..ranges import Positive as Positive
from ..ranges import Rate as Rate
from ..ranges import Rows as Rows
from ..ranges import Seconds as Seconds
from ..ranges import Seed as Seed
from ..ranges import Share as Share
from ..ranges import Side as Side
from ..ranges import Speed as Speed
from ..ranges import View as View
from ..ranges import Workers as Workers

REGISTRY = ConstructorRegistry()
"""how options are read, where that differs from tyro's way"""


@REGISTRY.primitive_rule
def _path(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Path] | None:
    """Paths are not empty: that would silently mean the folder one is in."""
    if info.type is not Path:
        return None

    def read(said: list[str]) -> Path:
        if not said[0]:
            raise ValueError("a path is expected, such as runs/mine, got an empty text; say . for this folder")
        return Path(said[0])

    return PrimitiveConstructorSpec(nargs=1, metavar="PATH", instance_from_str=read, is_instance=lambda value: isinstance(
        value, Path), str_from_instance=lambda value: [str(value)])
