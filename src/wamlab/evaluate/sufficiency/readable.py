"""Can the readout judge this? A ceiling mutes what speaks against a model: it must be high, and such as a readout has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from numpy import ndarray

from ..ask.protocol import Terms
from ..card.verdict import CEILING
from ..metric import Evidence, stacked
from ..metrics.causal import HEADLINE, concordance, products, scales_of, why_not

BETTER = 0.5
"""an imagination's error may be this share of the ceiling's, divided by the futures that are averaged, and no less"""
FINE = 0.95
"""ceilings from here on are not compared with the imagination: nothing is left to hide"""


def ceilings(evidence: Evidence, terms: Terms) -> Iterator[str]:
    """Ceilings that are too low, or lower than what the model reaches through the same readout."""
    effects = evidence.effects
    assert effects is not None
    if effects.ceiling is None:
        return
    scales = scales_of(evidence)

    def reached(states: Mapping[str, ndarray], group: str) -> float:
        made, real = (stacked(evidence.spec, group, values, scales) for values in (states, effects.real))
        return float(concordance(products(made, real).sum((0, 1))[None])[0])

    for group in HEADLINE:
        if why_not(evidence, group):
            continue
        top, own = reached(effects.ceiling, group), reached(effects.imagined, group)
        if top < CEILING:
            yield f"the readout itself reaches {top:.2f} on true frames of the {group}, less than {CEILING:g}"
        elif top < FINE and 1 - own < BETTER * (1 - top) / terms.samples:
            yield (f"what is imagined of the {group} is nearer to the truth ({own:.2f}) than the readout that reads it comes "
                   f"on true frames ({top:.2f})")
