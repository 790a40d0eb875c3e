"""Simulators by name: `make("metaworld/push")`, `make("pushworld")`, `make("physics/drop")`, `make("my_world.py:MyWorld")`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import UnknownName, WamError
from ..userfile import load_file
from .base import Modality, Observation, Simulator

__all__ = ["Modality", "Observation", "Simulator", "make", "tasks"]

OTHER_BODY = "other-body/"
BACKDROP = "backdrop/"


def tasks() -> tuple[str, ...]:
    """Names of all tasks that `make` knows."""
    from .metaworld_instructions import INSTRUCTIONS
    from .physics_scenes import SCENES

    return ("pushworld", *(f"metaworld/{name}" for name in sorted(INSTRUCTIONS)), *(f"physics/{name}" for name in SCENES))


def make(name: str, **options: Any) -> Simulator:
    """The simulator of a task.

    Args:
        name: a name in `tasks()`, or "path/to/file.py:ClassName" (without the class: the file's only Simulator).
            "other-body/" before "pushworld" or a task of Meta-World: the same world with a body that looks otherwise.
            "backdrop/" before any name: the same task before a moving background.
        options: keyword arguments of the simulator; and, for all of them, `cameras` and `senses`: names of further cameras
            and of what else is measured (`Simulator.modalities`) that every observation is to hold.

    Raises:
        UnknownName: with the nearest names.
        WamError: if the file cannot be loaded.
    """
    cameras, senses = options.pop("cameras", ()), options.pop("senses", ())
    if cameras or senses:
        from .watched import Watched

        inner = make(name, **options)
        try:
            return Watched(inner, cameras, senses)
        except UnknownName:
            inner.close()
            raise
    if name.startswith(BACKDROP):
        from .backdrop import Backdrop

        return Backdrop(make(name.removeprefix(BACKDROP), **options))
    if name.startswith(OTHER_BODY):
        known = [task for task in tasks() if not task.startswith("physics/")]
        if (task := name.removeprefix(OTHER_BODY)) not in known:
            raise UnknownName("task with another body", name, [OTHER_BODY + task for task in known])
        return make(task, **options, other_body=True)
    if ".py" not in name and name not in tasks():
        raise UnknownName("task", name, tasks())
    kind, first = _kind(name)
    if options.get("randomise") and not kind.randomisable:
        raise WamError(f"{name} cannot be randomised", where="randomise", expected="a task of Meta-World",
                       got=", ".join(map(str, options["randomise"])), fix="leave --randomise out, or choose another task")
    return kind(*first, **options)


def _kind(name: str) -> tuple[type[Any], tuple[str, ...]]:
    """The class of a task, and what it is made with first."""
    if ".py" in name:
        return _from_file(name), ()
    if name == "pushworld":
        from .pushworld import PushWorld

        return PushWorld, ()
    if name.startswith("physics/"):
        from .physics import PhysicsWorld

        return PhysicsWorld, (name,)
    from .metaworld import MetaWorld

    return MetaWorld, (name,)


def _from_file(name: str) -> type[Simulator]:
    path, _, attribute = name.partition(".py:")
    file = Path(path.removesuffix(".py") + ".py")
    module = load_file(file, "a Simulator")
    found = {key: value for key, value in vars(module).items()
             if isinstance(value, type) and issubclass(value, Simulator) and value.__module__ == module.__name__}
    if attribute and attribute not in found:
        raise UnknownName(f"simulator in {file}", attribute, found)
    if not attribute and len(found) != 1:
        raise WamError("say which simulator of the file", where=name, expected=f"{file}:ClassName",
                       got=f"{len(found)} simulators: {', '.join(found)}")
    return found[attribute] if attribute else next(iter(found.values()))
