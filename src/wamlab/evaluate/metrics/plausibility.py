"""Could the imagined future be done? Decoded to actions, held to the limits, executed from the restored state.

Consequences are scored, not actions, for several actions may lead to one future. At least two decoders, each with its own
ceiling: the same number for true frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from ..log import Score
from ..metric import Decoded, Evidence, Metric, entities, positions, sigma, stacked
from ..statistics import cluster_bootstrap

SLACK = 1.25
"""how much beyond the truth's own extremes is beyond the limits"""
OVER = 0.1
"""share of a channel's range by which a decoded action may be beyond it"""
NEAR = 0.5
"""a future is reached if what came of it is this near, in sigma, at every shown moment"""


def plausibility(evidence: Evidence) -> Sequence[Score]:
    """Per decoder what came of its actions; and what the imagined hand did that no hand can."""
    decoded = evidence.decoded
    assert decoded is not None
    for name, states in decoded.imagined.items():
        if not np.isfinite(states).all():
            return (evidence.score("plausibility", None, unavailable=f"states of {name} are not finite"),)
    return [*_consequences(evidence, decoded), *_limits(evidence, decoded)]


def _consequences(evidence: Evidence, decoded: Decoded) -> Iterator[Score]:
    spec = evidence.spec
    scales = {e.name: evidence.scales.get(e.name) or sigma(e, decoded.real[e.name] - decoded.start[e.name][:, None, None])
              for e in spec.entities if e.name in decoded.real}
    groups = [group for group in ("robot", "object") if entities(spec, group, decoded.imagined)]

    def distance(shown: Mapping[str, ndarray], came: Mapping[str, ndarray]) -> Float[ndarray, "C K T"]:
        """Root mean square over robot and object, in sigma."""
        parts = [((stacked(spec, g, shown, scales) - stacked(spec, g, came, scales)) ** 2).mean(-1) for g in groups]
        return np.sqrt(np.mean(parts, axis=0))

    low, high = np.array(spec.action.low), np.array(spec.action.high)
    for decoder in decoded.actions:
        sources = {"": (decoded.imagined, decoded.consequence[decoder], decoded.actions[decoder]),
                   ".ceiling": (decoded.ceiling, decoded.ceiling_consequence[decoder], decoded.ceiling_actions[decoder])}
        for suffix, (shown, came, actions) in sources.items():
            apart = distance(shown, came)
            over = (np.maximum(low - actions, actions - high) > OVER * (high - low)).any((2, 3))
            name = f"plausibility.{decoder}"
            yield _mean(evidence, f"{name}.error{suffix}", apart.mean(2), "sigma")
            yield _mean(evidence, f"{name}.reached{suffix}", np.asarray((apart <= NEAR).all(2)), "share")
            yield _mean(evidence, f"{name}.limits{suffix}", over, "share")
        wrong = (decoded.ceiling_actions[decoder] - decoded.true_actions) / ((high - low) / 2)
        yield _mean(evidence, f"plausibility.{decoder}.actions.ceiling", np.sqrt((wrong**2).mean((2, 3))), "of half the range")


def _limits(evidence: Evidence, decoded: Decoded) -> Iterator[Score]:
    """Speed and workspace of the hand, against the fastest and the furthest of all true futures."""
    robots = entities(evidence.spec, "robot", decoded.imagined)
    if not robots:
        return
    hand = robots[0]
    width, seconds = positions(hand), np.diff([0, *decoded.offsets]) / evidence.spec.control_hz
    start = decoded.start[hand.name][:, None, None, :width]
    real = decoded.real[hand.name][..., :width]
    low, high = real.min((0, 1, 2)), real.max((0, 1, 2))
    slack = (SLACK - 1) * (high - low) + hand.tolerance

    def speed(states: ndarray) -> Float[ndarray, "C K T"]:
        first = np.broadcast_to(start, (*states.shape[:2], 1, width))
        return np.linalg.norm(np.diff(np.concatenate([first, states], 2), axis=2), axis=-1) / seconds

    fastest = SLACK * speed(real).max() + hand.tolerance / seconds.max()
    for suffix, states in {"": decoded.imagined, ".ceiling": decoded.ceiling}.items():
        shown = states[hand.name][..., :width]
        yield _mean(evidence, f"plausibility.speed{suffix}", (speed(shown) > fastest).any(2), "share")
        yield _mean(evidence, f"plausibility.workspace{suffix}", ((shown < low - slack) | (shown > high + slack)).any((2, 3)),
                    "share")


def _mean(evidence: Evidence, name: str, values: Float[ndarray, "C K"] | Bool[ndarray, "C K"], unit: str) -> Score:
    sums = np.stack([values.sum(1), np.full(len(values), values.shape[1])], -1).astype(np.float64)
    estimate = cluster_bootstrap(sums, lambda s: s[..., 0] / s[..., 1])
    return evidence.score(name, estimate or float(values.mean()), n=len(values), unit=unit)


_LINES = {"error": "distance between the imagined future and what its decoded actions really lead to",
          "reached": "share of imagined futures that its decoded actions really lead to",
          "limits": "share of futures that need actions beyond the limits"}
METRICS = (
    Metric("plausibility", ("decoded",), plausibility, "higher", (0, 1), "could the imagined future be done",
           "decoded by several inverse dynamics, executed from the restored state, scored by consequence", children={
               **{f"<decoder>.{key}": line for key, line in _LINES.items()},
               **{f"<decoder>.{key}.ceiling": "the same decoder on true frames" for key in _LINES},
               "<decoder>.actions.ceiling": "error of the actions that the decoder makes of true frames",
               "speed": "share of futures in which the hand is faster than any true one",
               "workspace": "share of futures in which the hand is where no true one gets",
               "speed.ceiling": "what the readout makes of true frames", "workspace.ceiling": "the same on true frames"}),
)
