"""Whether there is enough evidence for a verdict that speaks for a model: the protocol's own minimum, whoever asked.

A good number from three copies of one situation, or without the action that would have shown the fault, is no evidence.
What the minimum is stands in docs/protocol-cc-1.0.md; here every part of it that is not met gives one reason.
"""

from __future__ import annotations

from dataclasses import replace

from ..ask.protocol import Terms
from ..metric import Evidence
from ..metrics.answers import as_effects
from .asked import actions, contact, moments
from .numbers import noise, rounded, units
from .readable import ceilings
from .situations import energies, situations
from .things import entities

WORDS = "not enough evidence: "


def lacking(evidence: Evidence, terms: Terms, wired: bool = True) -> tuple[str, ...]:
    """What the evidence lacks for a verdict in a model's favour; empty if nothing.

    Args:
        wired: whether the model's future can be given actions at all. If it cannot, as its wiring shows, nothing is missing
            where there are no effects; someone's word that it cannot is not enough.
    """
    effects, answers = evidence.effects, evidence.answers
    found = [*units(evidence.spec), *moments(terms)]
    if effects is None and wired:
        found.append(f"there are no effects of given actions: {evidence.missing.get('effects', 'none were told')}")
    if effects is not None:
        found += [*actions(evidence.spec, effects.start, effects.real, effects.kinds, "tried"), *noise(evidence, terms),
                  *rounded(evidence), *ceilings(evidence, terms)]
    if answers is not None:
        found += actions(evidence.spec, answers.start, answers.offered, answers.kinds, "offered")
    known = evidence if effects is not None or answers is None else replace(evidence, effects=as_effects(answers))
    if known.effects is not None:
        found += [*situations(known), *contact(known), *energies(known), *entities(known)]
    return tuple(WORDS + why for why in dict.fromkeys(found))
