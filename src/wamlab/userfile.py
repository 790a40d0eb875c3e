"""A user's own Python file as a module: recipes, simulators and metrics from outside the package."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from .errors import WamError
from .reading import read_bytes


def load_file(path: str | Path, what: str) -> ModuleType:
    """Run the file once and give its module; the same file with the same content is not run again.

    Args:
        what: what the file should hold, for the message.

    Raises:
        WamError: if it is not there or cannot be run.
    """
    path = Path(path)
    if not path.exists():
        raise WamError("there is no such file", where=path, expected=f"a Python file with {what}", got="nothing there",
                       fix="check the path")
    mark = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape") + read_bytes(path)).hexdigest()[:12]
    name = f"wamlab_user_{mark}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise WamError("the file is not Python", where=path, expected="a name that ends in .py", got=path.name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises
        del sys.modules[name]
        raise WamError("the file cannot be run", where=path, expected=f"a Python file with {what}",
                       got=f"{type(error).__name__}: {error}", fix=f"python {path} shows where") from error
    return module
