"""Does the imagined future follow the action? Concordance of imagined with true effects, in state space (CC-A2F).

From each saved state several actions are tried. Everything that they share is taken away (centring within the
context); what is left is the effect of the choice of action, imagined against true, in units of sigma per entity.
Definitions: the reference page on causal consistency, sections 6 and 7.1. Letters: see `base`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from ..log import Score
from ..metric import GROUPS, Effects, Evidence, Metric, entities, moved, sigma, stacked
from ..statistics import cluster_bootstrap

HEADLINE = ("robot", "object")
BEHAVIOUR = {"like_expert": ("factual", "null", "dose 0.25", "dose 0.5"),
             "unlike_expert": ("reverse", "turn +90", "turn -90", "random direction", "random chunk")}
"""shares of the expert's own motion, whose like demonstrations show; and what the expert does not do"""
LEAST_CONTEXTS = 3
"""contexts in which something must really depend on the action before a concordance is told"""


def centred(values: Float[ndarray, "C K *rest"]) -> Float[ndarray, "C K *rest"]:
    """Without what all actions of a context share; exactly 0 where they are all equal."""
    apart = values - values[:, :1]
    return apart - apart.mean(1, keepdims=True)


def products(imagined: Float[ndarray, "C K T D"], real: Float[ndarray, "C K T D"]) -> Float[ndarray, "C T 3"]:
    """Per context and offset: <imagined, real>, |imagined|^2 and |real|^2 of the centred effects. All that is needed."""
    a, b = centred(imagined), centred(real)
    return np.stack([(a * b).sum((1, 3)), (a * a).sum((1, 3)), (b * b).sum((1, 3))], axis=-1)


def concordance(sums: Float[ndarray, "... 3"]) -> Float[ndarray, "..."]:
    """CC = 2 <y^, y*> / (|y^|^2 + |y*|^2), in [-1, 1]: truth 1, ignoring the action 0, mirrored -1, gain g 2g/(1+g^2)."""
    return np.clip(2 * sums[..., 0] / (sums[..., 1] + sums[..., 2]), -1, 1)


def gain(sums: Float[ndarray, "... 3"]) -> Float[ndarray, "..."]:
    """g = <y^, y*> / |y*|^2: how large the imagined effect is along the true one."""
    return sums[..., 0] / sums[..., 2]


def r2_within(sums: Float[ndarray, "... 3"]) -> Float[ndarray, "..."]:
    """1 - |y^ - y*|^2 / |y*|^2: ignoring the action 0, garbage below 0. Equals 1 - (1 - gain)^2 - leakage."""
    return 1 - (sums[..., 1] - 2 * sums[..., 0] + sums[..., 2]) / sums[..., 2]


def leakage(sums: Float[ndarray, "... 3"]) -> Float[ndarray, "..."]:
    """|y^ - g y*|^2 / |y*|^2: imagined effect that is not along the true one."""
    return (sums[..., 1] - sums[..., 0] ** 2 / sums[..., 2]) / sums[..., 2]


PARTS: dict[str, Callable[[ndarray], ndarray]] = {"": concordance, ".gain": gain, ".leakage": leakage, ".r2": r2_within}


def scales_of(evidence: Evidence) -> Mapping[str, float]:
    """Sigma per entity: as given, or from the true effects at hand."""
    effects = evidence.effects
    assert effects is not None
    return {e.name: evidence.scales.get(e.name) or sigma(e, effects.real[e.name] - effects.start[e.name][:, None, None])
            for e in evidence.spec.entities if e.name in effects.real}


def why_not(evidence: Evidence, group: str) -> str:
    """Why no concordance can be told for a group; empty if one can."""
    effects = evidence.effects
    assert effects is not None
    chosen = entities(evidence.spec, group, effects.imagined)
    if not chosen:
        return f"the task has no entity of this kind ({', '.join(GROUPS[group])})"
    if len(effects.strata) < LEAST_CONTEXTS or len(effects.kinds) < 2:
        return f"fewer than {LEAST_CONTEXTS} contexts or 2 actions"
    for entity in chosen:
        for values in (effects.imagined, effects.real):
            if not np.isfinite(values[entity.name]).all():
                return f"numbers of {entity.name} are not finite"
    return too_few(depends(evidence, group))


def depends(evidence: Evidence, group: str, actions: Sequence[int] | slice = slice(None)) -> Bool[ndarray, "C"]:
    """In which contexts something of a group is really moved apart by the choice among these actions."""
    effects = evidence.effects
    assert effects is not None
    found = np.zeros(len(effects.strata), bool)
    for entity in entities(evidence.spec, group, effects.real):
        found |= moved(entity, centred(effects.real[entity.name][:, actions])).any((1, 2))
    return found


def too_few(depending: Bool[ndarray, "C"]) -> str:
    """Why no concordance is told; empty if it can be."""
    return "" if depending.sum() >= LEAST_CONTEXTS else (
        f"what happens to it hardly depends on the action: in {int(depending.sum())} of {len(depending)} contexts")


