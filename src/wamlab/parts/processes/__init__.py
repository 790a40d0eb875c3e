"""How a stream is generated, without weights.

Every process answers the same questions (`base`). Levels run from 0 (noise) to 1 (data).
"""

from .base import Process
from .diffusion import Diffusion
from .flow import FlowMatching
from .masked import MaskedTokens
from .next_token import NextToken
from .regression import Regression

ALL: tuple[type, ...] = (FlowMatching, Diffusion, Regression, NextToken, MaskedTokens)
"""those that settings read from a file may name"""

__all__ = ["ALL", "Diffusion", "FlowMatching", "MaskedTokens", "NextToken", "Process", "Regression"]
