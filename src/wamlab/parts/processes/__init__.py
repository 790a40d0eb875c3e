"""How a stream is generated, without weights.

Every process answers the same questions (`base`). Levels run from 0 (noise) to 1 (data).
"""

from .base import Process
from .diffusion import Diffusion
from .flow import FlowMatching
from .regression import Regression

ALL: tuple[type, ...] = (FlowMatching, Diffusion, Regression)
"""those that settings read from a file may name"""

__all__ = ["ALL", "Diffusion", "FlowMatching", "Process", "Regression"]
