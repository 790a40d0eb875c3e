"""Reference marks: what models and policies that are known to be right, trivial or wrong score on the same branches, episodes
and starts, through the same code. They are named "null/<name>", and a report draws them as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy import ndarray

from ..ask.branch_data import Branches
from ..ask.imagining import Futures
from ..evidence import Answers, Trials
from ..eyes.readout import Readout
from ..log import Score
from ..metrics import Evidence, Metric, get
from ..metrics.specific import partners
from ..scoring.score import measured, read_effects, true_effects
from .families import World
from .families.answers import controls
from .pixels import NULL_FUTURES
from .saboteurs import sabotage

DOERS = ("oracle", "frozen", "success_prior", "shuffled", "wrong_direction")


def score_nulls(branches: Branches, *, readout: Readout | None = None, seed: int = 0,
                names: Sequence[str] = ("oracle", "frozen", "action_blind", "random", "shuffled", "wrong_direction"),
                metrics: Sequence[Metric] | None = None) -> tuple[Score, ...]:
    """The reference lines of the causal measures: null models through the same code, as "null/<name>".

    Through pixels and the readout where their frames exist, else in state space.
    """
    scores: list[Score] = []
    for name in names:
        if name in NULL_FUTURES and readout is not None:
            frames = NULL_FUTURES[name](branches, np.random.default_rng(seed))
            made = read_effects(branches, Futures(frames, branches.protocol.offsets), readout)
        else:
            made = sabotage(name, true_effects(branches), branches.spec, seed)
        evidence = Evidence(f"null/{name}", branches.spec, effects=made, scales=branches.scales())
        scores += measured(metrics, evidence, ("effects",))
    return tuple(scores)


def null_answers(branches: Branches, seed: int = 0) -> tuple[Score, ...]:
    """Policies that do what they are shown ("oracle"), never move, always do as the expert, or something else, in state
    space."""
    scores: list[Score] = []
    effects = true_effects(branches)
    world = World(branches.spec.task, branches.spec, effects, branches, seed=seed)
    for name in DOERS:
        made = sabotage(name, effects, branches.spec, seed)
        answers = Answers(effects.start, effects.real, made.imagined, effects.offsets, effects.kinds, effects.strata,
                          controls(name, world))
        scores += get("f2a")(Evidence(f"null/{name}", branches.spec, answers=answers, scales=branches.scales()))
    return tuple(scores)


def null_plans(evidence: Evidence) -> tuple[Score, ...]:
    """What perfect foresight, none, and that of another episode would have scored over a policy's own episodes."""
    foresight = evidence.foresight
    if foresight is None or evidence.episodes is None:
        return ()
    partner = partners(foresight)[:, 0]
    other = {name: np.where(partner[:, None] >= 0, foresight.start[name] + value[partner] - foresight.start[name][partner],
                            foresight.start[name]) for name, value in foresight.imagined.items()}
    plans: Mapping[str, Mapping[str, ndarray]] = {"oracle": foresight.real, "frozen": foresight.start, "elsewhere": other}
    scores: list[Score] = []
    for name, imagined in plans.items():
        seen = replace(foresight, imagined={n: imagined[n] for n in foresight.imagined}, ceiling=None, imagined_success=None,
                       read_success=None)
        scores += [s for metric in ("pea", "fcs", "specific") for s in get(metric)(
            replace(evidence, model=f"null/{name}", foresight=seen)) if s.metric == metric]
    return tuple(scores)


def null_trials(evidence: Evidence) -> tuple[Score, ...]:
    """A policy that acts the same whatever it is shown."""
    trials = evidence.trials
    if trials is None or "own" not in trials.solved:
        return ()
    deaf = Trials(dict.fromkeys(("own", "swapped"), trials.solved["own"]))
    scores = get("necessity")(replace(evidence, model="null/decorative", trials=deaf))
    return tuple(s for s in scores if s.metric == "necessity")


def unique(scores: Sequence[Score]) -> list[Score]:
    """The first of each name: marks are made once per task, over the first model that could be asked."""
    return list({score.key: score for score in reversed(scores)}.values())[::-1]
