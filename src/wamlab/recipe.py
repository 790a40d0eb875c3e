"""A recipe binds a model's settings to how it is trained. A published model is one file of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Literal, Protocol, runtime_checkable

from .errors import UnknownName, WamError
from .models.base import WorldActionModel
from .spec import TaskSpec
from .userfile import load_file

Size = Literal["debug", "small", "base"]


@runtime_checkable
class ModelConfig(Protocol):
    """Settings that build a model. A frozen dataclass with at least width and depth."""

    @property
    def width(self) -> int: ...

    @property
    def depth(self) -> int: ...

    def build(self, task_spec: TaskSpec) -> WorldActionModel: ...

    def axes(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Training:
    """How weights are learned. Steps, not minutes, so that the same seed gives the same numbers anywhere."""

    steps: int = 1200
    """optimiser steps for the model"""
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    warmup: int = 100
    """steps of linear warm-up, followed by a cosine down to a tenth"""
    weight_decay: float = 1e-4
    clip: float = 1.0
    """largest gradient norm"""
    ema: float = 0.995
    """decay of the averaged weights, which are the ones kept"""
    codec_steps: int = 300
    """optimiser steps for a representation that has to be trained"""
    codec_batch: int = 32
    """windows per step of the representation's training"""
    codec_learning_rate: float = 3e-3
    play_share: float = 0.25
    """share of each batch drawn from what is not imitated, for models that can learn from it: disturbed or playful actions, and
    video without actions"""
    validate_every: int = 100
    checkpoint_every: int = 100

    def scaled(self, factor: float) -> Training:
        """The same training with more or fewer steps."""
        return replace(self, steps=max(4, round(self.steps * factor)), codec_steps=max(4, round(self.codec_steps * factor)))


@dataclass(frozen=True)
class Recipe:
    """A model, how it is trained, and what is known about it."""

    name: str
    summary: str
    """one sentence: what it is"""
    paper: str
    """where the design comes from"""
    differs: str
    """how this small version differs from the paper"""
    model: ModelConfig
    training: Training = field(default_factory=Training)

    def sized(self, size: Size) -> Recipe:
        """debug: seconds, learns nothing much; small: minutes on a laptop; base: for a GPU."""
        if size == "debug":
            model = replace(self.model, width=32, depth=2)  # type: ignore[type-var]
            training = replace(self.training, steps=24, codec_steps=24, batch_size=16, codec_batch=8, warmup=4,
                               validate_every=8, checkpoint_every=6)
            return replace(self, model=model, training=training)
        if size == "base":
            model = replace(self.model, width=256, depth=6)  # type: ignore[type-var]
            return replace(self, model=model, training=replace(self.training, steps=40_000, codec_steps=8_000, batch_size=128))
        return self


def axes(recipe: Recipe) -> dict[str, str]:
    """The recipe's row in the design space, computed from its parts."""
    return recipe.model.axes()


def _built_in() -> dict[str, Recipe]:
    package = importlib.import_module("wamlab.recipes")
    modules = (importlib.import_module(f"wamlab.recipes.{m.name}") for m in pkgutil.iter_modules(package.__path__))
    return {recipe.name: recipe for module in modules for recipe in _recipes_in(module)}


def _recipes_in(module: ModuleType) -> Iterator[Recipe]:
    return (value for value in vars(module).values() if isinstance(value, Recipe))


def names() -> tuple[str, ...]:
    """All built-in recipes, sorted."""
    return tuple(sorted(_built_in()))


def load(name: str) -> Recipe:
    """A recipe by name ("uwm"), by file ("my_wam.py") or by file and variable ("my_wam.py:tiny").

    Raises:
        UnknownName: for a name that does not exist.
        WamError: for a file without a recipe, or with several and none chosen.
    """
    path, _, attribute = name.partition(":")
    if not path.endswith(".py"):
        built_in = _built_in()
        if name not in built_in:
            raise UnknownName("recipe", name, built_in)
        return built_in[name]
    found = {key: value for key, value in vars(load_file(path, "a Recipe")).items() if isinstance(value, Recipe)}
    if attribute:
        if attribute not in found:
            raise UnknownName("recipe variable", attribute, found)
        return found[attribute]
    if len(found) != 1:
        raise WamError("the file does not hold exactly one recipe", where=path, expected="one variable that is a Recipe",
                       got=sorted(found) or "none", fix=f"choose one: {path}:VARIABLE")
    return next(iter(found.values()))
