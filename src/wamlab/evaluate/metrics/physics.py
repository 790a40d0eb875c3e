"""Laws of physics in the scenes made for them (tasks "physics/..."), from simulator truth, as the excess over the
simulator's own: 0 for what really happens, above 0 for what breaks the law. What models imagine is read by the readout;
what it makes of true frames is told as the ceiling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..eyes.physics.film import PREFIX, film_of, scene_of
from ..eyes.physics.laws import LAWS, Law
from ..eyes.physics.pixels import compare
from ..log import Score
from ..metric import Evidence, Metric
from ..statistics import cluster_bootstrap, mean_of_clusters

NO_SCENE = f"the task is none of the physics scenes ({PREFIX}drop and so on)"
NOTHING = {"permanence": "no thing is seen in any true frame", "phantom": "no thing is hidden in any true frame",
           "shape": "no thing is seen in both"}
LEAST = 3
"""contexts in which a law must be asked"""


def physics(evidence: Evidence) -> Sequence[Score]:
    """One score per law of the scene, with the readout's ceiling."""
    effects, scene = evidence.effects, scene_of(evidence.spec)
    assert effects is not None
    if scene is None:
        return (evidence.score("physics", None, unavailable=NO_SCENE),)
    missing = [thing.name for thing in scene.things if thing.name not in effects.imagined]
    if missing or "robot" not in effects.imagined:
        return (evidence.score("physics", None, unavailable=f"no states of {', '.join(missing) or 'the hand'} are known"),)
    real = film_of(effects, evidence.spec, scene, effects.real)
    sources = {"": effects.imagined} | ({} if effects.ceiling is None else {".ceiling": effects.ceiling})
    films = {suffix: film_of(effects, evidence.spec, scene, states) for suffix, states in sources.items()}
    scores: list[Score] = []
    for name, law in LAWS.items():
        if evidence.spec.task.removeprefix(PREFIX) in law.scenes:
            own = law.measure(real, real)
            scores += [_excess(evidence, f"physics.{name}{suffix}", law, law.measure(film, real), own)
                       for suffix, film in films.items()]
    return scores


def _excess(evidence: Evidence, name: str, law: Law, shown: Float[ndarray, "C K"], own: Float[ndarray, "C K"]) -> Score:
    asked = np.isfinite(shown) & np.isfinite(own)
    contexts = int(asked.any(1).sum())
    if contexts < LEAST:
        return evidence.score(name, None, unavailable=f"the law can be asked in {contexts} contexts, fewer than {LEAST}")
    excess = np.where(asked, shown - np.where(asked, own, 0), 0)
    sums = np.stack([excess.sum(1), asked.sum(1)], -1)
    estimate = cluster_bootstrap(sums, lambda s: s[..., 0] / s[..., 1])
    note = f"{int(asked.sum())} cases; the simulator's own: {own[asked].mean():.3g}"
    return evidence.score(name, estimate or float(sums[:, 0].sum() / sums[:, 1].sum()), n=contexts, unit=law.unit, note=note)


def appearance(evidence: Evidence) -> Sequence[Score]:
    """Do things stay what they are in the pictures: there (permanence), and of their form (shape)?"""
    frames, scene = evidence.frames, scene_of(evidence.spec)
    assert frames is not None
    if scene is None:
        return (evidence.score(f"{frames.prefix}appearance", None, unavailable=NO_SCENE),)
    found = {"": compare(frames.imagined, frames.real, scene), ".copy": compare(frames.current, frames.real, scene)}
    scores = []
    for row, values in found.items():
        for name, per_frame in values.items():
            usable, full = np.isfinite(per_frame), f"{frames.prefix}appearance.{name}{row}"
            if not usable.any():
                scores.append(evidence.score(full, None, unavailable=NOTHING[name]))
                continue
            estimate, clusters = mean_of_clusters(per_frame[usable], frames.cluster[usable], resamples=2000)
            scores.append(evidence.score(full, estimate or float(per_frame[usable].mean()), n=clusters, unit="share",
                                         note=f"{int(usable.sum())} frames"))
    return scores


_CEILING: Mapping[str, str] = {"ceiling": "what the readout makes of true frames"}
METRICS = (
    Metric("physics", ("effects",), physics, "lower", (-1, 1e9), "do imagined futures keep the laws of physics",
           "laws from simulator truth, excess over the simulator's own",
           children={name: law.meaning for name, law in LAWS.items()} | {f"{name}.ceiling": _CEILING["ceiling"]
                                                                        for name in LAWS}),
    Metric("appearance", ("frames",), appearance, "lower", (0, 1), "do things stay there and keep their form in the pictures",
           "colour masks against the true frame", "share", children={
               "permanence": "share of things seen in truth that have vanished",
               "phantom": "share of things hidden in truth that are seen",
               "shape": "1 - overlap of form and size, wherever the thing is",
               "permanence.copy": "the same for copying the last frame seen",
               "phantom.copy": "the same for copying the last frame seen",
               "shape.copy": "the same for copying the last frame seen"}),
)
