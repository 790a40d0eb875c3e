"""Are the numbers what the protocol says? Units and tolerances that it fixes, no channel hidden, nothing rounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ...spec import TaskSpec
from ..ask.protocol import Terms
from ..metric import Evidence, moved, positions, sigma
from ..metric import entities as of_group


class Unit(NamedTuple):
    """A unit of states."""

    kind: str
    size: float
    """in the unit that the protocol fixes for its kind"""


UNITS: Mapping[str, Unit] = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), Unit("length", 1)), "km": Unit("length", 1000),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), Unit("length", 0.01)),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), Unit("length", 0.001)),
    **dict.fromkeys(("in", "inch", "inches"), Unit("length", 0.0254)), **dict.fromkeys(("ft", "feet"), Unit("length", 0.3048)),
    **dict.fromkeys(("table widths", "table width"), Unit("table", 1)),
    **dict.fromkeys(("rad", "radian", "radians"), Unit("angle", 1)),
    **dict.fromkeys(("deg", "degree", "degrees", "°"), Unit("angle", np.pi / 180)),
    **dict.fromkeys(("1", "0..1", "%", "quaternion"), Unit("share", 1))}
"""by its name in small letters"""
TOLERANCES: Mapping[str, tuple[float, float]] = {"length": (0.001, 0.02), "table": (0.001, 0.02), "angle": (0.005, 0.1)}
"""smallest and largest tolerance per kind of unit, in m, table widths and rad"""
PLACES = ("x", "y", "z")
"""channels of these names are places"""
UNEQUAL = 3.0
"""stated sigmas may differ from those of the true effects by factors of which the largest is so many times the smallest"""
COARSE = 0.25
"""of the tolerance: numbers on a coarser grid are rounded"""
FEW = 100
"""numbers from which on a grid can be seen"""


def units(spec: TaskSpec) -> Iterator[str]:
    """Units that the protocol knows, tolerances of the size that it fixes, and every channel of one kind of unit counted."""
    for entity in spec.entities:
        known = [UNITS.get(unit.strip().lower()) for unit in entity.units]
        for channel, unit, said in zip(entity.channels, known, entity.units, strict=True):
            if unit is None:
                yield f"the unit {said!r} of {channel} of {entity.name} is none that the protocol knows"
            elif channel.strip().lower() in PLACES and unit.kind not in ("length", "table"):
                yield f"{channel} of {entity.name} is a place, but its unit {said!r} is none of places"
        first, counted = known[0], positions(entity)
        for channel, unit, said in list(zip(entity.channels, known, entity.units, strict=True))[counted:]:
            if first is not None and unit is not None and unit.kind == first.kind:
                yield (f"{channel} of {entity.name} does not count: its unit {said!r} is spelt otherwise than "
                       f"{entity.units[0]!r}, or stands behind another")
        if first is not None:
            least, most = TOLERANCES.get(first.kind, (0.0, 0.0))
            if not least * (1 - 1e-9) <= entity.tolerance * first.size <= most * (1 + 1e-9):
                yield (f"the tolerance {entity.tolerance:g} {entity.units[0]} of {entity.name} is not within what the protocol "
                       f"fixes: {least / first.size:g} to {most / first.size:g}")


def noise(evidence: Evidence, terms: Terms) -> Iterator[str]:
    """The readout's noise is what it sees where nothing moves, and sigmas are in proportion to the true effects."""
    effects = evidence.effects
    assert effects is not None
    ratios = {}
    for entity in evidence.spec.entities:
        if entity.name not in effects.real:
            continue
        start = effects.start[entity.name][:, None, None]
        real, least = effects.real[entity.name] - start, entity.tolerance
        if effects.ceiling is not None:
            still = ~moved(entity, real).any(-1)
            seen = np.linalg.norm((effects.ceiling[entity.name] - start)[..., :positions(entity)], axis=-1)[still]
            least = max(least, float(seen.max())) if seen.size else np.inf
        if effects.noise.get(entity.name, 0.0) > least * (1 + 1e-6):
            yield (f"the readout's noise of {entity.name}, {effects.noise[entity.name]:g}, is more than it shows where nothing "
                   f"moves: {least:g}")
        stated = dict(terms.scales).get(entity.name)
        if stated is not None and entity.group in ("robot", "object", "articulation"):
            ratios[entity.name] = stated / sigma(entity, real)
    if ratios and max(ratios.values()) > UNEQUAL * min(ratios.values()):
        far, near = max(ratios, key=ratios.__getitem__), min(ratios, key=ratios.__getitem__)
        yield (f"the scales are out of proportion: {far} is counted in {ratios[far]:.2g} times its true displacements, {near} "
               f"in {ratios[near]:.2g} times")


def rounded(evidence: Evidence) -> Iterator[str]:
    """Numbers that are rounded to about the tolerance hide what is smaller than that."""
    effects = evidence.effects
    assert effects is not None
    for group in ("robot", "object"):
        for entity in of_group(evidence.spec, group, effects.real):
            for side, states in (("imagined", effects.imagined), ("real", effects.real)):
                places = states[entity.name][..., :positions(entity)]
                values = places[places != effects.start[entity.name][:, None, None, :positions(entity)]]
                distinct = np.unique(values)
                if len(values) >= FEW and len(distinct) < len(values) / 2 and (
                        len(distinct) < 3 or np.median(np.diff(distinct)) > COARSE * entity.tolerance):
                    yield (f"the {side} states of {entity.name} are rounded: {len(distinct)} different numbers among "
                           f"{len(values)}")
