"""Does more of an action imagine more of its effect? The ladder of doses: none (null), part of the factual motion, all of it.

The response m(u) to the share u of the factual motion is the last displacement, projected on the true displacement that
the whole motion causes. It is signed, so that moving the wrong way earns nothing. Contexts in which the whole motion moves
nothing are not asked. Letters: C contexts, U doses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..log import Score
from ..metric import Evidence, Metric, entities, positions
from .causal import HEADLINE, LEAST_CONTEXTS, estimate, scales_of

LEAST_DOSES = 3


def ladder(kinds: Sequence[str]) -> list[tuple[float, int]]:
    """(share of the factual motion, position in `kinds`), from none to most; only doses that are not negative."""
    found = {"null": 0.0, "factual": 1.0} | {name: float(name.split()[1]) for name in kinds if name.startswith("dose ")}
    return sorted((found[name], place) for place, name in enumerate(kinds) if name in found and found[name] >= 0)


def kendall(imagined: Float[ndarray, "C U"], real: Float[ndarray, "C U"], tie: float) -> Float[ndarray, "C 3"]:
    """Per context over all pairs of doses: agreeing minus disagreeing ones, pairs that differ in imagination, in truth.
    A difference of at most `tie` is a tie. Their sums give Kendall's tau-b."""
    first, second = np.triu_indices(imagined.shape[1], 1)
    a, b = (np.where(np.abs(gap := m[:, second] - m[:, first]) > tie, np.sign(gap), 0) for m in (imagined, real))
    return np.stack([(a * b).sum(1), (a * a).sum(1), (b * b).sum(1)], -1)


def tau_b(sums: Float[ndarray, "... 3"]) -> Float[ndarray, "..."]:
    """Kendall's tau-b of pooled pairs; 0 where the imagination does not respond at all."""
    return np.where(sums[..., 1] == 0, 0.0, sums[..., 0] / np.sqrt(np.maximum(sums[..., 1] * sums[..., 2], 1e-300)))


def responses(evidence: Evidence, group: str) -> dict[str, Float[ndarray, "C Q"]]:
    """Sums per context: for tau (3), for the slope (imagined, true), for violations (count, cases), for the skill (error,
    spread). Empty if the ladder or the group is not there."""
    effects = evidence.effects
    assert effects is not None
    steps, scales = ladder(effects.kinds), scales_of(evidence)
    chosen = entities(evidence.spec, group, effects.imagined)
    if len(steps) < LEAST_DOSES or not chosen:
        return {}
    doses, places = np.array([u for u, _ in steps]), [place for _, place in steps]
    found = {name: np.zeros((len(effects.strata), width)) for name, width in
             (("tau", 3), ("slope", 2), ("violations", 2), ("skill", 2), ("asked", 1))}
    for entity in chosen:
        p, unit = positions(entity), scales[entity.name]
        start = effects.start[entity.name][:, None, :p]
        made, real = (values[entity.name][:, places, -1, :p] - start for values in (effects.imagined, effects.real))
        whole = real[:, -1] - real[:, 0]
        length = np.linalg.norm(whole, axis=-1, keepdims=True)
        asked = length[:, 0] > entity.tolerance
        along = (whole / np.maximum(length, 1e-30))[:, None]
        m, truth = ((values * along).sum(-1)[asked] / unit for values in (made, real))
        tie = entity.tolerance / unit
        up, true_up = np.diff(m), np.diff(truth)
        centre = doses - doses.mean()
        rest, true_rest = (x - x.mean(1, keepdims=True) for x in (m, truth))
        found["tau"][asked] += kendall(m, truth, tie)
        found["slope"][asked] += np.stack([(x - x[:, :1]) @ centre for x in (m, truth)], -1)  # exactly 0 where all are equal
        found["violations"][asked] += np.stack([((up < -tie) & (true_up >= -tie)).sum(1), (true_up >= -tie).sum(1)], -1)
        found["skill"][asked] += np.stack([((rest - true_rest) ** 2).sum(1), (true_rest**2).sum(1)], -1)
        found["asked"][asked] += 1
    return found


def _ratio(sums: ndarray) -> ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


PARTS: Mapping[str, Callable[[ndarray], ndarray]] = {
    "tau": tau_b, "slope": _ratio, "violations": _ratio, "skill": lambda s: 1 - _ratio(s)}


def dose(evidence: Evidence) -> Sequence[Score]:
    """Per group tau, slope ratio, violations and skill; the headline is tau averaged over robot and object."""
    groups = {group: responses(evidence, group) for group in HEADLINE}
    scores, reasons = [], []
    for group, found in groups.items():
        asked = int(np.count_nonzero(found["asked"])) if found else 0
        why = "" if asked >= LEAST_CONTEXTS else (
            f"the whole motion moves it in {asked} contexts, fewer than {LEAST_CONTEXTS}" if found
            else f"it takes {LEAST_DOSES} doses of the factual motion and a thing of this kind")
        reasons += [f"{group}: {why}"] if why else []
        for part, function in PARTS.items():
            name = f"dose.{group}.{part}"
            unit = "share" if part == "violations" else ""
            scores.append(evidence.score(name, None, unavailable=why) if why
                          else estimate(evidence, name, found[part], function, unit=unit))
    if reasons:
        return [evidence.score("dose", None, unavailable="; ".join(reasons)), *scores]
    both = np.concatenate([groups[group]["tau"] for group in HEADLINE], -1)
    return [estimate(evidence, "dose", both, lambda s: tau_b(s.reshape(*s.shape[:-1], 2, 3)).mean(-1)), *scores]


METRICS = (
    Metric("dose", ("effects",), dose, "higher", (-1, 1),
           "does more of the action imagine more of its effect: 1 as in truth, 0 no response, -1 the reverse",
           "Kendall's tau-b of imagined against true response, pooled over contexts", children={
               "<group>.tau": "for one kind of thing", "<group>.slope": "imagined over true response per dose (1 is right)",
               "<group>.violations": "share of steps up the ladder where the imagined effect falls and the true one does not",
               "<group>.skill": "1 - squared error of the response: ignoring the dose 0"}),
)
