"""Does success need the imagination? The same starts in closed loop with another future shown, or another judge of choices.

Paired differences of success rates; an arm that differs by nothing but its future differs from the other for no other reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..evidence import Trials
from ..log import Score
from ..metric import Evidence, Metric
from ..statistics import clopper_pearson, mcnemar, tango


def rate(evidence: Evidence, trials: Trials, name: str, arm: str) -> Score:
    """Share of starts that an arm solved."""
    if arm not in trials.solved:
        return evidence.score(name, None, unavailable=trials.missing.get(arm, f"no start was tried with {arm}"))
    solved = trials.solved[arm]
    if not len(solved):
        return evidence.score(name, None, unavailable="every start was already solved")
    interval = clopper_pearson(int(solved.sum()), len(solved))
    return evidence.score(name, float(solved.mean()), interval, n=len(solved), unit="share")


def difference(evidence: Evidence, trials: Trials, name: str, first: str, second: str) -> Score:
    """Success with the first arm minus success with the second, with the exact test in the note."""
    for arm in (first, second):
        if (told := rate(evidence, trials, name, arm)).value is None:
            return told
    one, two = trials.solved[first], trials.solved[second]
    only_first, only_second, n = int((one & ~two).sum()), int((two & ~one).sum()), len(one)
    return evidence.score(name, (only_first - only_second) / n, tango(only_first, only_second, n), n=n, unit="share",
                          note=f"{first} {one.mean():.0%}, {second} {two.mean():.0%} of the same starts; "
                               f"McNemar p = {mcnemar(only_first, only_second):.3g}")


def necessity(evidence: Evidence) -> Sequence[Score]:
    """Own against swapped future; oracle against own; a sham change, which must do nothing."""
    trials = evidence.trials
    assert trials is not None
    return (difference(evidence, trials, "necessity", "own", "swapped"),
            difference(evidence, trials, "necessity.headroom", "oracle", "own"),
            difference(evidence, trials, "necessity.sham", "own", "sham"),
            *(rate(evidence, trials, f"necessity.{arm}.success", arm) for arm in ("own", "swapped", "oracle")))


def planning(evidence: Evidence) -> Sequence[Score]:
    """What a planner loses that judges by imagination; chance is the measure of how much could be lost."""
    trials = evidence.trials
    assert trials is not None
    return (difference(evidence, trials, "planning", "truth", "imagination"),
            difference(evidence, trials, "planning.chance", "truth", "chance"),
            *(rate(evidence, trials, f"planning.{arm}.success", arm) for arm in ("truth", "imagination")))


METRICS = (
    Metric("necessity", ("trials",), necessity, "higher", (-1, 1),
           "success that is lost when the policy is shown another scene's future in place of its own: 0 it does not need it",
           "foresight necessity: paired starts in closed loop, futures exchanged before acting", "share",
           children={"headroom": "success that is won when it is shown what the expert will bring about",
                     "sham": "success that is lost by an imperceptible change of its own future (must be about 0)",
                     "own.success": "success when it acts from its own future, imagined first",
                     "swapped.success": "success with another scene's future",
                     "oracle.success": "success with the expert's future"}),
    Metric("planning", ("trials",), planning, "lower", (-1, 1),
           "success that a planner loses when it judges by imagination and not by truth: 0 none",
           "counterfactual planning gap: the same planner with true and with imagined outcomes", "share",
           children={"chance": "the same for choosing by chance: what there is to lose",
                     "truth.success": "success of choosing by truth",
                     "imagination.success": "success of choosing by imagination"}),
)
