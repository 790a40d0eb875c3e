"""Simulators by name: `make("metaworld/push")`, `make("pushworld")`, `make("my_world.py:MyWorld")`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from ..errors import UnknownName, WamError
from .base import Modality, Observation, Simulator

__all__ = ["Modality", "Observation", "Simulator", "make", "tasks"]


def tasks() -> tuple[str, ...]:
    """Names of all tasks that `make` knows."""
    from .metaworld_instructions import INSTRUCTIONS

    return ("pushworld", *(f"metaworld/{name}" for name in sorted(INSTRUCTIONS)))


def make(name: str, **options: Any) -> Simulator:
    """The simulator of a task.

    Args:
        name: a name in `tasks()`, or "path/to/file.py:ClassName" (without the class: the file's only Simulator).
        options: keyword arguments of the simulator.

    Raises:
        UnknownName: with the nearest names.
        WamError: if the file cannot be loaded.
    """
    if ".py" in name:
        return _from_file(name)(**options)
    if name not in tasks():
        raise UnknownName("task", name, tasks())
    if name == "pushworld":
        from .pushworld import PushWorld

        return PushWorld(**options)
    from .metaworld import MetaWorld

    return MetaWorld(name, **options)


def _from_file(name: str) -> type[Simulator]:
    path, _, attribute = name.partition(".py:")
    file = Path(path.removesuffix(".py") + ".py")
    if not file.is_file():
        raise WamError("no such simulator file", where=name, expected="a Python file with a Simulator in it", got=str(file))
    module_name = f"wamlab_user_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises
        del sys.modules[module_name]
        raise WamError("the simulator file cannot be loaded", where=file, got=f"{type(error).__name__}: {error}",
                       fix="run it with python to see the whole error") from error
    found = {key: value for key, value in vars(module).items()
             if isinstance(value, type) and issubclass(value, Simulator) and value.__module__ == module_name}
    if attribute and attribute not in found:
        raise UnknownName(f"simulator in {file}", attribute, found)
    if not attribute and len(found) != 1:
        raise WamError("say which simulator of the file", where=name, expected=f"{file}:ClassName",
                       got=f"{len(found)} simulators: {', '.join(found)}")
    return found[attribute] if attribute else next(iter(found.values()))
