"""What the numbers mean: spaces, units and conventions, carried with every dataset and checkpoint.

Axes and ranges are part of the data. A simulator produces a `TaskSpec`, a dataset stores it, a model is
built for one, and `check` refuses a pair that disagree. A spec with a number that means nothing cannot be made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from .errors import SpecError
from .fields import LARGEST, choice, listed, names_of, number, units_of, whole
from .reading import PIXELS

STEPS = 2**53
"""control steps that no episode has"""
Group = Literal["robot", "object", "articulation", "bystander", "goal"]
ActionKind = Literal["delta", "relative", "absolute"]


@dataclass(frozen=True)
class ActionSpec:
    """The meaning of one action vector.

    Raises:
        SpecError: unless there is one name (each once), unit and pair of limits per channel, finite and low <= high. What has
            no limit by its nature is given the largest value that is ever wanted: the gate in front of a motor needs one.
    """

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

    def __post_init__(self) -> None:
        names_of("ActionSpec.names", self.names)
        units_of("ActionSpec.units", self.units, len(self.names))
        limit = "give the largest value that is ever wanted as a limit"
        for field in ("low", "high"):
            values = listed(f"ActionSpec.{field}", getattr(self, field))
            if len(values) != len(self.names):
                raise SpecError("the action's names, limits and units differ in number", where=f"ActionSpec.{field}",
                                expected=f"{len(self.names)} of each", got=f"{len(values)} in {field}")
            object.__setattr__(self, field, tuple(
                number(f"ActionSpec.{field}, {name}", value, -LARGEST, LARGEST, limit)
                for name, value in zip(self.names, values, strict=True)))
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            if low > high:
                raise SpecError("a limit is reversed", where=f"ActionSpec, {name}", expected="low <= high",
                                got=f"low {low}, high {high}")
        choice("ActionSpec.kind", self.kind, get_args(ActionKind))

    @property
    def width(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class EntitySpec:
    """One thing whose true state the simulator reports. Raises SpecError for no channels, names twice, or a tolerance that is
    no size."""

    name: str
    group: Group
    channels: tuple[str, ...]
    """one name per number reported, for example ("x", "y", "z")"""
    units: tuple[str, ...]
    tolerance: float
    """smallest change that matters physically, in the unit of the first channel (a floor for scales, not a precision); > 0"""

    def __post_init__(self) -> None:
        names_of("EntitySpec.name", (self.name,))
        choice("EntitySpec.group", self.group, get_args(Group))
        names_of(f"EntitySpec.channels, {self.name}", self.channels, least=1)
        units_of(f"EntitySpec.units, {self.name}", self.units, len(self.channels))
        object.__setattr__(self, "tolerance", number(
            f"EntitySpec.tolerance, {self.name}", self.tolerance, 0.0, LARGEST,
            "give the smallest change that matters, in the unit of the first channel", above=True))


@dataclass(frozen=True)
class TaskSpec:
    """Everything a consumer must know about the numbers that one task produces.

    Raises:
        SpecError: for a number that is no rate, number of steps or size, no camera, or a name that is empty or stands twice.
    """

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

    def __post_init__(self) -> None:
        names_of("TaskSpec.task", (self.task,))
        names_of("TaskSpec.cameras", self.cameras, least=1)
        names_of("TaskSpec.state", self.state)
        names_of("TaskSpec.entities", [entity.name for entity in listed("TaskSpec.entities", self.entities)])
        size = listed("TaskSpec.image_size", self.image_size)
        if len(size) != 2:
            raise SpecError("image_size is no size", where="TaskSpec.image_size", expected="height, width", got=size)
        sides = tuple(whole("TaskSpec.image_size", side, PIXELS) for side in size)
        if sides[0] * sides[1] > PIXELS:
            raise SpecError("image_size is no size", where="TaskSpec.image_size", expected=f"at most {PIXELS} pixels", got=size)
        object.__setattr__(self, "image_size", sides)
        object.__setattr__(self, "control_hz", number("TaskSpec.control_hz", self.control_hz, 0.0, LARGEST,
                                                     "give the actions per second", above=True))
        object.__setattr__(self, "max_steps", whole("TaskSpec.max_steps", self.max_steps, STEPS))

    def entity(self, name: str) -> EntitySpec:
        """Raises SpecError for a name that is not there."""
        for entity in self.entities:
            if entity.name == name:
                return entity
        raise SpecError(f"no entity {name!r}", where=self.task, expected=[e.name for e in self.entities], got=name)

    def of_group(self, *groups: Group) -> tuple[EntitySpec, ...]:
        return tuple(entity for entity in self.entities if entity.group in groups)

    def robot(self) -> EntitySpec:
        """What the actions move: the first entity of the group robot, whatever its name. Raises SpecError if there is none."""
        for entity in self.of_group("robot"):
            return entity
        raise SpecError("nothing in this world is a robot", where=f"{self.task}, task_spec.entities",
                        expected="an entity of the group robot", got=[f"{e.name}: {e.group}" for e in self.entities],
                        fix="give the entity that the actions move the group robot")


def check(producer: TaskSpec, consumer: TaskSpec,
          ignore: tuple[str, ...] = ("task", "instruction", "entities", "max_steps", "goal_visible")) -> None:
    """Refuse data whose numbers mean something else than the consumer was built for. Of the cameras, the main one counts.

    Raises:
        SpecError: naming the first field that differs.
    """
    for field in fields(TaskSpec):
        if field.name in ignore:
            continue
        made, wanted = getattr(producer, field.name), getattr(consumer, field.name)
        if field.name == "cameras":  # which others are needed, a model says; Windows and policies ask for them
            made, wanted = made[:1], wanted[:1]
        if made != wanted:
            raise SpecError(
                f"{producer.task} and {consumer.task} disagree on {field.name}",
                where=field.name, expected=wanted, got=made,
                fix="use the task, or data with the settings, that the model was trained on",
            )


def to_json(spec: TaskSpec) -> dict[str, Any]:
    """The spec as JSON values; `from_json` gives the same spec back."""
    return asdict(spec)


def from_json(value: Any) -> TaskSpec:
    """A spec from JSON values.

    Raises:
        SpecError: naming the field that is missing, of the wrong kind or impossible.
    """
    root = _Reader("task_spec", value)
    action, size = _Reader("task_spec.action", root.get("action", dict)), root.numbers("image_size")
    if len(size) != 2:
        raise SpecError("image_size is no size", where="task_spec.image_size", expected="height, width", got=size)
    entities = []
    for place, item in enumerate(root.get("entities", (list, tuple))):
        entity = _Reader(f"task_spec.entities[{place}]", item)
        entities.append(EntitySpec(entity.get("name", str), choice(f"{entity.where}.group", entity.get("group", str),
                                                                    get_args(Group)),
                                   entity.words("channels"), entity.words("units"), entity.number("tolerance")))
    return TaskSpec(
        task=root.get("task", str), instruction=root.get("instruction", str), cameras=root.words("cameras"),
        image_size=(whole("task_spec.image_size", size[0], PIXELS), whole("task_spec.image_size", size[1], PIXELS)),
        state=root.words("state"),
        action=ActionSpec(action.words("names"), action.numbers("low"), action.numbers("high"), action.words("units"),
                          choice("task_spec.action.kind", action.get("kind", str), get_args(ActionKind))),
        entities=tuple(entities), control_hz=root.number("control_hz"),
        max_steps=whole("task_spec.max_steps", root.number("max_steps"), STEPS),
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
