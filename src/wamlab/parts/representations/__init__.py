"""What a stream holds: named signals as tokens, a file a choice."""

from .base import Content, Moment, Representation, Site
from .bins import Bins
from .codes import Codes
from .conditions import Registers, Seen, State, Words
from .flow_action import FlowAction
from .frames import Latents
from .outlook import After, Value
from .picture import Picture
from .senses import Sense
from .tiled import Tiled
from .vector import Actions

ALL: tuple[type, ...] = (Words, State, Seen, Latents, Actions, After, Value, Sense, Picture, Tiled, Registers, FlowAction,
                         Bins, Codes)
"""those that settings read from a file may name"""

__all__ = ["ALL", "Actions", "After", "Bins", "Codes", "Content", "FlowAction", "Latents", "Moment", "Picture", "Registers",
           "Representation", "Seen", "Sense", "Site", "State", "Tiled", "Value", "Words"]
