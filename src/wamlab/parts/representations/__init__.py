"""What a stream holds: named signals as tokens, a file a choice."""

from .base import Content, Moment, Representation, Site
from .conditions import Seen, State, Words
from .frames import Latents
from .vector import Actions

ALL: tuple[type, ...] = (Words, State, Seen, Latents, Actions)
"""those that settings read from a file may name"""

__all__ = ["ALL", "Actions", "Content", "Latents", "Moment", "Representation", "Seen", "Site", "State", "Words"]
