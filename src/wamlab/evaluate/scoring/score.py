"""From what was recorded to scores: rollouts and branches of one model on one task through every metric.

Everything here is a function of files (episodes, branches, imagined futures, a readout), so a saved log can be scored
again. What a model cannot do gives scores that say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy import ndarray

from ...errors import WamError
from ...models.base import WorldActionModel
from ...spec import EntitySpec, TaskSpec
from ...types import Episode
from ..ask.actions import parting
from ..ask.branch_data import Branches
from ..ask.imagining import Futures, imagine_branches
from ..ask.manifest import NO_FUTURE, NO_IMAGINATION
from ..eyes.readout import Readout
from ..log import Score
from ..metric import moved, positions
from ..metrics import Effects, Evidence, Foresight, FramePairs, Metric, discover
from ..statistics import mcnemar, tango

NO_READOUT = "no readout was given to read states from frames"


def score_rollouts(model: str, spec: TaskSpec, episodes: Sequence[Episode], *, readout: Readout | None = None,
                   scales: Mapping[str, float] | None = None, metrics: Sequence[Metric] | None = None) -> tuple[Score, ...]:
    """Success, latency, and how a policy's imagination compares with what its own actions did.

    Args:
        scales: sigma per entity, such as `Branches.scales()`, so that models are measured in the same unit.
        metrics: all of the package if None; those that need branches are left out.
    """
    frames, foresight, missing = evidence_of(spec, episodes, readout)
    evidence = Evidence(model, spec, tuple(episodes), frames, foresight, scales=scales or {}, missing=missing)
    return measured(metrics, evidence, ("episodes", "frames", "foresight"))


def evidence_of(spec: TaskSpec, episodes: Sequence[Episode],
                readout: Readout | None) -> tuple[FramePairs | None, Foresight | None, dict[str, str]]:
    """Imagined frames of executed plans beside the real ones, in pixels and in state space.

    A step that a plan shows is compared if it was reached before the next decision replaced the plan.
    """
    camera = spec.cameras[0]
    rows: list[tuple[int, int, int, int, int]] = []
    imagined: list[ndarray] = []
    chunk = 0
    for number, episode in enumerate(episodes):
        ends = [plan.step for plan in episode.imagined[1:]] + [len(episode)]  # one too many where nothing was decided
        for plan, end in zip(episode.imagined, ends, strict=False):
            if plan.frames is not None:
                for position, offset in enumerate(plan.offsets):
                    if plan.step + offset <= end:
                        rows.append((number, chunk, plan.step, offset, len(imagined)))
                        imagined.append(plan.frames[position])
            chunk += 1
    if not any(plan.frames is not None for episode in episodes for plan in episode.imagined):
        return None, None, {"frames": NO_FUTURE, "foresight": NO_FUTURE}
    if not rows:
        why = "every plan was replaced before the first step that it shows: execute more actions per decision"
        return None, None, {"frames": why, "foresight": why}
    table = np.array(rows)
    shown = np.stack(imagined)
    now = np.stack([episodes[n].frames[camera][step] for n, _, step, _, _ in rows])
    real = np.stack([episodes[n].frames[camera][step + offset] for n, _, step, offset, _ in rows])
    pairs = FramePairs(shown, real, now, table[:, 3], table[:, 0])
    if readout is None:
        return pairs, None, {"foresight": NO_READOUT}
    names = [e.name for e in spec.entities if e.name in readout.shape.entities and all(e.name in x.truth for x in episodes)]
    start = {n: np.stack([episodes[i].truth[n][step] for i, _, step, _, _ in rows]) for n in names}
    after = {n: np.stack([episodes[i].truth[n][step + offset] for i, _, step, offset, _ in rows]) for n in names}
    raw = {"now": readout.raw(now), "imagined": readout.raw(shown), "real": readout.raw(real)}
    read = {key: readout.split(value) for key, value in raw.items()}
    hoped, seen = (_ever(readout, raw[key], table[:, 0], len(episodes)) for key in ("imagined", "real"))
    foresight = Foresight(table[:, 0], table[:, 1], start, effect(start, read["now"], read["imagined"]), after,
                          effect(start, read["now"], read["real"]), hoped, seen)
    return pairs, foresight, {}


def effect(start: Mapping[str, ndarray], before: Mapping[str, ndarray], after: Mapping[str, ndarray]) -> dict[str, ndarray]:
    """The true start plus the change that was read: a bias of the readout cancels, and a frozen frame moves nothing."""
    return {name: value + (after[name] - before[name]) for name, value in start.items()}


def _ever(readout: Readout, raw: ndarray, episode: ndarray, number: int) -> ndarray | None:
    seen = readout.sees_success(raw)
    return None if seen is None else np.bincount(episode, seen, number) > 0


def score_branches(model: str, branches: Branches, futures: Futures | None, *, readout: Readout | None = None,
                   why: str = "", metrics: Sequence[Metric] | None = None) -> tuple[Score, ...]:
    """How the imagined futures of given actions compare with the true ones, in pixels and in state space.

    Args:
        futures: what `imagine_branches` gave; None if the model could not be asked, and `why` says so.
    """
    kinds = ("frames", "effects")
    if futures is None:
        reason = why or NO_IMAGINATION
        evidence = Evidence(model, branches.spec, missing=dict.fromkeys(kinds, reason))
        scores = [(m, score) for m in _chosen(metrics, kinds) for score in m(evidence)]
        return tuple(replace(s, metric="branch." + s.metric) if "frames" in m.needs else s for m, s in scores)
    effects = None if readout is None else read_effects(branches, futures, readout)
    return measured(metrics, Evidence(model, branches.spec, frames=frame_pairs(branches, futures), effects=effects,
                                  scales=branches.scales(), missing={"effects": NO_READOUT}), kinds)


def frame_pairs(branches: Branches, futures: Futures) -> FramePairs:
    """Imagined and true frames of all branches."""
    places = [branches.protocol.offsets.index(offset) for offset in futures.offsets]
    real = branches.frames[:, :, places]
    contexts, kinds, steps = real.shape[:3]
    now = np.broadcast_to(branches.context_frames[:, -1][:, None, None], real.shape)
    offset = np.tile(np.array(futures.offsets), contexts * kinds)
    made, real, now = (x.reshape(-1, *x.shape[3:]) for x in (futures.frames, real, now))
    return FramePairs(made, real, now, offset, np.repeat(np.arange(contexts), kinds * steps), "branch.")


def read_effects(branches: Branches, futures: Futures, readout: Readout) -> Effects:
    """Imagined and true futures of all branches in state space; the imagined ones through the readout."""
    places = [branches.protocol.offsets.index(offset) for offset in futures.offsets]
    start, real = branches.start(), branches.real(futures.offsets)
    known = [name for name in start if name in readout.shape.entities]
    start = {name: start[name] for name in known}
    before = {name: value[:, None, None] for name, value in readout.states(branches.context_frames[:, -1]).items()}
    base = {name: value[:, None, None] for name, value in start.items()}
    made = effect(base, before, readout.states(futures.frames))
    ceiling = effect(base, before, readout.states(branches.frames[:, :, places]))
    noise = {name: still_noise(branches.spec.entity(name), ceiling[name] - base[name], real[name] - base[name])
             for name in known}
    return Effects(start, made, {name: real[name] for name in known}, futures.offsets, branches.protocol.actions,
                   branches.strata, ceiling, noise, step=branches.step, onset=parting(branches.protocol.horizon))


def still_noise(entity: EntitySpec, read: ndarray, real: ndarray) -> float:
    """What a readout of true frames makes of things that stand still: it stays below this in 95 of 100 branches."""
    still = ~moved(entity, real).any(-1)
    if not still.any():
        return 0.0
    return float(np.quantile(np.linalg.norm(read[still][..., :positions(entity)], axis=-1).max(-1), 0.95))


def true_effects(branches: Branches, offsets: tuple[int, ...] | None = None) -> Effects:
    """The effects that an oracle in state space imagines."""
    offsets = offsets or branches.protocol.offsets
    real = branches.real(offsets)
    return Effects(branches.start(), real, real, offsets, branches.protocol.actions, branches.strata, step=branches.step,
                   onset=parting(branches.protocol.horizon))


def score_model(name: str, model: WorldActionModel, branches: Branches, *, readout: Readout | None = None,
                seed: int = 0, metrics: Sequence[Metric] | None = None) -> tuple[tuple[Score, ...], Futures | None]:
    """Ask a model and score what it imagined; a model that cannot be asked gets scores that say why."""
    try:
        futures = imagine_branches(model, branches, seed=seed)
    except WamError as error:
        return score_branches(name, branches, None, readout=readout, why=error.problem, metrics=metrics), None
    except Exception as error:  # whatever a model does: the rest of the card goes on
        why = f"the model failed: {type(error).__name__}: {error}"
        return score_branches(name, branches, None, readout=readout, why=why, metrics=metrics), None
    return score_branches(name, branches, futures, readout=readout, metrics=metrics), futures


def score_readout(readout: Readout, spec: TaskSpec) -> tuple[Score, ...]:
    """The readout's audit on held-out true frames, as scores of the model "readout"."""
    evidence, scores = Evidence("readout", spec), []
    for entity in spec.entities:
        audit = readout.audit.get(entity.name)
        for field, unit in (("rmse", entity.units[0]), ("median", entity.units[0]), ("r2", "")):
            name = f"readout.{entity.name}.{field}"
            if audit is None:
                scores.append(evidence.score(name, None, unavailable="no held-out frame shows it"))
            else:
                scores.append(evidence.score(name, vars(audit)[field], n=audit.frames, unit=unit))
    return tuple(scores)


