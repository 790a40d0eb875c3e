"""What latent labels say of themselves: how many codes are in use, and how much they explain, beside controls."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from ...data.transforms import stands_still
from ..codebook import perplexity
from ..latent_training import LatentActions
from ..pairs import Pairs
from .measures import told_by

MOST = 1000
"""pairs that are asked, equally spaced"""
STILL = (0.5 / 255) ** 2
"""mean squared change of a number of the pictures, in [0, 1], below which nothing moves"""
LEAST = 0.02
"""share of the change that labels have to explain beyond exchanged ones"""
COLLAPSED = 1.5
"""codes in use (perplexity) below which there is one label for everything"""


def latent_report(latent: LatentActions, pairs: Pairs, seed: int = 0) -> dict[str, Any]:
    """Measures as JSON values by name, as they are kept with the store; "warning" is there if the labels say nothing.

    Unexplained is the error of the second frame that a label makes of the first one, in shares of the change between them: 0 is
    exact, 1 is copying the first frame. Exchanged labels are those of other pairs, one label is the commonest or mean one.

    Args:
        pairs: those that are labelled. Actions that are known of them are held-out truth: labels have not learned from them.
    """
    asked = pairs.rows(np.unique(np.linspace(0, len(pairs) - 1, MOST).round().astype(int)))
    codes, values = latent.codes(pairs), latent.of(asked)
    found: dict[str, Any] = {}
    if codes is None:
        found["numbers in use"] = f"{int((~stands_still(values)).sum())} of {latent.width}"
        one = values.mean(0)
    else:
        used, counts = np.unique(codes, return_counts=True)
        found |= {"codes in use": f"{len(used)} of {latent.names}", "perplexity": round(perplexity(codes), 3)}
        one = latent.of(pairs.rows(np.flatnonzero(codes == used[counts.argmax()])[:1]))[0]
    order = np.random.default_rng([seed, 21]).permutation(len(asked))
    errors = [unexplained(latent, asked, made) for made in (values, values[order], np.broadcast_to(one, values.shape))]
    names = ("unexplained", "unexplained with exchanged labels", "unexplained with one label")
    for name, error in zip(names, errors, strict=True):
        found[name] = None if error is None else round(error, 4)
    found |= truth(asked, values, order)
    if why := _empty(found, errors, None if codes is None else perplexity(codes)):
        found["warning"] = why
    return found


def unexplained(latent: LatentActions, pairs: Pairs, values: Float[ndarray, "M D"]) -> float | None:
    """The error of the second frames; None where nothing moves."""
    change = error = 0.0
    for start in range(0, len(pairs), 256):
        rows = np.arange(start, min(start + 256, len(pairs)))
        before, after = (frames.numpy() for frames in pairs.pictures(rows))
        made = latent.imagine(pairs.frames[pairs.before[rows]], np.ascontiguousarray(values[rows]))
        change, error = change + float(((after - before) ** 2).sum()), error + float(((made - after) ** 2).sum())
    return error / change if change > STILL * len(pairs) * pairs.frames[0].size else None


def truth(pairs: Pairs, values: Float[ndarray, "M D"], order: Int64[ndarray, "M"]) -> dict[str, Any]:
    """Share of the true actions' variance that labels tell on other episodes than were fitted to, beside exchanged ones."""
    known = np.flatnonzero(pairs.known)
    names = np.unique(pairs.episode[known])
    action = np.nan_to_num(pairs.action)
    moving = ~stands_still(action[known])
    if len(names) < 4 or not moving.any():
        return {}
    fitted, asked = (known[np.isin(pairs.episode[known], part)] for part in (names[::2], names[1::2]))
    true = action[:, moving].astype(np.float64)
    spread = ((true[asked] - true[fitted].mean(0)) ** 2).sum(0)
    told = {}
    for name, labels in (("true actions told", values), ("true actions told by exchanged labels", values[order])):
        error = ((told_by(labels.astype(np.float64), true, fitted, asked) - true[asked]) ** 2).sum(0)
        told[name] = round(float((1 - error / spread).mean()), 4)
    return told


def _empty(found: dict[str, Any], errors: list[float | None], used: float | None) -> str:
    """Why the labels say nothing; empty if they say something."""
    own, exchanged, _ = errors
    if own is None or exchanged is None:
        return "nothing moves in these pictures: the labels say nothing"
    if used is not None and used < COLLAPSED:
        return f"the codes have collapsed ({found['codes in use']} in use, perplexity {used:.2f}): the labels say nothing"
    if exchanged - own < LEAST:
        return "exchanged labels explain the pictures as well: the labels say nothing"
    return ""
