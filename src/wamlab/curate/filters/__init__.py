"""Quality filters. Each file here, or anywhere, declares `FILTERS`, a tuple of `Filter`; nothing else registers them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from ...errors import SpecError, UnknownName
from ...userfile import load_file
from .base import Corpus, Filter, Judgement, Record, judgement

__all__ = ["Corpus", "Filter", "Judgement", "Record", "discover", "get", "judgement"]


@cache
def discover() -> dict[str, Filter]:
    """All filters of this package by name."""
    found: dict[str, Filter] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        named = importlib.import_module(f"{__name__}.{module}")
        if "FILTERS" in vars(named):
            found |= {one.name: one for one in _declared(named, module)}
    return found


def get(name: str) -> tuple[Filter, ...]:
    """The filter of that name, or those of your own file at a path that ends in .py.

    Raises:
        UnknownName: with the nearest names.
        WamError: if the file is not there or cannot be run.
        SpecError: if it declares none.
    """
    if name.endswith(".py"):
        return _declared(load_file(name, "FILTERS = (Filter(...),)"), name)
    if name not in discover():
        raise UnknownName("filter", name, discover())
    return (discover()[name],)


def _declared(module: ModuleType, where: str) -> tuple[Filter, ...]:
    filters = vars(module).get("FILTERS")
    if not isinstance(filters, tuple) or not filters or not all(isinstance(one, Filter) for one in filters):
        raise SpecError("a filter file declares no filters", where=where, expected="FILTERS = (Filter(...),)",
                        got=repr(filters))
    return filters
