"""Chooses how pictures are made before MuJoCo is imported: MuJoCo reads MUJOCO_GL once, at its import.

Import MuJoCo through this module (`from .backend import mujoco`). Order on Linux: the environment's MUJOCO_GL if it
is set, else EGL, else OSMesa, else no OpenGL at all (the ray-cast camera). WAMLAB_RENDERER=raycast|egl|osmesa|glfw
overrides everything. macOS and Windows keep MuJoCo's own default.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
import warnings
from typing import Any

from ..errors import UnknownName

# Mesa's software rasteriser starts a thread per core; at 64x64 pixels they cost more than they bring.
os.environ.setdefault("LP_NUM_THREADS", "0")

RENDERERS = ("raycast", "egl", "osmesa", "glfw")
_NO_OPENGL = "disable"


def _candidates() -> list[str]:
    """Values of MUJOCO_GL to try, best first; the last one always works."""
    forced = os.environ.get("WAMLAB_RENDERER", "").lower().strip()
    if forced and forced not in RENDERERS:
        raise UnknownName("renderer", forced, RENDERERS)
    if forced == "raycast":
        return [_NO_OPENGL]
    if forced:
        return [forced, _NO_OPENGL]
    if "MUJOCO_GL" in os.environ:
        return [os.environ["MUJOCO_GL"], _NO_OPENGL]
    return (["egl", "osmesa"] if sys.platform.startswith("linux") else [""]) + [_NO_OPENGL]


def _forget_opengl() -> None:
    """Make room for another try: PyOpenGL binds itself to a platform at its first import."""
    os.environ.pop("PYOPENGL_PLATFORM", None)
    half_loaded = ("OpenGL", "mujoco.gl_context", "mujoco.egl", "mujoco.osmesa")
    for name in [key for key in sys.modules if key.startswith(half_loaded)]:
        del sys.modules[name]


def _load() -> tuple[types.ModuleType, Any, str]:
    """MuJoCo, the class of its OpenGL contexts (None: no OpenGL) and the backend's name."""
    imported_before = sys.modules.get("mujoco")
    tried: list[str] = []
    for name in _candidates():
        if imported_before is None:
            os.environ["MUJOCO_GL"] = name
        try:
            module = importlib.import_module("mujoco")
            if name == _NO_OPENGL:
                context = None
            elif name in ("egl", "osmesa"):
                # by its own name: MuJoCo may have been imported before MUJOCO_GL was set, and then chose a window system
                context = importlib.import_module(f"mujoco.{name}").GLContext
            else:
                context = module.GLContext
        # PyOpenGL reports a missing library as AttributeError or ImportError; MuJoCo an unknown name as RuntimeError
        except (ImportError, AttributeError, RuntimeError, OSError) as error:
            tried.append(f"{name or 'default'}: {error}")
            if imported_before is None:
                _forget_opengl()
            continue
        if context is None and tried:
            announce_no_opengl("; ".join(tried))
        return module, context, (name or "opengl") if context is not None else "raycast"
    raise ImportError("mujoco cannot be imported: " + "; ".join(tried))


_announced = False


def announce_no_opengl(reason: str) -> None:
    """Say once per process that pictures come from the ray-cast camera, and why."""
    global _announced
    if not _announced:
        _announced = True
        os.environ["WAMLAB_RENDERER"] = "raycast"  # worker processes follow, and need not say it again
        warnings.warn(
            "no OpenGL on this machine: pictures come from MuJoCo's ray casting (slower, no textures). "
            f"On Debian or Ubuntu: apt install libegl1 libgl1 libgl1-mesa-dri. Reason: {reason}",
            RuntimeWarning, stacklevel=2)


mujoco, GLContext, BACKEND = _load()
