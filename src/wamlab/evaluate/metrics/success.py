"""How often the task gets done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..log import Score
from ..metric import Evidence, Metric
from ..statistics import clopper_pearson

SOLVED_AT_START = "every start was already solved"


def success(evidence: Evidence) -> Sequence[Score]:
    """Share of starts solved, over those that were not solved before the first action."""
    assert evidence.episodes is not None
    known = [e for e in evidence.episodes if e.outcome_known]
    tried = [e for e in known if not e.success[0]]
    skipped, unknown = len(known) - len(tried), len(evidence.episodes) - len(known)
    if not tried:
        why = SOLVED_AT_START if skipped else "nobody said whether they were solved" if unknown else "there are no episodes"
        return (evidence.score("success", None, unavailable=why),)
    gates = [e.meta.get("gate", {}) for e in tried]
    refused, steps = sum(gate.get("reject", 0) for gate in gates), sum(len(e) for e in tried)
    notes = [f"{skipped} starts were already solved and are left out"] if skipped else []
    notes += [f"whether {unknown} were solved is not known, and they are left out"] if unknown else []
    notes += [f"the gate refused {refused} of {steps} actions"] if refused else []
    note = "; ".join(notes)
    n, scores = len(tried), []
    for name, count in (("success", sum(e.solved for e in tried)), ("success.held", sum(bool(e.success[-1]) for e in tried))):
        scores.append(evidence.score(name, count / n, clopper_pearson(count, n), n=n, unit="share", note=note))
    first = [int(e.success.argmax()) for e in tried if e.solved]
    scores.append(evidence.score("success.steps", float(np.median(first)), n=len(first), unit="control steps") if first
                  else evidence.score("success.steps", None, unavailable="no start was solved"))
    return scores


METRICS = (
    Metric("success", ("episodes",), success, "higher", (0, 1),
           "share of held-out starts on which the task's condition was reached",
           "Clopper-Pearson interval over starts", "share",
           children={"held": "share on which the condition still held at the episode's end",
            "steps": "median control step at which solved episodes reached it"}),
)
