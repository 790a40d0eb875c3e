"""The four measures of Physics-IQ (Motamed et al., arXiv 2501.09038) from their formulas, with two takes of the real thing.

Masks of motion: grey, 5x5 binomial blur, running average with weight .3, difference above 10, opened and closed 5x5. With
masks m_t of the model and r_t of the first take, and bars for means over time: spatial IoU(any m, any r); mean over t of
IoU(m_t, r_t); sum min(m-, r-) / sum max(m-, r-); squared error of pixels in [0, 1]. Each IoU is divided by the one between
the two takes, so what reality itself does not repeat is not asked for. Here masks are made and compared at the frames' own
size (the benchmark makes them at full size and compares at a quarter).

Known weaknesses, kept because the score is theirs: two empty masks agree fully, so a frozen video wins where little
moves; flicker counts as motion; a ratio above 1 is possible before the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage

from ....errors import DataError

WEIGHT, THRESHOLD, SIZE = 0.3, 10, 5
_BLUR = np.array([1, 4, 6, 4, 1]) / 16
_GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Measures:
    """One video against another."""

    spatial: float
    """IoU of where anything moves at any time"""
    spatiotemporal: float
    """mean IoU per frame"""
    weighted: float
    """overlap of how long each place moves"""
    mse: float
    """of pixels in [0, 1]"""


def motion_masks(video: UInt8[ndarray, "T h w 3"], size: int = SIZE) -> Bool[ndarray, "T h w"]:
    """Where something moves; nothing moves in the first frame.

    Args:
        size: side of the square that masks are opened and closed with (0: neither). 5 removes what is smaller than 5
            pixels: take less for small frames, and say so.
    """
    grey = np.round(video @ _GREY)
    for axis in (1, 2):
        grey = ndimage.correlate1d(grey, _BLUR, axis=axis, mode="mirror")
    grey = np.round(grey)
    masks, average = np.zeros(grey.shape, bool), grey[:1].sum(0)
    square = np.ones((max(size, 1),) * 2, bool)
    for t in range(1, len(grey)):
        average = (1 - WEIGHT) * average + WEIGHT * grey[t]
        mask = np.abs(grey[t] - np.round(average)) > THRESHOLD
        for grow in (False, True, True, False) if size else ():  # opened, then closed
            mask = (ndimage.binary_dilation(mask, square) if grow else ndimage.binary_erosion(mask, square, border_value=1))
        masks[t] = mask
    return masks


def overlap(one: Bool[ndarray, "*batch h w"], two: Bool[ndarray, "*batch h w"]) -> Float[ndarray, "*batch"]:
    """Intersection over union; 1 where both are empty."""
    both, either = (one & two).sum((-2, -1)), (one | two).sum((-2, -1))
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


def measures(video: UInt8[ndarray, "T h w 3"], other: UInt8[ndarray, "_ _ _ 3"], size: int = SIZE) -> Measures:
    """Compare two videos of the same length and size.

    Raises:
        DataError: if they have different shapes, or no frames.
    """
    if video.shape != other.shape or not len(video):
        raise DataError("two videos cannot be compared", where="physics_iq", expected=other.shape, got=video.shape,
                        fix="give as many frames of the same size")
    a, b = motion_masks(video, size), motion_masks(other, size)
    low, high = np.minimum(a.mean(0), b.mean(0)).sum(), np.maximum(a.mean(0), b.mean(0)).sum()
    mse = (((video.astype(np.float64) - other) / 255) ** 2).mean()
    ever = overlap(np.asarray(a.any(0)), np.asarray(b.any(0)))
    return Measures(float(ever), float(overlap(a, b).mean()), float(low / high) if high else 1.0, float(mse))


def score(model: UInt8[ndarray, "_ _ _ 3"], first: UInt8[ndarray, "_ _ _ 3"], second: UInt8[ndarray, "_ _ _ 3"],
          size: int = SIZE) -> float:
    """Physics-IQ of one scenario, 0 to 100: 100 clip(mean of the three IoU ratios - (MSE - MSE of the takes), 0, 1).

    Args:
        first, second: two takes of the real event; only the first is the reference.
    """
    return normalised(measures(model, first, size), measures(second, first, size))


def normalised(ours: Measures, takes: Measures) -> float:
    """The score from measures of the model and of the second take, both against the first."""
    pairs = ((ours.spatial, takes.spatial), (ours.spatiotemporal, takes.spatiotemporal), (ours.weighted, takes.weighted))
    ratios = [one / real if real else float(one > 0) for one, real in pairs]
    return float(100 * np.clip(np.mean(ratios) - (ours.mse - takes.mse), 0, 1))