def _products(evidence: Evidence, group: str, imagined: Mapping[str, ndarray],
              actions: Sequence[int] | slice = slice(None)) -> Float[ndarray, "C T 3"]:
    effects, scales = evidence.effects, scales_of(evidence)
    assert effects is not None
    made, real = (stacked(evidence.spec, group, states, scales)[:, actions] for states in (imagined, effects.real))
    return products(made, real)


def cc_a2f(evidence: Evidence) -> Sequence[Score]:
    """The headline (mean over robot and object) and, per group, its parts, ceiling, horizon and strata."""
    effects = evidence.effects
    assert effects is not None
    reasons = {group: why_not(evidence, group) for group in GROUPS}
    scores = _beside_ceiling([*_headline(evidence, reasons, effects)])
    for group, why in reasons.items():
        name = f"cc.{group}"
        if why:
            scores += [evidence.score(name + part, None, unavailable=why) for part in PARTS]
            continue
        sums = _products(evidence, group, effects.imagined)
        found = [estimate(evidence, name + part, sums.sum(1), function) for part, function in PARTS.items()]
        if effects.ceiling is not None:
            ceiling = _products(evidence, group, effects.ceiling).sum(1)
            found.append(estimate(evidence, name + ".ceiling", ceiling, concordance))
        scores += _beside_ceiling(found)
        for number, offset in enumerate(effects.offsets):
            scores.append(estimate(evidence, f"{name}.at{offset}", sums[:, number], concordance))
        scores += _parts(evidence, group, sums)
    return scores


def _parts(evidence: Evidence, group: str, sums: Float[ndarray, "C T 3"]) -> Iterator[Score]:
    """The same among contexts of one kind, and among actions of one kind, where these are enough."""
    effects, depending = evidence.effects, depends(evidence, group)
    assert effects is not None
    parts = {}
    for stratum in dict.fromkeys(effects.strata):
        inside = np.array([s == stratum for s in effects.strata])
        parts[stratum] = sums[inside], depending[inside]
    for kind, members in BEHAVIOUR.items():
        if len(actions := [k for k, action in enumerate(effects.kinds) if action in members]) > 1:
            parts[kind] = _products(evidence, group, effects.imagined, actions), depends(evidence, group, actions)
    for part, (inner, enough) in parts.items():
        name, why = f"cc.{group}.{part}", too_few(enough)
        yield evidence.score(name, None, unavailable=why) if why else estimate(evidence, name, inner.sum(1), concordance)


def _beside_ceiling(scores: Sequence[Score]) -> list[Score]:
    """The first of them with what the readout reaches on true frames, the last, in its note."""
    first, *rest = scores
    if not rest or not rest[-1].metric.endswith(".ceiling") or rest[-1].value is None or first.value is None:
        return [*scores]
    return [replace(first, note=f"the readout reaches {rest[-1].value:.2f} on true frames"), *rest]


def _headline(evidence: Evidence, reasons: Mapping[str, str], effects: Effects) -> Iterator[Score]:
    why = "; ".join(f"{group}: {reasons[group]}" for group in HEADLINE if reasons[group])
    sources = {"cc": effects.imagined} | ({} if effects.ceiling is None else {"cc.ceiling": effects.ceiling})
    for name, imagined in sources.items():
        if why:
            yield evidence.score(name, None, unavailable=why)
        else:
            sums = np.stack([_products(evidence, group, imagined).sum(1) for group in HEADLINE], 1)
            yield estimate(evidence, name, sums.reshape(len(sums), -1),
                            lambda s: concordance(s.reshape(-1, 2, 3)).mean(-1))


def estimate(evidence: Evidence, name: str, sums: Float[ndarray, "C Q"], function: Callable[[ndarray], ndarray],
             **more: Any) -> Score:
    """A score of a statistic of sums over contexts with its bootstrap interval; unavailable where it is 0 / 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(function(sums.sum(0, keepdims=True))[0])
    if not np.isfinite(value):
        return evidence.score(name, None, unavailable="neither the truth nor the imagination depends on the action here")
    return evidence.score(name, cluster_bootstrap(sums, function) or value, n=len(sums), **more)


_SOURCE = "causal concordance: concordance correlation (Lin 1989), uncentred, on within-context effects"
METRICS = (
    Metric("cc", ("effects",), cc_a2f, "higher", (-1, 1),
           "does the imagined future follow the action: 1 as in truth, 0 not at all, -1 the wrong way", _SOURCE,
           main=("", ".robot", ".object"), children={
               "robot": "for the robot", "object": "for what is there to be manipulated", "bystander": "for the rest",
               "<group>.gain": "size of the imagined effect along the true one (1 is right)",
               "<group>.leakage": "imagined effect that is not along the true one",
               "<group>.r2": "1 - squared error of effects: below 0 is worse than ignoring the action",
               "ceiling": "what the readout reaches on true frames",
               "<group>.ceiling": "what the readout reaches on true frames",
               "<group>.at<n>": "that many control steps ahead",
               "<group>.<stratum>": "among contexts that are free, near contact or in contact",
               "<group>.like_expert": "among actions near the expert's own: shares of its motion",
               "<group>.unlike_expert": "among actions that the expert does not take: turned, reversed, random"}),
)
