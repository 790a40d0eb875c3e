"""The factual continuation as evidence, and means over several futures per question."""

from dataclasses import replace

import numpy as np
import pytest

from toyworld import SPEC, effects
from wamlab.errors import DataError
from wamlab.evaluate.ask.twin import averaged, twin
from wamlab.evaluate.conformance.saboteurs import sabotage
from wamlab.evaluate.metrics import Evidence, get


def values(made, *metrics):
    return {s.metric: s.value for metric in metrics for s in get(metric)(Evidence("m", SPEC, effects=made))}


def drifting(truth):
    """Right but for a drift of each context's own, which the model cannot know and which the factual continuation shows."""
    drift = np.random.default_rng(0).normal(0, 0.1, (len(truth.strata), 1, 1, 2)) * np.arange(1, 13)[:, None] / 12
    return replace(truth, imagined={name: value + drift for name, value in truth.real.items()})


def test_what_the_factual_continuation_shows_is_known_of_the_others():
    truth = effects(20)
    made = drifting(truth)
    told, alone = values(twin(made), "null_action", "cc", "miss"), values(made, "null_action", "cc", "miss")
    assert alone["null_action"] < 0.5 and told["null_action"] == pytest.approx(1) and told["miss"] == 0
    assert told["cc"] == pytest.approx(1) and alone["cc"] == pytest.approx(1)  # a drift that all actions share is centred away
    assert "factual" not in twin(made).kinds and len(twin(made).kinds) == len(made.kinds) - 1


@pytest.mark.parametrize(("name", "cc"), [("frozen", 0), ("action_blind", 0), ("wrong_direction", -1), ("oracle", 1)])
def test_evidence_does_not_help_who_ignores_the_action(name, cc):
    assert values(twin(sabotage(name, effects(20), SPEC)), "cc")["cc"] == pytest.approx(cc, abs=1e-9)


def test_the_factual_action_is_no_question_any_more():
    """Control: told the answer, a model that knows nothing else would be right about it."""
    frozen = twin(sabotage("frozen", effects(20), SPEC))
    assert values(frozen, "cc", "identification")["identification"] == pytest.approx(
        values(frozen, "identification")["identification.chance"])
    with pytest.raises(DataError, match="factual continuation"):
        twin(replace(effects(5), kinds=("a", *effects(5).kinds[1:])))


def test_the_mean_of_several_futures_is_nearer_and_its_spread_is_the_uncertainty():
    truth = effects(20)
    units = {name: np.full(2, 100.0) for name in truth.real}
    draws = [sabotage("noise_0.3", truth, SPEC, seed) for seed in range(8)]
    mean = averaged(draws, units)
    assert values(mean, "cc")["cc"] > values(draws[0], "cc")["cc"] + 0.02
    assert mean.uncertainty.shape == (20, 9) and (mean.uncertainty > 0).all()
    assert averaged(draws[:1], units).uncertainty is None
