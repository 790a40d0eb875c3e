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

# Mesa's software rasteriser starts a thread per core; at 64x64 pixels they cost more than they bring.
os.environ.setdefault("LP_NUM_THREADS", "0")

_NO_OPENGL = "disable"


def _candidates() -> list[str]:
    """Values of MUJOCO_GL to try, best first; the last one always works."""
    forced = os.environ.get("WAMLAB_RENDERER", "").lower().strip()
    if forced == "raycast":
        return [_NO_OPENGL]
    if forced:
        return [forced, _NO_OPENGL]
    if "MUJOCO_GL" in os.environ:
        return [os.environ["MUJOCO_GL"], _NO_OPENGL]
    return (["egl", "osmesa"] if sys.platform.startswith("linux") else [""]) + [_NO_OPENGL]


def _import_mujoco() -> tuple[types.ModuleType, str]:
    """MuJoCo and the name of the backend it came up with ("raycast" when there is no OpenGL)."""
    if "mujoco" in sys.modules:  # someone imported it first: its choice is made
        return sys.modules["mujoco"], os.environ.get("MUJOCO_GL", "") or "opengl"
    tried: list[str] = []
    for name in _candidates():
        os.environ["MUJOCO_GL"] = name
        try:
            module = importlib.import_module("mujoco")
        # PyOpenGL reports a missing library as AttributeError or ImportError; MuJoCo an unknown name as RuntimeError
        except (ImportError, AttributeError, RuntimeError, OSError) as error:
            tried.append(f"{name or 'default'}: {error}")
            os.environ.pop("PYOPENGL_PLATFORM", None)
            half_loaded = ("OpenGL", "mujoco.gl_context", "mujoco.egl", "mujoco.osmesa")
            for loaded in [key for key in sys.modules if key.startswith(half_loaded)]:
                del sys.modules[loaded]
            continue
        if name == _NO_OPENGL:
            if tried:
                announce_no_opengl("; ".join(tried))
            return module, "raycast"
        return module, name or "opengl"
    raise ImportError("mujoco cannot be imported: " + "; ".join(tried))


_announced = False


def announce_no_opengl(reason: str) -> None:
    """Say once per process that pictures come from the ray-cast camera, and why."""
    global _announced
    if not _announced:
        _announced = True
        warnings.warn(
            "no OpenGL on this machine: pictures come from MuJoCo's ray casting (slower, no textures). "
            f"On Debian or Ubuntu: apt install libegl1 libgl1 libgl1-mesa-dri. Reason: {reason}",
            RuntimeWarning, stacklevel=2)


mujoco, BACKEND = _import_mujoco()
