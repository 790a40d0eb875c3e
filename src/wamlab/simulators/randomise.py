"""Domain randomisation of MuJoCo worlds (Tobin et al. 2017, arXiv 1703.06907): camera, light, colour, friction and mass,
drawn anew for each scene.

What is drawn is a function of the scene and the kinds alone; each kind has random numbers of its own, so that naming one more
changes none of the others. Friction and mass are set before the scene is put up, so that things come to rest under them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import UnknownName
from .backend import mujoco

KINDS = ("camera", "light", "colour", "friction", "mass")
VISIBLE = ("camera", "light", "colour")
"""kinds that change pictures"""
FIELDS = ("geom_rgba", "mat_rgba", "geom_friction", "body_mass", "body_inertia", "body_subtreemass", "body_invweight0",
          "dof_invweight0", "dof_M0", "light_ambient", "light_diffuse", "light_dir")
"""fields of the model that are changed; they are part of the world's state"""
LOOKED_AT, DISTANCE, ANGLE = 0.03, 0.10, 8.0
"""camera: metres by which the point that is looked at moves along each axis, share of the distance, degrees of azimuth; half
as many degrees of elevation"""
BRIGHTNESS, TINT, TURN = (0.6, 1.35), 0.12, 0.6
"""light: factor of the brightness, share by which each colour differs from it, radians by which each lamp turns"""
COLOUR = 0.35
"""share by which each colour of each material changes"""
DEFAULT = np.array([0.5, 0.5, 0.5, 1.0], np.float32)
"""what MuJoCo gives a geom that names no colour"""
FRICTION, MASS = (0.7, 1.4), (0.6, 1.7)
"""factors"""


@dataclass(frozen=True)
class Domain:
    """What one scene looks and feels like; neutral where a kind was not asked for."""

    scene: int
    kinds: tuple[str, ...]
    looked_at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """metres added to the point that the main camera looks at"""
    distance: float = 1.0
    """factor of the main camera's distance"""
    angles: tuple[float, float] = (0.0, 0.0)
    """degrees added to azimuth and elevation"""
    light: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """factor of red, green and blue of all lights"""
    friction: float = 1.0
    mass: float = 1.0
    """factor of the mass of everything that moves, the robot aside"""

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def headlight(self) -> float:
        """Factor of the light that the camera carries."""
        return float(np.mean(self.light))


def checked(kinds: Sequence[str]) -> tuple[str, ...]:
    """The kinds in the order of `KINDS`, each once. Raises UnknownName."""
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownName("kind of randomisation", kind, KINDS)
    return tuple(kind for kind in KINDS if kind in kinds)


def generator(scene: int, kind: str) -> np.random.Generator:
    """The random numbers of one kind in one scene."""
    return np.random.default_rng([scene, 4, KINDS.index(kind)])


def draw(scene: int, kinds: Sequence[str]) -> Domain:
    """The domain of a scene."""
    names = checked(kinds)
    drawn: dict[str, Any] = {}
    if "camera" in names:
        rng = generator(scene, "camera")
        x, y, z = rng.uniform(-LOOKED_AT, LOOKED_AT, 3).tolist()
        drawn |= {"looked_at": (x, y, z), "distance": float(rng.uniform(1 - DISTANCE, 1 + DISTANCE)),
                  "angles": (float(rng.uniform(-ANGLE, ANGLE)), float(rng.uniform(-ANGLE, ANGLE) / 2))}
    if "light" in names:
        rng = generator(scene, "light")
        red, green, blue = (rng.uniform(*BRIGHTNESS) * (1 + rng.uniform(-TINT, TINT, 3))).tolist()
        drawn["light"] = (red, green, blue)
    if "friction" in names:
        drawn["friction"] = float(np.exp(generator(scene, "friction").uniform(*np.log(FRICTION))))
    if "mass" in names:
        drawn["mass"] = float(np.exp(generator(scene, "mass").uniform(*np.log(MASS))))
    return Domain(scene, names, **drawn)


def set_physics(model: mujoco.MjModel, domain: Domain, heavy: Sequence[int]) -> None:
    """Scale friction everywhere and the masses of whole trees of bodies, in a model as it was made.

    Args:
        heavy: bodies that move and do not belong to the robot, with everything that hangs on them.
    """
    model.geom_friction[:] *= domain.friction
    before = model.body_mass.copy()
    for body in heavy:
        model.body_mass[body] *= domain.mass
        model.body_inertia[body] *= domain.mass
        model.body_invweight0[body] /= domain.mass
    dofs = np.isin(model.dof_bodyid, np.asarray(heavy, int))
    model.dof_invweight0[dofs] /= domain.mass
    model.dof_M0[dofs] *= domain.mass
    for body, more in enumerate(model.body_mass - before):  # a tree weighs what its parts weigh
        parent = body
        while more:
            model.body_subtreemass[parent] += more
            if parent == 0:
                break
            parent = int(model.body_parentid[parent])


def set_looks(model: mujoco.MjModel, domain: Domain) -> None:
    """Paint materials and bare geoms, and turn and colour the lamps. Markers (sites) keep their colour."""
    if "colour" in domain.kinds:
        rng = generator(domain.scene, "colour")
        # a geom with a material shows the material's colour as long as its own is MuJoCo's default
        bare = (model.geom_matid < 0) | (model.geom_rgba != DEFAULT).any(1)
        for table, painted in ((model.mat_rgba, np.ones(len(model.mat_rgba), bool)), (model.geom_rgba, bare)):
            factors = rng.uniform(1 - COLOUR, 1 + COLOUR, (len(table), 3))
            table[painted, :3] = np.clip(table[:, :3] * factors, 0, 1)[painted]
    if "light" in domain.kinds:
        rng = generator(domain.scene, "light")
        rng.uniform(size=4)  # those of `draw`
        for table in (model.light_ambient, model.light_diffuse):
            table[:] = table * np.array(domain.light)
        turned = model.light_dir + rng.uniform(-TURN, TURN, model.light_dir.shape)
        model.light_dir[:] = turned / np.linalg.norm(turned, axis=1, keepdims=True)


def keep(model: mujoco.MjModel, names: Sequence[str]) -> dict[str, ndarray]:
    """Private copies of fields of a model."""
    return {name: np.array(getattr(model, name)) for name in names}


def suffix(kinds: Sequence[str]) -> str:
    """What is added to a renderer's fingerprint: pictures of a randomised world are a kind of their own."""
    visible = [kind for kind in checked(kinds) if kind in VISIBLE]
    return "~" + "+".join(visible) if visible else ""
