"""How the world is written down: encode and decode.

A representation is a frozen dataclass (its settings) that builds a `Codec` (its weights).
"""

from .autoencoder import ConvAutoencoder
from .patches import PixelPatches

Representation = ConvAutoencoder | PixelPatches

__all__ = ["ConvAutoencoder", "PixelPatches", "Representation"]
