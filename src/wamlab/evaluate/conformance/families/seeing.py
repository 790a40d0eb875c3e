"""Imagined effects through pixels and the frozen readout: what judges trained models, with all that stands between."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ...ask.branch_data import Branches
from ...ask.imagining import Futures
from ...metric import Evidence
from ...metrics import discover, get
from ...scoring.score import frame_pairs, read_effects
from ..pixels import NULL_FUTURES, Made
from ..promise import Promise, Table, seen_by
from . import Family, World
from .pictures import blurred, late, noisy

OPPOSITE: Mapping[str, str] = {"factual": "reverse", "reverse": "factual", "turn +90": "turn -90", "turn -90": "turn +90"}


def mirrored(branches: Branches, generator: np.random.Generator) -> UInt8[ndarray, "C K F h w 3"]:
    """True frames of the opposite action, where there is one."""
    kinds = branches.protocol.actions
    return branches.frames[:, [kinds.index(OPPOSITE.get(kind, kind)) for kind in kinds]]


SHOWN: Mapping[str, Made] = dict(NULL_FUTURES) | {"late": late, "noise_20": noisy(20), "noise_60": noisy(60), "blur": blurred,
                                                  "mirrored": mirrored}


def table(world: World) -> Table:
    """Every way of showing, read by the readout, through every metric of effects; and what the pictures alone say."""
    branches, rows = world.branches, {}
    assert branches is not None and world.readout is not None
    metrics = [metric for metric in discover().values() if metric.needs == ("effects",)]
    for name, make in SHOWN.items():
        futures = Futures(make(branches, np.random.default_rng(world.seed)), branches.protocol.offsets)
        evidence = Evidence(name, world.spec, effects=read_effects(branches, futures, world.readout),
                            frames=frame_pairs(branches, futures), scales=branches.scales())
        found = [score for metric in (*metrics, get("psnr")) for score in metric(evidence)]
        rows[name] = {score.metric.removeprefix("branch."): score.value for score in found}
    return rows


STILL = ("frozen", "action_blind")
HARDLY = seen_by("psnr", "blur", "noise_20")
"""what the readout is trained to see through"""
FAMILY = Family("seeing", table, (
    Promise("cc", "cc", "higher", {"oracle": "cc.ceiling", **dict.fromkeys(STILL, 0.0)},
            chains=(("oracle", "late", "frozen"), ("oracle", "noise_60"), ("oracle", "shuffled", "mirrored")), margin=0.1,
            blind=HARDLY),
    Promise("identification", "identification", "higher", dict.fromkeys(STILL, "identification.chance"),
            chains=(("oracle", "shuffled"), ("oracle", "random"), ("oracle", "mirrored"), ("oracle", "noise_60")),
            blind=HARDLY | seen_by("cc", "late")),
    Promise("miss", "miss", "lower", {"oracle": "miss.ceiling", "frozen": 1.0}, chains=(("oracle", "frozen"),),
            blind=HARDLY | seen_by("cc", "random", "shuffled", "mirrored", "action_blind", "late", "noise_60")),
    Promise("false_effect", "false_effect", "lower", {"oracle": "false_effect.ceiling", "frozen": 0.0},
            chains=(("oracle", "random"), ("oracle", "action_blind")),
            blind=HARDLY | seen_by("cc", "late", "mirrored", "noise_60")),
    Promise("dose", "dose", "higher", dict.fromkeys(STILL, 0.0), chains=(("oracle", "shuffled"), ("oracle", "random"),
                                                                         ("oracle", "mirrored")),
            blind=HARDLY | seen_by("cc", "late", "noise_60")),
    Promise("regret", "regret", "lower", dict.fromkeys(STILL, 1.0), chains=(("oracle", "frozen", "mirrored"),),
            blind=HARDLY | seen_by("cc", "late", "noise_60", "random", "shuffled")),
    Promise("null_action", "null_action", "higher", {}, chains=(("oracle", "action_blind"), ("oracle", "random")),
            blind=HARDLY | seen_by("cc", "late", "noise_60", "mirrored", "shuffled", "frozen")),
    Promise("psnr", "psnr", "higher", {"oracle": 60.0, "frozen": "psnr.copy"}, tolerance=1e-5),
), pictures=True, reads=True)
