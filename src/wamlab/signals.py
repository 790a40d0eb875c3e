"""Signals that a model reads beside main camera, proprioception and actions: by name, at steps from a chunk's start, and with
what is known of them.

    "frames/CAMERA"     uint8 [B, S, C, h, w]: a further camera
    "modalities/NAME"   float32 [B, S, ...]: what else was measured, in its own units
    "state"             float32 [B, S, P]: proprioception that lies ahead

A name is that of the array in an episode's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from .errors import SpecError

FRAMES, MODALITIES, STATE = "frames/", "modalities/", "state"


@dataclass(frozen=True, eq=False)
class Signal:
    """One signal in B situations."""

    values: Shaped[Tensor, "B S ..."]
    """zeros where it is unknown"""
    known: Bool[Tensor, "B S"]
    """False where it was not measured, and beyond the episode's end"""
    steps: tuple[int, ...]
    """S steps from the chunk's start, ascending: 0 is now, what lies ahead is above"""

    def to(self, device: torch.device) -> Signal:
        return Signal(self.values.to(device), self.known.to(device), self.steps)

    def at(self, steps: Iterable[int]) -> Signal:
        """The same at fewer steps."""
        steps = tuple(steps)
        places = [self.steps.index(step) for step in steps]
        return Signal(self.values[:, places], self.known[:, places], steps)

    def repeated(self, times: int) -> Signal:
        """A single situation's, so many times."""
        return Signal(self.values.expand(times, *self.values.shape[1:]), self.known.expand(times, -1), self.steps)

    def after(self, step: int) -> Signal | None:
        """The part that lies ahead of a step; None if nothing does."""
        later = [one for one in self.steps if one > step]
        return self.at(later) if later else None

    def followed(self, value: Shaped[Tensor, "B 1 ..."]) -> Signal:
        """The same a moment later: the oldest is dropped, and what follows is this value (pictures in [0, 1])."""
        if self.values.dtype == torch.uint8:
            value = (value.clamp(0, 1) * 255).round()
        values = torch.cat([self.values[:, 1:], value.to(self.values.dtype)], 1)
        return Signal(values, torch.cat([self.known[:, 1:], torch.ones_like(self.known[:, :1])], 1), self.steps)

    def unknown(self) -> Signal:
        """The same, not known anywhere."""
        return Signal(torch.zeros_like(self.values), torch.zeros_like(self.known), self.steps)


def joined(first: Signal | None, second: Signal | None) -> Signal:
    """One signal of two parts of time, the earlier first. Raises SpecError if there is neither."""
    parts = [part for part in (first, second) if part is not None]
    if not parts:
        raise SpecError("a signal is not there", where="signals", expected="a signal", got="none")
    if len(parts) == 1:
        return parts[0]
    return Signal(torch.cat([part.values for part in parts], 1), torch.cat([part.known for part in parts], 1),
                  tuple(step for part in parts for step in part.steps))


def stacked(several: Sequence[Signal]) -> Signal:
    """One signal of several sets of situations, at the same steps."""
    return Signal(torch.cat([one.values for one in several]), torch.cat([one.known for one in several]), several[0].steps)


@dataclass(frozen=True)
class Need:
    """What a model needs of one signal."""

    steps: tuple[int, ...]
    """steps from the chunk's start, ascending"""
    streams: tuple[str, ...] = ()
    """who needs it"""
    shape: tuple[int, ...] | None = None
    """numbers per step; None: as the task's pictures or proprioception"""

    @property
    def where(self) -> str:
        """Words for an error."""
        return f"stream {', '.join(self.streams)}" if self.streams else "the model"


def collected(told: Iterable[tuple[str, Mapping[str, Need]]]) -> dict[str, Need]:
    """What all streams need together.

    Args:
        told: streams, and what each needs.

    Raises:
        SpecError: if two streams take the same signal to be of different shapes.
    """
    found: dict[str, Need] = {}
    for stream, needs in told:
        for name, need in needs.items():
            old = found.get(name, Need((), (), need.shape))
            if old.shape != need.shape:
                raise SpecError(f"two streams take {name} to be of different shapes", where=f"stream {stream}",
                                expected=f"{old.shape}, as stream {', '.join(old.streams)} does", got=need.shape,
                                fix="give both the shape that the data has (wam show DATASET)")
            found[name] = Need(tuple(sorted({*old.steps, *need.steps})), (*old.streams, stream), need.shape)
    return found


def kind_of(name: str) -> str:
    """A signal's name in words."""
    if name.startswith(FRAMES):
        return f"camera {name.removeprefix(FRAMES)!r}"
    return f"sense {name.removeprefix(MODALITIES)!r}" if name.startswith(MODALITIES) else name
