"""What the numbers mean: spaces, units and conventions, carried with every dataset and checkpoint.

Axes and ranges are part of the data. A simulator produces a `TaskSpec`, a dataset stores it, a model is
built for one, and `check` refuses a pair that disagree.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

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


def to_json(spec: TaskSpec) -> dict[str, Any]:
    """The spec as JSON values; `from_json` gives the same spec back."""
    return asdict(spec)


def from_json(value: Any) -> TaskSpec:
    """A spec from JSON values.

    Raises:
        SpecError: naming the field that is missing or of the wrong kind.
    """
    root = _Reader("task_spec", value)
    action, size = _Reader("task_spec.action", root.get("action", dict)), root.numbers("image_size")
    names, units = action.words("names"), action.words("units")
    low, high = action.numbers("low"), action.numbers("high")
    if not len(names) == len(low) == len(high) == len(units):
        raise SpecError("the action's names, limits and units differ in number", where="task_spec.action",
                        expected=f"{len(names)} of each", got=f"low {len(low)}, high {len(high)}, units {len(units)}")
    if len(size) != 2 or min(size) < 1:
        raise SpecError("image_size is no size", where="task_spec.image_size", expected="height, width", got=size)
    cameras = root.words("cameras")
    if not cameras:
        raise SpecError("a task needs a camera", where="task_spec.cameras", expected="at least one name", got="none")
    entities = []
    for number, item in enumerate(root.get("entities", (list, tuple))):
        entity = _Reader(f"task_spec.entities[{number}]", item)
        entities.append(EntitySpec(entity.get("name", str), entity.choice("group", get_args(Group)), entity.words("channels"),
                                   entity.words("units"), entity.number("tolerance")))
    return TaskSpec(
        task=root.get("task", str), instruction=root.get("instruction", str), cameras=cameras,
        image_size=(int(size[0]), int(size[1])), state=root.words("state"),
        action=ActionSpec(names, low, high, units, action.choice("kind", get_args(ActionKind))), entities=tuple(entities),
        control_hz=root.number("control_hz"), max_steps=int(root.number("max_steps")),
        goal_visible=root.get("goal_visible", str))


@dataclass(frozen=True)
class _Reader:
    """A JSON table whose fields are read with their kind checked."""

    where: str
    table: Any

    def get(self, name: str, kind: type | tuple[type, ...]) -> Any:
        value = self.table.get(name) if isinstance(self.table, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            wanted = kind.__name__ if isinstance(kind, type) else "number"
            raise SpecError(f"{name} is missing or of the wrong kind", where=f"{self.where}.{name}", expected=wanted, got=value)
        return value

    def number(self, name: str) -> float:
        return float(self.get(name, (int, float)))

    def numbers(self, name: str) -> tuple[float, ...]:
        return tuple(_Reader(f"{self.where}.{name}", {str(i): v}).number(str(i))
                     for i, v in enumerate(self.get(name, (list, tuple))))

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(_Reader(f"{self.where}.{name}", {str(i): v}).get(str(i), str)
                     for i, v in enumerate(self.get(name, (list, tuple))))

    def choice(self, name: str, options: tuple[Any, ...]) -> Any:
        value = self.get(name, str)
        if value not in options:
            raise SpecError(f"{name} is none of the options", where=f"{self.where}.{name}",
                            expected=", ".join(options), got=value)
        return value
