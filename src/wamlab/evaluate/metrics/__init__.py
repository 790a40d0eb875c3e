"""The measures. Each file here, or anywhere, declares `METRICS`, a tuple of `Metric`; nothing else registers them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType

from ...errors import SpecError, UnknownName
from ...userfile import load_file
from ..metric import NEEDS, Answers, Decoded, Effects, Evidence, Foresight, FramePairs, Metric, Need

__all__ = ["NEEDS", "Answers", "Decoded", "Effects", "Evidence", "Foresight", "FramePairs", "Metric", "Need", "discover",
           "get", "load"]


@cache
def discover() -> dict[str, Metric]:
    """All metrics of this package by name."""
    found: dict[str, Metric] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for metric in _declared(importlib.import_module(f"{__name__}.{module}"), module):
            if metric.name in found:
                raise SpecError("two metrics share a name", where=module, got=metric.name, expected="one file per name")
            found[metric.name] = metric
    return found


def get(name: str) -> Metric:
    """A metric of this package, or of the file at a path that ends in .py and declares just one.

    Raises:
        UnknownName: with the nearest names.
    """
    if name.endswith(".py"):
        metrics = load(name)
        if len(metrics) != 1:
            raise SpecError("the file declares several metrics", where=name, expected="one", got=[m.name for m in metrics])
        return metrics[0]
    if name not in discover():
        raise UnknownName("metric", name, discover())
    return discover()[name]


def load(path: str | Path) -> tuple[Metric, ...]:
    """The metrics that a file of your own declares as `METRICS`.

    Raises:
        WamError: if the file is not there or cannot be run.
        SpecError: if it declares none, or something else.
    """
    module = load_file(path, "METRICS = (Metric(...),)")
    return _declared(module, str(path))


def _declared(module: ModuleType, where: str) -> tuple[Metric, ...]:
    metrics = vars(module).get("METRICS")
    if not isinstance(metrics, tuple) or not metrics or not all(isinstance(m, Metric) for m in metrics):
        raise SpecError("a metric file declares no metrics", where=where, expected="METRICS = (Metric(...),)",
                        got=repr(metrics))
    return metrics
