"""Does the action follow the imagination? Futures are offered, and what is done about them is judged by its consequences
(CC-F2A).

The same concordance as CC-A2F, with the true consequences of the model's answers in the place of imagined futures, and the
offered futures in the place of true ones: 1 does what it is shown, 0 does not look. Actions are never compared with actions,
for many of them lead to the same future.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..log import Score
from ..metric import Answers, Effects, Evidence, Metric, entities, stacked
from .causal import HEADLINE, cc_a2f, estimate, scales_of


def as_effects(answers: Answers) -> Effects:
    """Consequences as if imagined, offers as if true."""
    return Effects(answers.start, answers.consequence, answers.offered, answers.offsets, answers.kinds, answers.strata)


def cc_f2a(evidence: Evidence) -> Sequence[Score]:
    """The concordance with its parts, as for CC-A2F, and what the controls say."""
    answers = evidence.answers
    assert answers is not None
    made = replace(evidence, effects=as_effects(answers))
    scores = [replace(s, metric="f2a" + s.metric.removeprefix("cc")) for s in cc_a2f(made)
              if not s.metric.startswith("cc.bystander")]
    return [*scores, *_controls(made, answers)]


def _controls(evidence: Evidence, answers: Answers) -> Sequence[Score]:
    scales = scales_of(evidence)
    groups = [g for g in HEADLINE if entities(evidence.spec, g, answers.offered)]

    def table(values: Mapping[str, ndarray]) -> ndarray:
        return np.concatenate([stacked(evidence.spec, g, values, scales) for g in groups], -1)

    done = {name: table(values) for name, values in answers.controls.items()}
    done["start"] = table({name: value[:, None] for name, value in answers.start.items()})

    def apart(one: str, two: str) -> Float[ndarray, "C"]:
        return np.asarray(((done[one] - done[two]) ** 2).sum((1, 2)))

    def ratio(name: str, over: tuple[str, str], under: tuple[str, str], flip: bool, note: str) -> Score:
        lacking = sorted({*over, *under} - done.keys())
        if lacking:
            why = f"the model could not be offered a future of this kind: {', '.join(lacking)}"
            return evidence.score(f"f2a.{name}", None, unavailable=why)
        sums = np.stack([apart(*over), apart(*under)], -1)
        if sums[:, 1].sum() <= 1e-12:
            why = "a swapped future changes nothing" if "swapped" in under else "it does nothing"
            return evidence.score(f"f2a.{name}", None, unavailable=why)
        return estimate(evidence, f"f2a.{name}", sums, lambda s: 1 - s[..., 0] / s[..., 1] if flip else s[..., 0] / s[..., 1],
                        note=note)

    return (
        ratio("swapped", ("own", "swapped"), ("own", "start"), False, "energy of the change over that of its own doing"),
        ratio("frozen", ("frozen", "start"), ("own", "start"), False, "energy of what it does over that of its own doing"),
        ratio("blocked", ("own", "blocked"), ("own", "start"), False, "energy of the change over that of its own doing"),
        ratio("specificity", ("own", "sham"), ("own", "swapped"), True, "1 - effect of a sham change over that of a swap"))


METRICS = (
    Metric("f2a", ("answers",), cc_f2a, "higher", (-1, 1),
           "does the action follow the future that is offered: 1 brings it about, 0 ignores it, -1 does the reverse",
           "causal concordance of consequences with offered futures (CC-F2A)", main=("", ".robot", ".object"), children={
               "robot": "for the robot", "object": "for what is there to be manipulated",
               "<group>.gain": "size of what is done along what was offered (1 is right)",
               "<group>.leakage": "what is done that is not along what was offered",
               "<group>.r2": "1 - squared error: below 0 is worse than ignoring the offer",
               "<group>.at<n>": "that many control steps ahead", "<group>.<stratum>": "among contexts of one kind",
               "swapped": "how much doing changes when its own future is swapped for another scene's (0: not at all)",
               "frozen": "how much is still done when the offered future shows no change (0: nothing, 1: as much as ever)",
               "blocked": "how much doing changes when it sees no future at all",
               "specificity": "1: an imperceptible change of its future changes nothing, a swap does"}),
)
