"""Video without actions: what it is as an Episode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..types import Episode

FILMED = "video"
"""the renderer of pictures that no renderer made: they may stand beside those of any"""


def without_actions(episode: Episode) -> Episode:
    """The episode as a video of it: actions and proprioception are withheld, what the camera saw stays."""
    return replace(episode, state=np.zeros_like(episode.state), action=np.zeros_like(episode.action),
                   has_action=np.zeros(len(episode), bool), has_state=False, imagined=())
