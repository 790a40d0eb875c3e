"""The records that flow through the system. Every shape and unit is said here once.

Letters in shapes: T control steps, B batch, H history frames, F future frames, K actions in a chunk,
C image channels (3), h w pixels, P proprioception width, A action width.

Alignment: `action[t]` leaves `observation[t]` and leads to `observation[t + 1]`, so an episode with T
actions has T + 1 observations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64, Shaped, UInt8
from numpy import ndarray
from torch import Tensor

from .errors import DataError
from .pictures import as_image  # noqa: F401
from .queries import IMAGINE_AND_ACT, INVERSE_DYNAMICS, POLICY, QUERIES, VIDEO, WORLD_MODEL, Query, Role, query  # noqa: F401
from .signals import Need, Signal  # noqa: F401


@dataclass(frozen=True, eq=False)
class Context:
    """What a model sees before it answers; a batch of B independent situations."""

    frames: UInt8[Tensor, "B H C h w"]
    """main camera, oldest first, the last one is now; 0..255"""
    state: Float32[Tensor, "B H P"]
    """proprioception in the units of the TaskSpec"""
    instruction: tuple[str, ...]
    """B sentences"""
    has_state: Bool[Tensor, "B"] | None = None
    """False where proprioception is unknown, as in a video; None: it is known throughout"""
    signals: Mapping[str, Signal] = field(default_factory=dict)
    """what else the model needs of what was seen, now and before: see `wamlab.signals`"""

    def __len__(self) -> int:
        return len(self.instruction)

    @property
    def known(self) -> Bool[Tensor, "B"]:
        """Whether proprioception is known."""
        return torch.ones(len(self), dtype=torch.bool, device=self.state.device) if self.has_state is None else self.has_state

    def to(self, device: torch.device) -> Context:
        known = None if self.has_state is None else self.has_state.to(device)
        signals = {name: signal.to(device) for name, signal in self.signals.items()}
        return Context(self.frames.to(device), self.state.to(device), self.instruction, known, signals)

    def repeated(self, times: int) -> Context:
        """A single situation, so many times."""
        known = None if self.has_state is None else self.has_state.expand(times)
        return Context(self.frames.expand(times, -1, -1, -1, -1), self.state.expand(times, -1, -1), self.instruction * times,
                       known, {name: signal.repeated(times) for name, signal in self.signals.items()})


@dataclass(frozen=True, eq=False)
class Given:
    """What the asker fixes. None: not given."""

    future: Float[Tensor, "B F C h w"] | None = None
    """frames at the model's future offsets, in [0, 1]"""
    action: Float[Tensor, "B K A"] | None = None
    """a chunk of actions in physical units"""
    others: Mapping[str, Tensor] = field(default_factory=dict)
    """further streams of the model by name, in physical units"""

    @property
    def named(self) -> dict[str, Tensor]:
        """All that is given, by name."""
        main = {"future": self.future, "action": self.action}
        return {name: value for name, value in main.items() if value is not None} | dict(self.others)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model answered. None: not sought, or not answerable."""

    future: Float[Tensor, "B F C h w"] | None = None
    """imagined frames at the model's future offsets, in [0, 1]"""
    action: Float[Tensor, "B K A"] | None = None
    """actions in physical units, normalisation undone"""
    timings: Mapping[str, float] = field(default_factory=dict)
    """seconds per stage of the answer (encode, sample, decode)"""
    others: Mapping[str, Tensor] = field(default_factory=dict)
    """further streams of the model that were sought, by name, in physical units"""


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows cut from episodes, as training reads them. Physical units; nothing crosses an episode."""

    context: Context
    future: UInt8[Tensor, "B F C h w"]
    """true frames at the window's future offsets; where `future_mask` is False, the episode's last frame"""
    future_mask: Bool[Tensor, "B F"]
    action: Float32[Tensor, "B K A"]
    action_mask: Bool[Tensor, "B K"]
    """False beyond the episode's end, and throughout a window some of whose actions are unknown"""
    imitate: Bool[Tensor, "B"]
    """True where the actions are an expert's undisturbed ones; others teach dynamics only"""
    frame_index: Int64[Tensor, "B H_plus_F"]
    """position of each context and future frame in the dataset's frame cache, to look up cached latents"""
    future_state: Float32[Tensor, "B F P"] | None = None
    """proprioception at the future offsets; it means something where `future_mask` and `context.known`"""
    to_success: Float32[Tensor, "B"] | None = None
    """steps from the chunk's end to the first success, at least 0; inf: none is on record; NaN: nobody said"""
    signals: Mapping[str, Signal] = field(default_factory=dict)
    """what else the model needs of what lies ahead"""
    later: tuple[Batch, ...] = ()
    """the chunks that follow, each as a batch of its own: its start is the end of the one before"""

    def chunks(self) -> tuple[Batch, ...]:
        """This chunk and those that follow."""
        return self, *self.later

    def __len__(self) -> int:
        return len(self.context)

    @property
    def has_action(self) -> Bool[Tensor, "B"]:
        """Whether the window's actions are known. Those of the others mean nothing."""
        return self.action_mask[:, 0]

    def to(self, device: torch.device) -> Batch:
        parts = vars(self).items()
        moved: dict[str, Any] = {name: value.to(device) for name, value in parts if isinstance(value, Tensor | Context)}
        signals = {name: signal.to(device) for name, signal in self.signals.items()}
        return replace(self, **moved, signals=signals, later=tuple(part.to(device) for part in self.later))


