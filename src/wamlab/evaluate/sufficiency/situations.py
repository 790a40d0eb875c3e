"""How many situations are there, whatever number of lines tells of them?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..metric import Evidence, positions
from ..metric import entities as of_group
from ..metrics.causal import centred
from ..statistics import MANY

LEAST, PLENTY = 10, 100
"""situations that differ, at least; and so many that more lines than these may be alike"""
SHARE = 0.5
"""of the contexts, at least, that must count as situations of their own, unless there are plenty"""
LEAST_ENERGY = {"robot": 8.0, "object": 4.0}
"""contexts that share the true effects of a group, at least: their effective number"""


def situations(evidence: Evidence) -> Iterator[str]:
    """Copies with some jitter, or moved elsewhere as a whole, are one situation."""
    effects = evidence.effects
    assert effects is not None
    chosen = [e for group in ("robot", "object") for e in of_group(evidence.spec, group, effects.real)]
    if not chosen:
        return
    count = len(effects.strata)
    starts = np.concatenate([effects.start[e.name][:, :positions(e)] / e.tolerance for e in chosen], -1)
    moves = np.concatenate([((effects.real[e.name] - effects.start[e.name][:, None, None])[..., :positions(e)]
                             / e.tolerance).reshape(count, -1) for e in chosen], -1)
    number = effective(starts, moves / np.sqrt(moves.shape[1]))
    if number < max(LEAST, min(SHARE * count, PLENTY)):
        yield (f"{count} contexts are {number:.1f} situations that differ by more than the tolerances, fewer than {LEAST}"
               + (f" or than {min(SHARE * count, PLENTY):g}" if SHARE * count > LEAST else ""))


def effective(starts: Float[ndarray, "C S"], moves: Float[ndarray, "C M"]) -> float:
    """The effective number of differing rows: 1 over the mean likeness of two of them, drawn with replacement (Leinster and
    Cobbold, Ecology 93 (2012), order 2). Alike: where they start, or all that truly happens from there, differs by less than
    about a tolerance. Of many contexts a random part is compared."""
    count = len(starts)
    picked = np.random.default_rng(count).permutation(count)[:MANY]
    alike = np.maximum(*(_kernel(values[picked]) for values in (starts, moves)))
    drawn = len(picked)
    if drawn < 2:
        return float(count)
    between = float((alike.sum() - np.trace(alike)) / (drawn * (drawn - 1)))
    return count / (1 + (count - 1) * between)


def _kernel(values: Float[ndarray, "C W"]) -> Float[ndarray, "C C"]:
    values = values - values.mean(0)
    squares = (values**2).sum(1)
    return np.exp(-np.maximum(squares[:, None] + squares[None] - 2 * values @ values.T, 0) / 2)


def energies(evidence: Evidence) -> Iterator[str]:
    """Effects are summed over contexts: a few that are far larger than the others would decide alone."""
    effects = evidence.effects
    assert effects is not None
    for group, least in LEAST_ENERGY.items():
        for entity in of_group(evidence.spec, group, effects.real):
            energy = (centred(effects.real[entity.name])[..., :positions(entity)]**2).sum((1, 2, 3))
            number = float(energy.sum()**2 / max((energy**2).sum(), 1e-300))
            if 0 < number < least:
                yield f"the effects on {entity.name} come from {number:.1f} contexts, in effect, fewer than {least:g}"
