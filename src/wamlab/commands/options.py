"""Types of options. Numbers carry their range (`wamlab.ranges`), which the command line holds them to; paths are not empty."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec

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


def path(said: list[str]) -> Path:
    """A path from its argument. Raises ValueError for an empty one, which would silently mean the folder one is in."""
    if not said[0]:
        raise ValueError("a path is expected, such as runs/mine, got an empty text; say . for this folder")
    return Path(said[0])


Place = Annotated[Path, PrimitiveConstructorSpec(nargs=1, metavar="PATH", instance_from_str=path,
                                                 is_instance=lambda value: isinstance(value, Path),
                                                 str_from_instance=lambda value: [str(value)])]
"""where something is, or is to be"""
