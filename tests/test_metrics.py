"""The contract that every metric keeps, found by discovery, and metrics that come from a file of one's own."""

from dataclasses import replace

import numpy as np
import pytest

from wamlab.errors import SpecError, UnknownName, WamError
from wamlab.evaluate import metrics
from wamlab.evaluate.log import Score
from wamlab.evaluate.metrics import Effects, Evidence, Foresight, FramePairs, Metric
from wamlab.spec import ActionSpec, EntitySpec, TaskSpec
from wamlab.types import Episode, Imagined

SPEC = TaskSpec("toy", "do it", ("main",), (16, 16), ("x",), ActionSpec(("x",), (-1.0,), (1.0,), ("m",)),
                (EntitySpec("arm", "robot", ("x", "y", "grip"), ("m", "m", "0..1"), 0.01),
                 EntitySpec("cup", "object", ("x", "y"), ("m", "m"), 0.01)), 10.0, 50)
ALL = metrics.discover()


def episode(solved, seed=0, steps=8, start=False):
    generator = np.random.default_rng(seed)
    success = np.zeros(steps + 1, bool)
    success[0], success[5:7] = start, solved
    frames = generator.integers(0, 256, (steps + 1, 16, 16, 3), np.uint8)
    plans = tuple(Imagined(t, np.zeros((8, 1), np.float32), (4,), frames[t:t + 1], 0.01 * (t + 1)) for t in (0, 4))
    return Episode("toy", "do it", {"main": frames}, np.zeros((steps + 1, 1), np.float32), np.zeros((steps, 1), np.float32),
                   success, imagined=plans, meta={"timings": [{"sample": 1.0}, {"sample": 0.004}]})


def evidence():
    generator = np.random.default_rng(0)
    episodes = tuple(episode(i % 3 > 0, i) for i in range(9))
    n = 18
    states = [{"arm": generator.normal(size=(n, 3)), "cup": generator.normal(size=(n, 2))} for _ in range(3)]
    pictures = [generator.integers(0, 256, (n, 16, 16, 3), np.uint8) for _ in range(3)]
    hoped, read = generator.random((2, 9)) > 0.5
    seen = Foresight(np.repeat(np.arange(9), 2), np.arange(n), *states, None, hoped, read)
    start = {"arm": generator.normal(size=(6, 3)), "cup": generator.normal(size=(6, 2))}
    made, real = ({name: value[:, None, None] + generator.normal(size=(6, 4, 2, value.shape[1]))
                   for name, value in start.items()} for _ in range(2))
    return Evidence("m", SPEC, episodes, FramePairs(*pictures, np.full(n, 4), np.repeat(np.arange(9), 2)), seen,
                    Effects(start, made, real, (4, 8), ("a", "b", "c", "d"), ("free", "near") * 3, real))


WHOLE = evidence()


@pytest.mark.parametrize("name", sorted(ALL))
class TestContract:
    def test_declares_itself(self, name):
        metric = ALL[name]
        assert metric.name == name and metric.meaning and metric.source and metric.range[0] < metric.range[1]
        assert metric.needs and set(metric.needs) <= set(metrics.NEEDS)

    def test_gives_named_finite_scores(self, name):
        scores = ALL[name](WHOLE)
        assert scores and len({s.key for s in scores}) == len(scores)
        low, high = ALL[name].range
        for score in scores:
            assert score.metric == name or score.metric.startswith(name + ".")
            assert score.model == "m" and score.task == "toy"
            if score.value is not None and score.low is not None:
                assert score.low - 1e-9 <= score.value <= score.high + 1e-9, score
            meaning, itself = ALL[name].explain(score.metric)
            assert meaning
            if itself and score.value is not None:
                assert low <= score.value <= high
            assert itself or meaning != ALL[name].meaning or "copy" in score.metric or "gain" in score.metric, score.metric

    def test_is_a_pure_function(self, name):
        assert ALL[name](WHOLE) == ALL[name](evidence())

    def test_missing_evidence_is_unavailable_never_zero(self, name):
        for need in ALL[name].needs:
            for score in ALL[name](replace(WHOLE, **{need: None}, missing={need: "nobody looked"})):
                assert score.value is None and score.unavailable == "nobody looked"


def test_success_filters_what_was_solved_from_the_start():
    runs = (episode(True), episode(False), episode(True, start=True))
    scores = {s.metric: s for s in ALL["success"](replace(WHOLE, episodes=runs))}
    assert scores["success"].value == 0.5 and scores["success"].n == 2 and "1 starts" in scores["success"].note
    assert scores["success.held"].value == 0 and scores["success.steps"].value == 5
    (score,) = ALL["success"](replace(WHOLE, episodes=(episode(True, start=True),)))
    assert score.value is None and "already solved" in score.unavailable
    (score,) = ALL["success"](replace(WHOLE, episodes=()))
    assert score.value is None