@dataclass(frozen=True, eq=False)
class Imagined:
    """A prediction kept with the episode during which it was made."""

    step: int
    """the control step at whose observation the prediction was made"""
    action: Float32[ndarray, "K A"]
    """the whole predicted chunk in physical units; how much of it was executed follows from the next prediction's step"""
    offsets: tuple[int, ...] = ()
    """steps ahead of `step` that `frames` show"""
    frames: UInt8[ndarray, "F h w C"] | None = None
    """imagined frames, or None when the model did not imagine"""
    seconds: float = 0.0
    """wall time that the decision took"""


@dataclass(frozen=True, eq=False)
class Episode:
    """One immutable record: a demonstration, a rollout, a dream. Arrays are made read-only.

    Raises:
        DataError: naming the field, if lengths disagree or a number is not finite.
    """

    task: str
    instruction: str
    """what is to be done, from the first observation on"""
    frames: Mapping[str, UInt8[ndarray, "T1 h w C"]]
    """per camera, T + 1 images, 0..255"""
    state: Float32[ndarray, "T1 P"]
    action: Float32[ndarray, "T A"]
    success: Bool[ndarray, "T1"]
    """whether the task's condition holds at each observation"""
    truth: Mapping[str, Float64[ndarray, "T1 D"]] = field(default_factory=dict)
    """privileged state per entity, in the units of the TaskSpec"""
    imitate: Bool[ndarray, "T"] | None = None
    """per action: an expert's own choice (True) or a disturbance (False); None means all True"""
    has_action: Bool[ndarray, "T"] | None = None
    """per action: False where it is unknown, as in a video; it is stored as 0 there and never imitated. None means all True"""
    has_state: bool = True
    """False where proprioception is unknown, as in a video; it is stored as 0 then"""
    imagined: tuple[Imagined, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    """provenance as JSON values: source, seed, renderer, code version, anything else"""
    modalities: Mapping[str, Shaped[ndarray, "T1 ..."]] = field(default_factory=dict)
    """what else was measured at each observation (depth, segmentation, contacts, poses); most episodes have none. What the
    numbers mean stands in `meta["modalities"]`"""
    later: tuple[tuple[int, str], ...] = ()
    """instructions that follow the first: (the observation from which on each holds, 1..T, ascending; the sentence)"""

    def __post_init__(self) -> None:
        steps = len(self.action)
        imitate = np.ones(steps, bool) if self.imitate is None else self.imitate
        known = np.ones(steps, bool) if self.has_action is None else self.has_action
        lengths = {"state": (self.state, steps + 1), "success": (self.success, steps + 1), "imitate": (imitate, steps),
                   "has_action": (known, steps)}
        lengths |= {f"frames/{name}": (value, steps + 1) for name, value in self.frames.items()}
        lengths |= {f"truth/{name}": (value, steps + 1) for name, value in self.truth.items()}
        lengths |= {f"modalities/{name}": (value, steps + 1) for name, value in self.modalities.items()}
        for name, (value, wanted) in lengths.items():
            if len(value) != wanted:
                raise DataError(f"{name} has the wrong length", where=f"{self.task}, field {name}",
                                expected=f"{wanted} ({steps} actions)", got=len(value),
                                fix="an episode with T actions needs T + 1 observations")
        numbers = {"state": self.state, "action": self.action} | {f"truth/{k}": v for k, v in self.truth.items()}
        numbers |= {f"modalities/{k}": v for k, v in self.modalities.items()}
        for name, value in numbers.items():
            if not np.isfinite(value).all():
                bad = int(np.argwhere(~np.isfinite(value))[0, 0])
                raise DataError(f"{name} is not finite at step {bad}", where=f"{self.task}, field {name}",
                                expected="finite numbers", got=value[bad], fix="leave the episode out, or repair its source")
        for name, value in self.frames.items():
            if value.dtype != np.uint8 or value.ndim != 4 or value.shape[-1] != 3:
                raise DataError(f"camera {name} is not an image sequence", where=f"{self.task}, frames/{name}",
                                expected="uint8 [T+1, height, width, 3]", got=f"{value.dtype} {value.shape}")
        starts = [start for start, _ in self.later]
        if starts != sorted(set(starts)) or not all(1 <= start <= steps for start in starts):
            raise DataError("the instructions are out of order", where=f"{self.task}, field later", got=starts,
                            expected=f"ascending observations from 1 to {steps}")
        imitated = imitate & known
        object.__setattr__(self, "imitate", imitated)
        object.__setattr__(self, "has_action", known)
        for value in [self.action, imitated, *(v for v, _ in lengths.values())]:
            value.flags.writeable = False

    def __len__(self) -> int:
        """Number of actions T."""
        return len(self.action)

    @property
    def instructions(self) -> tuple[tuple[int, str], ...]:
        """Every instruction and the observation from which on it holds; the first from 0 on."""
        return (0, self.instruction), *self.later

    def instruction_at(self, step: int) -> str:
        """What is to be done at an observation."""
        return next((text for start, text in reversed(self.later) if start <= step), self.instruction)

    @property
    def complete(self) -> bool:
        """True if every action and the proprioception are known; False for a video."""
        return self.has_state and bool(np.all(self.has_action))

    @property
    def outcome_known(self) -> bool:
        """False if nobody said whether the task was solved, as in video: `success` means nothing then."""
        return self.meta.get("success") != "unknown"

    @property
    def solved(self) -> bool:
        """True if the task's condition held at any observation after the first."""
        return bool(self.success[1:].any())
