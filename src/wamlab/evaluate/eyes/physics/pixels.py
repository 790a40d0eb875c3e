"""Things in pictures of the physics scenes, by their colour."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from ....simulators.physics_scenes import GREEN, Scene

SEEN = 8
"""pixels from which a thing counts as seen (of 64 x 64; in proportion for other sizes)"""
LEFT = 0.25
"""of its true area, below which it has vanished"""
HUE = 0.25
"""distance in chroma within which a pixel has a thing's colour"""
VIVID = 0.30
"""chroma below which a pixel is grey"""
LIT = 60
"""brightness (of 255) below which a pixel has no colour"""


def chroma(pixels: Float[ndarray, "*batch 3"]) -> Float[ndarray, "*batch 3"]:
    """Colour without brightness: each channel's share of the brightest, less the darkest's."""
    return (pixels - pixels.min(-1, keepdims=True)) / np.maximum(pixels.max(-1, keepdims=True), 1e-6)


def masks(frames: UInt8[ndarray, "N h w 3"], scene: Scene) -> dict[str, Bool[ndarray, "N h w"]]:
    """Where each thing is that has a colour of its own; other things and the hand are left out."""
    count = Counter(thing.colour for thing in scene.things)
    alone = {thing.name: thing.colour for thing in scene.things if count[thing.colour] == 1 and np.ptp(thing.colour) > VIVID}
    palette = chroma(np.array([*alone.values(), GREEN]))
    bright, dark = frames.max(-1), frames.min(-1)
    where = np.nonzero((bright > LIT) & (bright - dark > VIVID * bright))  # few: all else is grey
    distance = np.linalg.norm(chroma(frames[where].astype(np.float64))[:, None] - palette, axis=-1)
    nearest = np.where(distance.min(-1) < HUE, distance.argmin(-1), -1)
    found = {}
    for number, name in enumerate(alone):
        found[name] = np.zeros(frames.shape[:-1], bool)
        found[name][tuple(axis[nearest == number] for axis in where)] = True
    return found


def compare(shown: UInt8[ndarray, "N h w 3"], real: UInt8[ndarray, "N h w 3"],
            scene: Scene) -> dict[str, Float[ndarray, "N"]]:
    """Per frame: permanence (share of things seen in truth that vanished), phantom (share of things hidden in truth
    that are seen) and shape (1 - IoU after moving the mask onto the true place), NaN where there is nothing to ask."""
    least = SEEN * real.shape[1] * real.shape[2] / 64**2
    ours, true = masks(shown, scene), masks(real, scene)
    rows: dict[str, list[ndarray]] = {"permanence": [], "phantom": [], "shape": []}
    for name in true:
        area, made = true[name].sum((1, 2)), ours[name].sum((1, 2))
        there = area >= least
        rows["permanence"].append(np.where(there, made < np.maximum(LEFT * area, 1), np.nan))
        rows["phantom"].append(np.where(area == 0, made >= least, np.nan))
        both = there & (made >= LEFT * area)
        rows["shape"].append(np.where(both, [1 - moved_overlap(a, b) if ask else 0.0
                                             for a, b, ask in zip(ours[name], true[name], both, strict=True)], np.nan))
    return {key: _mean(values) for key, values in rows.items()}


def _mean(values: list[ndarray]) -> ndarray:
    """Mean over things, without those that are not asked."""
    stacked = np.stack(values)
    asked = np.isfinite(stacked)
    return np.where(asked.any(0), np.where(asked, stacked, 0).sum(0) / np.maximum(asked.sum(0), 1), np.nan)


def moved_overlap(one: Bool[ndarray, "h w"], two: Bool[ndarray, "h w"]) -> float:
    """IoU after the first mask is moved so that the middles of both fall together: the best of the four nearest moves."""
    middle = [np.argwhere(mask).mean(0) for mask in (one, two)]
    base = np.floor(middle[1] - middle[0]).astype(int)
    best = 0.0
    for down in (0, 1):
        for right in (0, 1):
            shifted = _shift(one, base + np.array([down, right]))
            best = max(best, float((shifted & two).sum() / max((shifted | two).sum(), 1)))
    return best


def _shift(mask: Bool[ndarray, "h w"], by: ndarray) -> Bool[ndarray, "h w"]:
    out = np.zeros_like(mask)
    rows, columns = np.nonzero(mask)
    rows, columns = rows + by[0], columns + by[1]
    inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    out[rows[inside], columns[inside]] = True
    return out
