"""Does what happens follow what was imagined? Plan-execution agreement (PEA) and foresight-conditioned success (FCS).

PEA = 1 - |imagined - real|^2 / |start - real|^2 per executed chunk, in units of sigma: the skill over "nothing will
change", so that a frozen imagination earns 0. An episode follows its foresight (F) if its pooled PEA reaches a
threshold; FCS is the share of starts that were solved *and* foreseen, never above the success rate.

Where states are read off frames, the same reading of the *real* frames is the ceiling. A readout whose own agreement does not
reach the threshold would call every plan wrong: then neither number is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from ..log import Score
from ..metric import Evidence, Foresight, Metric, entities, moved, sigma, stacked
from ..statistics import clopper_pearson, cluster_bootstrap, median_of_clusters, wilson

THRESHOLD = 0.5
"""pooled PEA from which an episode counts as foreseen"""
TAUS = (0.25, 0.5, 0.75)
GROUPS_USED = ("robot", "object")


def scales_of(evidence: Evidence) -> Mapping[str, float]:
    """Sigma per entity: as given, or from the real displacements at hand."""
    foresight = evidence.foresight
    assert foresight is not None
    return {e.name: evidence.scales.get(e.name) or sigma(e, foresight.real[e.name] - foresight.start[e.name])
            for e in evidence.spec.entities if e.name in foresight.real}


def errors(evidence: Evidence, imagined: Mapping[str, ndarray],
           groups: Sequence[str] = GROUPS_USED) -> tuple[Float[ndarray, "J 2"], Bool[ndarray, "J"], ndarray]:
    """Per executed chunk: (squared error, squared displacement); whether anything really moved; the episode."""
    foresight, scales = evidence.foresight, scales_of(evidence)
    assert foresight is not None
    chunks, index = np.unique(foresight.chunk, return_inverse=True)
    sums, motion = np.zeros((len(chunks), 2)), np.zeros(len(chunks), bool)
    for group in groups:
        chosen = entities(evidence.spec, group, imagined)
        if not chosen:
            continue
        made, real, start = (stacked(evidence.spec, group, v, scales) for v in (imagined, foresight.real, foresight.start))
        for column, gap in enumerate((made - real, start - real)):
            sums[:, column] += np.bincount(index, (gap**2).sum(-1), len(chunks))
        for entity in chosen:
            motion[index[moved(entity, foresight.real[entity.name] - foresight.start[entity.name])]] = True
    episode = np.zeros(len(chunks), int)
    episode[index] = foresight.episode
    return sums, motion, episode


def blurred(evidence: Evidence, groups: Sequence[str] = GROUPS_USED) -> str:
    """Why the readout cannot judge plans about these groups; empty if it can, or where states are known exactly."""
    foresight = evidence.foresight
    assert foresight is not None
    if foresight.ceiling is None:
        return ""
    sums, motion, _ = errors(evidence, foresight.ceiling, groups)
    reached = float(_skill(sums[motion].sum(0, keepdims=True))[0]) if motion.any() else 1.0
    return "" if reached >= THRESHOLD else (
        f"the readout cannot judge it: its own agreement with the truth, on real frames, is {reached:.2f}, below {THRESHOLD}")


def _skill(sums: Float[ndarray, "... 2"]) -> Float[ndarray, "..."]:
    return 1 - sums[..., 0] / sums[..., 1]


def _per_episode(sums: ndarray, motion: ndarray, episode: ndarray, number: int) -> Float[ndarray, "E 2"]:
    """Sums pooled over the chunks of an episode in which something moved."""
    return np.stack([np.bincount(episode[motion], sums[motion, i], number) for i in range(2)], -1).astype(np.float64)


def pea(evidence: Evidence) -> Sequence[Score]:
    """Median over chunks, pooled values and coverage."""
    foresight = evidence.foresight
    assert foresight is not None and evidence.episodes is not None
    if not len(foresight.chunk):
        return (evidence.score("pea", None, unavailable="no imagined step was reached before the next decision"),)
    sums, motion, episode = errors(evidence, foresight.imagined)
    coverage = np.bincount(episode, motion), np.bincount(episode)
    used = np.unique(episode)
    scores = [evidence.score("pea.coverage", cluster_bootstrap(np.stack(coverage, -1)[used].astype(float),
                                                               lambda s: s[..., 0] / s[..., 1]) or float(motion.mean()),
                             n=len(used), unit="share")]
    if not motion.any():
        return [evidence.score("pea", None, unavailable="nothing moved in any executed chunk"), *scores]
    why = blurred(evidence)
    if why:
        scores += [evidence.score(name, None, unavailable=why) for name in ("pea", "pea.pooled")]
    else:
        median, n = median_of_clusters(_skill(sums[motion]), episode[motion])
        scores.insert(0, evidence.score("pea", median or float(np.median(_skill(sums[motion]))), n=n,
                                        note=f"{int(motion.sum())} executed chunks"))
        scores.append(_pooled(evidence, "pea.pooled", sums, motion, episode))
    for group in GROUPS_USED:
        known = entities(evidence.spec, group, foresight.imagined)
        why = blurred(evidence, (group,)) if known else "the task has no entity of this kind"
        scores.append(evidence.score(f"pea.{group}", None, unavailable=why) if why
                      else _pooled(evidence, f"pea.{group}", *errors(evidence, foresight.imagined, (group,))))
    if foresight.ceiling is not None:
        scores.append(_pooled(evidence, "pea.ceiling", *errors(evidence, foresight.ceiling)))
    return scores


def _pooled(evidence: Evidence, name: str, sums: ndarray, motion: ndarray, episode: ndarray) -> Score:
    pooled = _per_episode(sums, motion, episode, int(episode.max()) + 1)
    pooled = pooled[pooled[:, 1] > 0]
    if not len(pooled):
        return evidence.score(name, None, unavailable="it did not move in any executed chunk")
    value = cluster_bootstrap(pooled, _skill) or float(_skill(pooled.sum(0, keepdims=True))[0])
    return evidence.score(name, value, n=len(pooled))


def foreseen(evidence: Evidence, imagined: Mapping[str, ndarray]) -> Float[ndarray, "E"]:
    """Pooled PEA per episode; -inf where nothing moved (an idle episode foresees nothing)."""
    assert evidence.episodes is not None
    pooled = _per_episode(*errors(evidence, imagined), number=len(evidence.episodes))
    return np.where(pooled[:, 1] > 0, 1 - pooled[:, 0] / np.maximum(pooled[:, 1], 1e-300), -np.inf)


def fcs(evidence: Evidence) -> Sequence[Score]:
    """FCS with its companions; starts that were already solved are left out."""
    foresight = evidence.foresight
    assert foresight is not None and evidence.episodes is not None
    tried = np.array([not e.success[0] for e in evidence.episodes], bool)
    if not tried.any():
        return (evidence.score("fcs", None, unavailable="there are no episodes that were not solved from the start"),)
    solved = np.array([e.solved for e in evidence.episodes], bool)[tried]
    why = blurred(evidence)
    hopes = _imagined_success(evidence, foresight, tried, solved, why)
    ceiling = () if foresight.ceiling is None else (
        _share(evidence, "fcs.ceiling", solved & (foreseen(evidence, foresight.ceiling)[tried] >= THRESHOLD)),)
    if why:  # where nothing was solved there is nothing to judge: then it is 0, whatever was foreseen
        known = evidence.score("fcs", None, unavailable=why) if solved.any() else _share(evidence, "fcs", solved)
        return (known, *ceiling, *hopes)
    skill = foreseen(evidence, foresight.imagined)[tried]
    follows = skill >= THRESHOLD
    scores = [_share(evidence, "fcs", solved & follows), _share(evidence, "fcs.followed", follows),
              _share(evidence, "fcs.lucky", ~follows[solved], "no start was solved")]
    if follows.any() and not follows.all():
        lift = float(solved[follows].mean() - solved[~follows].mean())
        scores.append(evidence.score("fcs.lift", lift, n=len(solved), note="confounded by how hard a start is"))
    else:
        scores.append(evidence.score("fcs.lift", None, unavailable="all episodes are alike in following their foresight"))
    scores += [_share(evidence, f"fcs.tau{round(100 * tau)}", solved & (skill >= tau)) for tau in TAUS]
    grid = np.linspace(0, 1, 101)
    scores.append(evidence.score("fcs.integrated", float((solved & (skill >= grid[:, None])).mean()), n=len(solved)))
    return [*scores, *ceiling, *hopes]


def _imagined_success(evidence: Evidence, foresight: Foresight, tried: ndarray, solved: ndarray,
                      blurred: str) -> Sequence[Score]:
    """What was hoped for against what came; withheld where the readout is too blurred, but for its own error, the floor."""
    scores = []
    readings = {"": foresight.imagined_success, ".floor": foresight.read_success}
    for suffix, reading in readings.items():
        for name, row in (("optimism", lambda hoped: hoped & ~solved), ("pessimism", lambda hoped: ~hoped & solved)):
            why = blurred if reading is not None and not suffix else ""
            if reading is None or why:
                why = why or "success cannot be read from the frames"
                scores.append(evidence.score(f"fcs.{name}{suffix}", None, unavailable=why))
            else:
                scores.append(_share(evidence, f"fcs.{name}{suffix}", row(reading[tried])))
    return scores


def _share(evidence: Evidence, name: str, hits: Bool[ndarray, "E"], why: str = "") -> Score:
    if not len(hits):
        return evidence.score(name, None, unavailable=why or "there are no episodes")
    interval = clopper_pearson if name == "fcs" else wilson
    return evidence.score(name, float(hits.mean()), interval(int(hits.sum()), len(hits)), n=len(hits), unit="share")


METRICS = (
    Metric("pea", ("episodes", "foresight"), pea, "higher", (-float("inf"), 1),
           "skill of the imagined plan over 'nothing will change', per executed chunk", "plan-execution agreement", children={
               "pooled": "errors added up before dividing", "robot": "for the robot alone", "object": "for the object alone",
               "coverage": "share of chunks in which anything moved", "ceiling": "what the readout reaches on real frames"}),
    Metric("fcs", ("episodes", "foresight"), fcs, "higher", (0, 1), "share of starts that were solved as foreseen",
           "foresight-conditioned success, threshold 0.5 on the pooled agreement", "share", children={
               "followed": "share of episodes that went as imagined", "lucky": "share of successes that were not foreseen",
               "lift": "success with foresight minus success without", "integrated": "mean over all thresholds from 0 to 1",
               "optimism": "success imagined, failure had", "pessimism": "failure imagined, success had",
               "ceiling": "with the readout of real frames as imagination", "tau<t>": "at another threshold (in hundredths)",
               "<name>.floor": "the same for the readout of real frames: its own error"}),
)
