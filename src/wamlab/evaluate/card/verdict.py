"""What the numbers say, in words; and only as much as their intervals carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..log import Score
from .degree import degree

Words = Literal["imagines and follows it", "imagines but acts on its own", "decorative future", "no future at test time",
                "not enough evidence"]
Vote = Literal["yes", "no", "unknown"]
THRESHOLD = 0.1
"""below this a concordance or skill counts as none; an interval must lie wholly on one side"""
LEAST = 10
"""contexts or episodes below which an interval carries no verdict"""
CEILING = 0.5
"""a readout that does not reach this on true frames cannot show that an imagination is wrong"""
HALLUCINATES = 0.5
"""share of what stays still that an imagination moves, above which nothing else about it counts as true"""
STILL = ("false_effect", "false_effect.object", "false_effect.bystander")
FAR = ("false_effect.object.far", "false_effect.bystander.far")
NOT_LOOKED_AT = "not enough evidence: whether it meets the protocol's minimum was not looked at; judge the run again"
TRUE = {"cc.robot": "its imagined robot follows a given action", "cc.object": "its imagined object follows a given action"}
FITS = {"specific": "its plans fit their own episode"}
FOLLOWED = {"f2a.robot": "the robot does what an offered future shows",
            "f2a.object": "the object goes where an offered future shows it"}
OBSERVED = {"specific": "what it does agrees with its own plan more than with another's (observed, not intervened)"}


@dataclass(frozen=True)
class Verdict:
    """One of five, with the scores that it rests on."""

    words: Words
    reasons: tuple[str, ...]
    degrees: tuple[str, ...] = ()
    """how true, and how closely followed, where that is known; see `degree`"""


def decide(scores: Iterable[Score], imagines: bool, lacking: Sequence[str] = ()) -> Verdict:
    """The verdict on one model and task.

    Args:
        scores: of that model on that task; those that are not needed are not looked at.
        imagines: whether it imagines when it acts.
        lacking: what the evidence lacks for a verdict that speaks for the model (see `sufficiency`).
    """
    if not imagines:
        return Verdict("no future at test time", ("it acts without imagining, by its wiring",))
    found = {score.metric: score for score in scores}
    true, why_true = is_true(found)
    follows, why_follows = is_followed(found)
    phantoms = hallucinates(found)
    reasons = (*why_true, *phantoms, *(why for why in why_follows if why not in why_true))
    if true == "no":
        return Verdict("decorative future", reasons)
    degrees = tuple(f"{wanted[name]} {told}" for wanted in (TRUE, FOLLOWED) for name in wanted if name in found
                    and not says_nothing(found[name], found) and not worse_than_blind(found[name], found)
                    and (told := degree(name, found)))
    if true == "yes" and not phantoms and follows != "unknown":
        if lacking:
            return Verdict("not enough evidence", (*reasons, *lacking), degrees)
        return Verdict("imagines and follows it" if follows == "yes" else "imagines but acts on its own", reasons, degrees)
    return Verdict("not enough evidence", reasons, degrees)


def is_true(found: Mapping[str, Score]) -> tuple[Vote, tuple[str, ...]]:
    """Whether the imagined future is true; interventions count before what was observed."""
    vote, reasons = weigh(found, TRUE)
    fits, observed = weigh(found, FITS)
    reasons = (*reasons, *observed)
    if not answered(found, TRUE):
        return fits, reasons
    if vote == "no" and fits == "yes":
        return "unknown", (*reasons, "these disagree with each other")
    return vote, reasons


def is_followed(found: Mapping[str, Score]) -> tuple[Vote, tuple[str, ...]]:
    """Whether the action follows from the imagined future."""
    if answered(found, FOLLOWED):
        return weigh(found, FOLLOWED)
    vote, reasons = weigh(found, OBSERVED)
    if vote == "yes":  # a good forecaster of itself looks the same
        return "unknown", (*reasons, "whether its action follows a future was not asked")
    return vote, reasons


def answered(found: Mapping[str, Score], wanted: Mapping[str, str]) -> bool:
    return any(name in found and found[name].value is not None for name in wanted)


def weigh(found: Mapping[str, Score], wanted: Mapping[str, str]) -> tuple[Vote, tuple[str, ...]]:
    """yes: some interval lies above the threshold and nothing speaks against it. no: all that there are lie below it. With the
    reasons."""
    mute = {name: why for name in wanted if (s := found.get(name)) is not None and (why := says_nothing(s, found))}
    known = [(name, s) for name in wanted if (s := found.get(name)) is not None and name not in mute]
    reasons = [f"{wanted[name]}: {s.metric} {s.value:.2f} [{s.low:.2f}, {s.high:.2f}]" for name, s in known]
    reasons += [f"{name} says nothing: {why}" for name, why in mute.items()]
    above = [s.low is not None and s.low > THRESHOLD for _, s in known]
    below = [s.high is not None and s.high < THRESHOLD for _, s in known]
    worse = [s.metric for _, s in known if worse_than_blind(s, found)]
    reasons += [f"its effects are further from the true ones than no effect: {name}.r2 below 0" for name in worse]
    if any(above) and not any(below) and not worse:
        return "yes", tuple(reasons)
    if known and all(below):
        return "no", tuple(reasons)
    if any(above) and any(below):
        reasons.append("these disagree with each other")
    return "unknown", tuple(reasons)


def worse_than_blind(score: Score, found: Mapping[str, Score]) -> bool:
    """Whether the imagined effects are further from the true ones than ignoring the action is."""
    r2 = found.get(f"{score.metric}.r2")
    return r2 is not None and r2.high is not None and r2.high < 0


def hallucinates(found: Mapping[str, Score]) -> tuple[str, ...]:
    """Where most of what stays still is imagined to move, beyond what the readout sees on true frames, and further than things
    usually move; empty if nowhere."""
    null = found.get("null_action")
    beyond = null is not None and null.high is not None and null.high < 0 and null.n >= LEAST
    told = []
    for name in (*STILL, *FAR) if beyond else FAR:
        score, ceiling = found.get(name), found.get(f"{name.removesuffix('.far')}.ceiling")
        blurred = ceiling is not None and ceiling.value is not None and ceiling.value > HALLUCINATES
        if score is not None and score.low is not None and score.low > HALLUCINATES and score.n >= LEAST and not blurred:
            further = ", further than objects truly move" if name in FAR else ""
            told.append(f"it imagines motion in most of what stays still{further}: {name} {score.value:.2f}")
    return tuple(told)


def says_nothing(score: Score, found: Mapping[str, Score]) -> str:
    """Why a score carries no verdict; empty if it does."""
    if score.unavailable or score.low is None or score.high is None:
        return score.unavailable or "it has no interval"
    if score.n < LEAST:
        return f"{score.n} units, fewer than {LEAST}"
    ceiling = found.get(f"{score.metric}.ceiling")
    if ceiling is not None and ceiling.value is not None and ceiling.value < CEILING and score.low <= THRESHOLD:
        return f"the readout itself reaches {ceiling.value:.2f} on true frames"
    return ""