def test_latency_leaves_out_the_first_decision_and_is_marked_as_timing():
    scores = {s.metric: s for s in ALL["latency"](WHOLE)}
    assert scores["latency.total"].value == pytest.approx(0.05) and scores["latency.sample"].value == pytest.approx(0.004)
    assert all(s.timing for s in scores.values())


def plan(imagined, real, start=0.0, solved=(True,), read=None):
    """One chunk per episode; the cup goes from `start` to `real`, imagined at `imagined`; the arm stays. `read`: where a
    readout sees the cup in the real frames."""
    n = len(real)
    arm, cup = np.zeros((n, 3)), lambda x: np.stack([np.broadcast_to(np.array(x, float), (n,)), np.zeros(n)], -1)
    seen = Foresight(np.arange(n), np.arange(n), {"arm": arm, "cup": cup(start)}, {"arm": arm, "cup": cup(imagined)},
                     {"arm": arm, "cup": cup(real)}, None if read is None else {"arm": arm, "cup": cup(read)})
    given = Evidence("m", SPEC, tuple(episode(s) for s in solved), foresight=seen, scales={"arm": 0.1, "cup": 0.1})
    return {s.metric: s for name in ("pea", "fcs") for s in ALL[name](given)}


def test_plan_execution_agreement_by_hand():
    found = plan([0.3, 0.0, 0.6, -0.3, 0.1], [0.3, 0.3, 0.3, 0.3, 0.001], solved=(True, True, False, True, True))
    # skills 1, 0, 0, -3; the fifth chunk did not move
    assert found["pea"].value == pytest.approx(0) and found["pea.coverage"].value == pytest.approx(0.8)
    assert found["pea.pooled"].value == pytest.approx(1 - (0 + 0.09 + 0.09 + 0.36) / 0.36)
    assert found["pea.object"].value == pytest.approx(found["pea.pooled"].value) and found["pea.robot"].value is None
    assert found["fcs"].value == pytest.approx(1 / 5) and found["fcs.lucky"].value == pytest.approx(3 / 4)
    assert found["fcs.followed"].value == pytest.approx(1 / 5) and found["fcs.lift"].value == pytest.approx(1 - 3 / 4)
    assert found["fcs.integrated"].value == pytest.approx((101 / 101 + 1 / 101) / 5)
    assert found["fcs.optimism"].unavailable


def test_nothing_moves_nothing_is_foreseen():
    found = plan([0.0] * 4, [0.0] * 4, solved=(True,) * 4)
    assert found["pea"].value is None and found["pea.coverage"].value == 0
    assert found["fcs"].value == 0 and found["fcs.lucky"].value == 1


def test_plans_are_not_judged_through_a_readout_that_is_worse_than_the_threshold():
    real, solved = [0.3, 0.3, 0.3, 0.3], (True,) * 4
    found = plan([0.3, 0.0, 0.3, 0.2], real, solved=solved, read=[0.25, 0.3, 0.2, 0.3])
    assert found["fcs"].value == 0.75 and found["fcs.ceiling"].value == 1 and found["pea.ceiling"].value > 0.9
    found = plan([0.3, 0.0, 0.3, 0.2], real, solved=solved, read=[0.05, 0.0, 0.3, 0.0])
    assert found["pea.ceiling"].value < 0.5 and found["fcs.ceiling"].value == 0.25
    for name in ("fcs", "pea", "pea.pooled", "pea.object"):
        assert found[name].value is None and "readout cannot judge" in found[name].unavailable, name
    assert "fcs.followed" not in found and found["pea.coverage"].value == 1


USER = '''
from wamlab.evaluate.metrics import Metric

def length(evidence):
    lengths = [len(e) for e in evidence.episodes]
    return [evidence.score("length", sum(lengths) / len(lengths), n=len(lengths), unit="control steps")]

METRICS = (Metric("length", ("episodes",), length, "lower", (0, 1000), "mean length of an episode", "counting"),)
'''


def test_a_metric_in_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(USER)
    (metric,) = metrics.load(path)
    (score,) = metric(WHOLE)
    assert score.value == 8 and score.metric == "length" and metrics.get(str(path)).name == "length"
    with pytest.raises(WamError, match="no such"):
        metrics.load(tmp_path / "other.py")
    path.write_text("METRICS = 3")
    with pytest.raises(SpecError, match="declares no metrics"):
        metrics.load(path)
    with pytest.raises(UnknownName, match="psnr"):
        metrics.get("psrn")


def test_a_metric_that_breaks_is_contained_and_one_that_lies_is_refused():
    def fails(evidence):
        raise WamError("cannot do that")

    (score,) = Metric("x", ("episodes",), fails, "higher", (0, 1), "x", "x")(WHOLE)
    assert score.unavailable == "cannot do that"
    liar = Metric("x", ("episodes",), lambda e: [Score("m", "toy", "success", 1.0)], "higher", (0, 1), "x", "x")
    with pytest.raises(SpecError, match="carry its name"):
        liar(WHOLE)
    assert WHOLE.score("x", float("nan")).unavailable
