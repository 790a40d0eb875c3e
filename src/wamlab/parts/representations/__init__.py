"""What a stream holds: named signals as tokens, a file a choice."""

from .base import Content, Moment, Representation, Site
from .conditions import Seen, State, Words
from .frames import Latents
from .outlook import After, Value
from .tiled import Tiled
from .vector import Actions

ALL: tuple[type, ...] = (Words, State, Seen, Latents, Actions, After, Value, Tiled)
"""those that settings read from a file may name"""

__all__ = ["ALL", "Actions", "After", "Content", "Latents", "Moment", "Representation", "Seen", "Site", "State", "Tiled",
           "Value", "Words"]
