"""What the numbers among a model's settings may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SpecError
from ..fields import whole

if TYPE_CHECKING:
    from .stream import Streams

MOST = 10_000
"""steps of sampling, actions of a chunk or steps ahead that no model has"""


def checked(config: Streams) -> Streams:
    """The settings, if a model can be made of them. Raises SpecError naming the field."""
    for name, value in (("width", config.width), ("depth", config.depth), ("heads", config.heads)):
        whole(f"Streams.{name}", value, 2**31)
    for name, value in (("history", config.history), ("chunk", config.chunk), *(("offsets", one) for one in config.offsets),
                        ("future, steps", len(config.future.grid()) - 1), ("action, steps", len(config.action.grid()) - 1)):
        whole(f"Streams.{name}", value, MOST)
    if config.width % config.heads:
        raise SpecError("the heads do not share the width evenly", where="Streams.heads", got=config.heads,
                        expected=f"a divisor of {config.width}")
    return config
