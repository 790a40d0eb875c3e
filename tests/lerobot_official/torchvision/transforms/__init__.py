"""ToTensor, as LeRobot uses it for embedded pictures."""

import numpy as np
import torch

from . import v2


class ToTensor:
    def __call__(self, picture):
        array = np.array(picture)
        array = array[..., None] if array.ndim == 2 else array
        tensor = torch.from_numpy(array.astype(np.int32) if array.dtype == np.uint16 else array).permute(2, 0, 1)
        return tensor.float() / 255 if array.dtype == np.uint8 else tensor


__all__ = ["ToTensor", "v2"]