def compare_success(first: str, second: str, spec: TaskSpec, one: Sequence[Episode], two: Sequence[Episode]) -> Score:
    """Paired difference of success rates over the same starts, first minus second, with the exact test in the note."""
    pairs = {int(e.meta["seed"]): e for e in one if not e.success[0]}
    both = [(pairs[int(e.meta["seed"])].solved, e.solved) for e in two if int(e.meta["seed"]) in pairs and not e.success[0]]
    evidence, name = Evidence(first, spec), f"success.paired.{second}"
    if not both:
        return evidence.score(name, None, unavailable="the two have no start in common")
    only_first, only_second = (sum(a and not b for a, b in both), sum(b and not a for a, b in both))
    return evidence.score(name, (only_first - only_second) / len(both), tango(only_first, only_second, len(both)), n=len(both),
                          unit="share", note=f"against {second}: {only_first} starts only here, {only_second} only there, "
                          f"McNemar p = {mcnemar(only_first, only_second):.3g}")


def _chosen(metrics: Sequence[Metric] | None, needs: Sequence[str]) -> list[Metric]:
    """The metrics that need nothing but these parts of the evidence."""
    return [m for m in (discover().values() if metrics is None else metrics) if set(m.needs) <= set(needs)]


def measured(metrics: Sequence[Metric] | None, evidence: Evidence, needs: Sequence[str]) -> tuple[Score, ...]:
    """Every score of the metrics (None: all of the package) that need nothing but these parts of the evidence."""
    return tuple(score for metric in _chosen(metrics, needs) for score in metric(evidence))
