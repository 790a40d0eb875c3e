"""Names that LeRobot imports; its augmentations are not used here."""

import torch

from . import functional


class Transform(torch.nn.Module):
    pass


class Compose(Transform):
    pass


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (Transform,), {})


__all__ = ["Compose", "Transform", "functional"]
