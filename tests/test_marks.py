"""Reference marks: what is right, trivial or wrong by construction, on a run's own branches, episodes and starts."""

import numpy as np
import pytest

from toyworld import SPEC, effects
from wamlab.evaluate.ask.branches import Protocol, make_branches
from wamlab.evaluate.conformance.families import World, plans
from wamlab.evaluate.conformance.marks import null_answers, null_plans, null_trials, unique
from wamlab.evaluate.evidence import Trials
from wamlab.evaluate.metrics import Evidence


def test_policies_on_the_same_branches(tmp_path):
    branches = make_branches(Protocol("pushworld", (4, 8), contexts=12, options={"size": 16}), tmp_path, workers=1)
    found = {s.model: s.value for s in null_answers(branches) if s.metric == "f2a.robot"}
    assert found["null/oracle"] == pytest.approx(1) and found["null/wrong_direction"] == pytest.approx(-1)
    assert found["null/frozen"] == 0 == found["null/success_prior"] and abs(found["null/shuffled"]) < 0.5


def test_plans_over_the_same_episodes():
    evidence = plans.evidence_for("noisy", World("toy", SPEC, effects(20)))
    found = {(s.model, s.metric): s.value for s in null_plans(evidence)}
    success = np.mean([e.solved for e in evidence.episodes])
    assert found["null/oracle", "pea"] == 1 and found["null/oracle", "fcs"] == pytest.approx(success)
    assert found["null/frozen", "pea"] == 0 == found["null/frozen", "fcs"] and found["null/elsewhere", "fcs"] < success / 2
    assert null_plans(Evidence("m", SPEC)) == () == null_trials(evidence)


def test_a_policy_that_looks_at_nothing_needs_nothing():
    trials = Trials({"own": np.array([True, False, True]), "swapped": np.array([False, False, True])})
    (one,) = null_trials(Evidence("m", SPEC, trials=trials))
    assert (one.model, one.metric, one.value) == ("null/decorative", "necessity", 0)
    assert unique([one, one]) == [one]
