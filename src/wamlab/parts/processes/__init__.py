"""How a stream is generated, without weights.

Every process answers the same five questions. Levels run from 0 (noise) to 1 (data).
"""

from .diffusion import Diffusion
from .flow import FlowMatching
from .regression import Regression

Process = FlowMatching | Diffusion | Regression

__all__ = ["Diffusion", "FlowMatching", "Process", "Regression"]
