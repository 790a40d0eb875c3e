"""Where things go between two pictures: Lucas-Kanade from coarse to fine, without weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SCALES, TURNS, WINDOW = 3, 3, 5
"""pictures halved so often less one; refinements at each scale; side in pixels of what is taken to move as one"""
STILL = 1e-4
"""squared difference between neighbouring pixels below which nothing can be told from a place"""


@torch.no_grad()
def optical_flow(before: Float[Tensor, "N C h w"], after: Float[Tensor, "N C h w"]) -> Float[Tensor, "N 2 h w"]:
    """Pixels to the right and down by which what is at a place of `before` has moved in `after`; 0 where nothing can be told.
    Pictures in [0, 1]."""
    one, two = [before.mean(1, keepdim=True)], [after.mean(1, keepdim=True)]
    while len(one) < SCALES and min(one[-1].shape[-2:]) >= 2 * WINDOW:
        one.append(F.avg_pool2d(one[-1], 2))
        two.append(F.avg_pool2d(two[-1], 2))
    flow = one[-1].new_zeros(len(before), 2, *one[-1].shape[-2:])
    for a, b in zip(reversed(one), reversed(two), strict=True):
        if flow.shape[-2:] != a.shape[-2:]:
            flow = 2 * F.interpolate(flow, a.shape[-2:], mode="bilinear", align_corners=False)
        for _ in range(TURNS):
            flow = flow + _step(a, _moved(b, flow)).clamp(-1, 1)
    return flow


def _moved(picture: Float[Tensor, "N 1 h w"], flow: Float[Tensor, "N 2 h w"]) -> Float[Tensor, "N 1 h w"]:
    """What the picture shows at each place moved by the flow."""
    h, w = picture.shape[-2:]
    y, x = torch.meshgrid(torch.arange(h, device=flow.device), torch.arange(w, device=flow.device), indexing="ij")
    at = torch.stack([(2 * (x + flow[:, 0]) + 1) / w - 1, (2 * (y + flow[:, 1]) + 1) / h - 1], -1)
    return F.grid_sample(picture, at, padding_mode="border", align_corners=False)


def _step(a: Float[Tensor, "N 1 h w"], b: Float[Tensor, "N 1 h w"]) -> Float[Tensor, "N 2 h w"]:
    """The small motion from a to b that explains best how each window changed."""
    wide = F.pad((a + b) / 2, (1, 1, 1, 1), mode="replicate")
    right, down = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2, (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    change = b - a
    products = torch.cat([right * right, right * down, down * down, right * change, down * change], 1)
    xx, xy, yy, xt, yt = F.avg_pool2d(products, WINDOW, 1, WINDOW // 2, count_include_pad=False).unbind(1)
    xx, yy = xx + STILL, yy + STILL
    return torch.stack([xy * yt - yy * xt, xy * xt - xx * yt], 1) / (xx * yy - xy * xy)[:, None]
