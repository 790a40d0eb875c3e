"""What the numbers mean: spaces, units and conventions, carried with every dataset and checkpoint.

Axes and ranges are part of the data. A simulator produces a `TaskSpec`, a dataset stores it, a model is
built for one, and `check` refuses a pair that disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from .errors import SpecError

Group = Literal["robot", "object", "articulation", "bystander", "goal"]
ActionKind = Literal["delta", "relative", "absolute"]


@dataclass(frozen=True)
class ActionSpec:
    """The meaning of one action vector."""

    names: tuple[str, ...]
    """one name per channel"""
    low: tuple[float, ...]
    """smallest legal value per channel, in `units`"""
    high: tuple[float, ...]
    """largest legal value per channel, in `units`"""
    units: tuple[str, ...]
    """unit per channel, for example "cm/step" """
    kind: ActionKind = "delta"
    """delta: per-step change; relative: to the state at the chunk's start; absolute: target value"""

    @property
    def width(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class EntitySpec:
    """One thing whose true state the simulator reports."""

    name: str
    group: Group
    channels: tuple[str, ...]
    """one name per number reported, for example ("x", "y", "z")"""
    units: tuple[str, ...]
    tolerance: float
    """smallest change that matters physically, in the unit of the first channel (a floor for scales, not a precision)"""


@dataclass(frozen=True)
class TaskSpec:
    """Everything a consumer must know about the numbers that one task produces."""

    task: str
    """name such as "metaworld/push" or "pushworld" """
    instruction: str
    cameras: tuple[str, ...]
    """names of the cameras in each observation; the first is the main one"""
    image_size: tuple[int, int]
    """height, width in pixels of every camera"""
    state: tuple[str, ...]
    """proprioception: one name (with unit) per channel; never privileged"""
    action: ActionSpec
    entities: tuple[EntitySpec, ...]
    control_hz: float
    """actions per second of simulated time"""
    max_steps: int
    """control steps after which an episode is cut"""
    goal_visible: str = ""
    """how the policy can know the goal: "in the frames", "in the state" or "fixed" """

    def entity(self, name: str) -> EntitySpec:
        """Raises SpecError for a name that is not there."""
        for entity in self.entities:
            if entity.name == name:
                return entity
        raise SpecError(f"no entity {name!r}", where=self.task, expected=[e.name for e in self.entities], got=name)

    def of_group(self, *groups: Group) -> tuple[EntitySpec, ...]:
        return tuple(entity for entity in self.entities if entity.group in groups)


def check(producer: TaskSpec, consumer: TaskSpec,
          ignore: tuple[str, ...] = ("task", "instruction", "entities", "max_steps", "goal_visible")) -> None:
    """Refuse data whose numbers mean something else than the consumer was built for.

    Raises:
        SpecError: naming the first field that differs.
    """
    for field in fields(TaskSpec):
        if field.name in ignore:
            continue
        made, wanted = getattr(producer, field.name), getattr(consumer, field.name)
        if made != wanted:
            raise SpecError(
                f"{producer.task} and {consumer.task} disagree on {field.name}",
                where=field.name, expected=wanted, got=made,
                fix="collect or convert the data with the settings the model was trained on",
            )
