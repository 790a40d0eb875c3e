"""The check between a model and a motor: what a simulator or robot is handed has passed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..errors import SpecError
from ..fields import LARGEST
from ..spec import ActionSpec

Kind = Literal["pass", "clamp", "reject"]
KINDS: tuple[Kind, ...] = ("pass", "clamp", "reject")
REASONS = ("not finite", "too large")


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the gate made of one action."""

    action: Float32[ndarray, "A"] | None
    """the action to execute, finite and within the limits; None when it was rejected"""
    kind: Kind
    reason: str = ""
    """in words, for a clamp or a rejection"""


class Gate:
    """Lets an action pass, clamps it to the limits, or rejects it, and counts.

    pass: finite and within the limits. clamp: beyond a limit by at most `margin` of the channel's range, as a
    regression overshoots; moved to the limit. reject: not finite, or further out ("too large"): such a number is no
    small overshoot, and its direction cannot be trusted either. What it hands on is finite and within finite limits, whatever
    it was built with: it trusts no spec to have been checked.

    Args:
        spec: the limits, per channel.
        margin: tolerated excess as a share of the channel's range, finite and >= 0.

    Raises:
        SpecError: for limits that are not finite, reversed or not one per channel, or such a margin.
    """

    def __init__(self, spec: ActionSpec, margin: float = 0.5):
        if not 0 <= margin < np.inf:
            raise SpecError("the gate's margin cannot be used", where="margin", expected="finite and >= 0", got=margin)
        self.spec, self.margin = spec, margin
        low, high = np.array(spec.low, np.float64), np.array(spec.high, np.float64)
        if not low.shape == high.shape == (spec.width,) or not ((low >= -LARGEST) & (low <= high) & (high <= LARGEST)).all():
            raise SpecError("the gate cannot be built from these limits", where="ActionSpec.low, ActionSpec.high",
                            expected=f"{spec.width} finite pairs, low <= high", got=f"{spec.low}, {spec.high}",
                            fix="give the largest value that is ever wanted as a limit")
        self._exact_low, self._exact_high = low, high
        self._low, self._high = inward(low, +1), inward(high, -1)
        with np.errstate(over="ignore"):
            self._slack = margin * (high - low)
        self._counts: Counter[str] = Counter()

    def check(self, action: ndarray) -> Verdict:
        """Judge one action [A] in the units of the spec.

        Raises:
            SpecError: for an action of the wrong width, or of no numbers: a mistake in the program, not a bad answer.
        """
        if not isinstance(action, np.ndarray) or action.shape != (self.spec.width,) or action.dtype.kind not in "fiu":
            raise SpecError("the action has the wrong width", where="action",
                            expected=f"{self.spec.width} numbers: {', '.join(self.spec.names)}",
                            got=f"{np.asarray(action).dtype} {np.shape(action)}",
                            fix="use a model that was trained for this task's actions")
        with np.errstate(over="ignore"):  # what is too large for double precision is not finite
            verdict = self._judge(action.astype(np.float64))
        self._counts[verdict.kind] += 1
        if verdict.kind == "reject":
            self._counts[REASONS[0] if "not finite" in verdict.reason else REASONS[1]] += 1
        return verdict

    def _judge(self, action: ndarray) -> Verdict:
        if not np.isfinite(action).all():
            return Verdict(None, "reject", f"{self._name(~np.isfinite(action))} is not finite")
        excess = np.maximum(self._exact_low - action, action - self._exact_high)
        if (excess > self._slack).any():
            return Verdict(None, "reject", f"{self._name(excess > self._slack)} is too large")
        safe = self.clip(action)
        if not ((safe >= self._exact_low) & (safe <= self._exact_high)).all():  # also for what is no number
            return Verdict(None, "reject", f"{self._name(~((safe >= self._exact_low) & (safe <= self._exact_high)))} "
                           "is too large: its limits have no single-precision number between them")
        if (excess > 0).any():
            return Verdict(safe, "clamp", f"{self._name(excess > 0)} is beyond its limit")
        return Verdict(safe, "pass")

    def clip(self, action: ndarray) -> Float32[ndarray, "A"]:
        """A finite action moved to within the limits."""
        return np.clip(action.astype(np.float32), self._low, self._high)

    def _name(self, bad: ndarray) -> str:
        return ", ".join(self.spec.names[i] for i in np.flatnonzero(bad))

    @property
    def counts(self) -> Mapping[str, int]:
        """How many actions since the last reset passed, were clamped and rejected, and the rejections by reason."""
        return {name: self._counts[name] for name in (*KINDS, *REASONS)}

    def reset(self) -> None:
        """Start counting anew."""
        self._counts.clear()


def inward(limit: ndarray, direction: int) -> Float32[ndarray, "A"]:
    """A limit as float32, never outside the exact one: 0.1 rounds to just above 0.1."""
    rounded = limit.astype(np.float32)
    outside = (rounded.astype(np.float64) - limit) * direction < 0
    return np.where(outside, np.nextafter(rounded, np.float32(direction * np.inf)), rounded).astype(np.float32)
