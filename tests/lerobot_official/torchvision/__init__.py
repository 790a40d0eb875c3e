"""The few functions of torchvision that LeRobot's dataset needs, for machines where torchvision does not import.

Only tests put this folder on the path, and only for the official library in its own environment.
"""

from . import io, transforms

__version__ = "0.0"


def set_video_backend(name):
    assert name == "pyav"


__all__ = ["io", "set_video_backend", "transforms"]
