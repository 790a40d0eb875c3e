"""How one frame is written down: encode and decode.

A codec's settings are a frozen dataclass that builds its weights.
"""

from .autoencoder import ConvAutoencoder
from .base import Codec, CodecSettings
from .patches import PixelPatches
from .vq import VectorQuantised

ALL: tuple[type, ...] = (ConvAutoencoder, PixelPatches, VectorQuantised)
"""those that settings read from a file may name"""

__all__ = ["ALL", "Codec", "CodecSettings", "ConvAutoencoder", "PixelPatches", "VectorQuantised"]
