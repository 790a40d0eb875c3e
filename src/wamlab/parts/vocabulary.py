"""The words of a recipe: streams as they usually are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .processes import FlowMatching, Process
from .representations import Actions, Latents, Representation, Seen, State, Words
from .streams import Stream

CONDITIONS = ("text", "state", "context")


def given(holds: Representation, **told: Any) -> Stream:
    """A stream that is never generated."""
    return Stream(holds, **told)


def state(once: bool = True) -> Stream:
    """Proprioception; `once=False`: that at the start of every chunk."""
    return given(State(), once=once)


def frames(holds: Representation | None = None, process: Process | None = None, **told: Any) -> Stream:
    """Future frames: latents by flow matching, unless told otherwise."""
    return Stream(Latents() if holds is None else holds, process or FlowMatching(), **told)


def actions(holds: Representation | None = None, process: Process | None = None, **told: Any) -> Stream:
    """A chunk of actions: numbers by flow matching, unless told otherwise."""
    return Stream(Actions() if holds is None else holds, process or FlowMatching(), **{"weight": 3.0, **told})


SEEN: Mapping[str, Stream] = {"text": given(Words(), once=True), "state": state(), "context": given(Seen(), once=True)}
"""what every model sees, unless it says otherwise"""
