"""What every simulator demands of an action."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ..spec import ActionSpec


def checked_action(action: ndarray, spec: ActionSpec) -> ndarray:
    """The action as float64 [A].

    Raises:
        ValueError: if it has the wrong width, is not finite or is outside the limits.
    """
    value = np.asarray(action, np.float64)
    if value.shape != (spec.width,):
        raise ValueError(f"the action has shape {value.shape}, expected ({spec.width},): {', '.join(spec.names)}")
    if not np.isfinite(value).all():
        raise ValueError(f"the action is not finite: {value}")
    over = (value < spec.low) | (value > spec.high)
    if over.any():
        channel = int(np.argmax(over))
        raise ValueError(f"action channel {spec.names[channel]} is {value[channel]}, "
                         f"outside [{spec.low[channel]}, {spec.high[channel]}]")
    return value
