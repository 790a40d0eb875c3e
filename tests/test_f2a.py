"""Futures offered to models, their answers executed from restored states; and the verdict that follows."""

from dataclasses import replace

import numpy as np
import pytest

from follower import Follower
from toyworld import SPEC, effects
from wamlab.errors import DataError, Unanswerable
from wamlab.evaluate.ask.branches import Protocol, make_branches
from wamlab.evaluate.ask.f2a import OFFERED, answer_branches
from wamlab.evaluate.ask.imagining import imagine_branches
from wamlab.evaluate.ask.manifest import manifest
from wamlab.evaluate.card.card import card_of
from wamlab.evaluate.card.verdict import decide
from wamlab.evaluate.conformance.saboteurs import SABOTEURS, sabotage
from wamlab.evaluate.eyes.readout import Audit, Readout, Shape
from wamlab.evaluate.eyes.readout import Eye as Network
from wamlab.evaluate.log import Score
from wamlab.evaluate.metrics import Evidence, get
from wamlab.evaluate.scoring.interventions import intervene
from wamlab.evaluate.scoring.score import read_effects
from wamlab.models.oracle import Oracle
from wamlab.simulators import make
from wamlab.types import POLICY, VIDEO

PROTOCOL = Protocol("pushworld", (4, 8), contexts=18, options={"size": 32})


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def branches(cache):
    return make_branches(PROTOCOL, cache, workers=1)


class Eye(Readout):
    """Reads states off frames by knowing all frames there are."""

    def raw(self, frames):
        flat = frames.reshape(-1, *frames.shape[-3:])
        known = self.__dict__["known"]
        return np.stack([known.get(f.tobytes(), next(iter(known.values()))) for f in flat]).reshape(*frames.shape[:-3], -1)

    def sees_success(self, raw):
        return None


@pytest.fixture(scope="module")
def eye(branches, cache):
    late = make_branches(replace(PROTOCOL, actions=("factual", "late stop", "late turn")), cache, workers=1)
    known = {}
    names = [e.name for e in branches.spec.entities]
    for b in (branches, late):
        table = np.concatenate([b.truth[n] for n in names], -1)
        for c in range(len(b)):
            known[b.context_frames[c, -1].tobytes()] = table[c, 0, 0]
            for k in range(b.frames.shape[1]):
                for f, offset in enumerate(b.protocol.offsets):
                    known[b.frames[c, k, f].tobytes()] = table[c, k, offset]
    shape = Shape({e.name: len(e.channels) for e in branches.spec.entities}, False)
    made = Eye(Network(shape), shape, np.zeros(8), np.ones(8), {n: Audit(0.0, 0.0, 1.0, 1) for n in names})
    made.__dict__["known"] = known
    return made


def scores(answers, spec):
    return {s.metric: s for s in get("f2a")(Evidence("m", spec, answers=answers))}


def test_a_follower_does_what_it_is_shown_and_an_ignorer_does_not(branches):
    found = scores(answer_branches(Follower(branches), branches), branches.spec)
    assert found["f2a"].value == pytest.approx(1, abs=1e-9) and found["f2a.robot.gain"].value == pytest.approx(1)
    assert found["f2a.specificity"].value == pytest.approx(1) and found["f2a.frozen"].value < 0.2
    assert found["f2a.swapped"].value > 0.1 and found["f2a.blocked"].value == 0  # blocked and own: both the expert's
    found = scores(answer_branches(Follower(branches, "ignores"), branches), branches.spec)
    assert found["f2a"].value == 0 == found["f2a.robot"].value
    assert found["f2a.frozen"].value == 1 and found["f2a.swapped"].value == 0 and "changes nothing" in found[
        "f2a.specificity"].unavailable


def test_execution_is_what_the_branches_recorded_in_any_number_of_processes(branches):
    one = answer_branches(Follower(branches), branches)
    assert one.kinds == OFFERED and set(one.controls) == {"own", "swapped", "frozen", "sham", "blocked"}
    places = [PROTOCOL.actions.index(name) for name in OFFERED]
    still = [k for k, name in enumerate(OFFERED) if name != "null"]
    for name, value in one.consequence.items():  # two actions may look alike, but then they lead to the same
        real = branches.truth[name][:, places][:, :, [4, 8]]
        assert np.abs(value - real)[:, still].max() < 0.02
        assert (one.controls["own"][name] == branches.truth[name][:, 0][:, [4, 8]]).all()


@pytest.mark.slow
def test_processes_do_not_change_the_numbers(branches):
    one, two = (answer_branches(Follower(branches), branches, workers=n) for n in (1, 2))
    assert all((one.consequence[n] == two.consequence[n]).all() for n in one.consequence)


def test_bad_models_and_branches(branches):
    with pytest.raises(Unanswerable, match="does not read a future"):
        answer_branches(Oracle(make("pushworld", size=32)), branches)
    with pytest.raises(DataError, match="do not fit"):
        answer_branches(Follower(branches), branches, offered=("factual",))
    moved = {name: value + 0.5 for name, value in branches.truth.items()}
    with pytest.raises(DataError, match="come back"):
        answer_branches(Follower(branches), replace(branches, truth=moved))

    class Mad(Follower):
        def _predict(self, *question):
            answer = super()._predict(*question)
            answer.action[0, 0] = float("nan")
            return answer

    with pytest.raises(DataError, match="not finite"):
        answer_branches(Mad(branches), branches)


@pytest.fixture(scope="module")
def asked(branches, eye, cache):
    return {kind: intervene(kind, Follower(branches, kind), branches, eye, cache, samples=2)
            for kind in ("follows", "ignores", "decorative", "breaks")}


def test_verdicts_by_intervention(asked, branches):
    words = {kind: card_of(kind, "pushworld", found.scores, manifest(Follower(branches).answers())).verdict.words
             for kind, found in asked.items()}
    assert words["follows"] == "imagines and follows it"
    assert words["ignores"] == "imagines but acts on its own"
    assert words["decorative"] == "decorative future"
    assert words["breaks"] == "not enough evidence"


def test_a_model_that_raises_leaves_the_rest_of_the_card(asked):
    found = {s.metric: s for s in asked["breaks"].scores}
    assert "RuntimeError: out of ideas" in found["f2a"].unavailable and "RuntimeError" in found["cc"].unavailable
    assert len({s.metric for s in asked["breaks"].scores}) == len(asked["breaks"].scores)


def test_siblings_of_the_oracle(asked):
    found = {s.metric: s.value for s in asked["follows"].scores}
    assert found["dose.robot.slope"] == pytest.approx(1) and found["dose.robot.violations"] == 0
    assert found["null_action"] == pytest.approx(1) and found["regret"] == pytest.approx(0, abs=1e-9)
    assert found["invariants"] == 0 and found["cc"] == pytest.approx(1)
    blind = {s.metric: s.value for s in asked["decorative"].scores}
    assert blind["dose"] == 0 == blind["dose.robot.slope"] and blind["regret"] == pytest.approx(1)


def test_dose_and_response(branches, eye):
    """Light, hard and no push: the truth answers each in full and never less to more; a model that knows only the sentence
    answers none."""
    for kind, slope in (("follows", 1.0), ("narrates", 0.0)):
        futures = imagine_branches(Follower(branches, kind), branches)
        made = Evidence(kind, branches.spec, effects=read_effects(branches, futures, eye), scales=branches.scales())
        found = {s.metric: s for s in get("dose")(made)}
        for group in ("robot", "object"):
            assert found[f"dose.{group}.slope"].value == pytest.approx(slope, abs=1e-9)
            assert found[f"dose.{group}.violations"].value == 0 and found[f"dose.{group}.tau"].value == slope
    backwards = replace(made.effects, imagined={n: 2 * made.effects.start[n][:, None, None] - v
                                                for n, v in made.effects.real.items()})
    found = {s.metric: s.value for s in get("dose")(replace(made, effects=backwards))}  # control
    assert found["dose.robot.slope"] == pytest.approx(-1) and found["dose.robot.violations"] > 0.5


def test_words_are_gated_by_intervals():
    def score(metric, low, high, n=20):
        return Score("m", "t", metric, (low + high) / 2, low, high, n)

    def words(*found, imagines=True):
        return decide(found, imagines).words

    true, false, wide = score("cc.robot", 0.4, 0.6), score("cc.robot", -0.05, 0.05), score("cc.robot", -0.2, 0.6)
    does, ignores = score("f2a.robot", 0.3, 0.5), score("f2a.robot", -0.1, 0.08)
    assert words(true, does) == "imagines and follows it" and words(true, ignores) == "imagines but acts on its own"
    assert words(false, ignores) == words(false, does) == "decorative future"
    vague, fits = score("specific", -0.3, 0.3), score("specific", 0.2, 0.6)
    assert words(false, ignores, vague) == "decorative future" and words(false, ignores, fits) == "not enough evidence"
    assert words(wide, does) == words(true, score("f2a.robot", 0.0, 0.4)) == words() == "not enough evidence"
    assert words(true, does, imagines=False) == "no future at test time"
    observed = score("specific", 0.3, 0.6)  # a model that can be asked neither way: by observation
    assert words(observed) == "not enough evidence"  # a good forecaster of itself looks the same
    assert words(observed, does) == "imagines and follows it" and words(observed, ignores) == "imagines but acts on its own"
    frozen, wrong = score("cc.object", -0.01, 0.01), score("cc.robot.r2", -9, -3)  # one of two is not enough
    assert words(true, frozen, does) == words(true, wrong, does) == "not enough evidence"
    assert words(true, does, score("f2a.object", -0.05, 0.05)) == "not enough evidence"
    phantom, far = score("false_effect.object", 0.6, 0.9), score("null_action", -9, -5)
    assert words(true, does, phantom, far) == "not enough evidence" and words(true, does, phantom) == "imagines and follows it"
    assert words(true, does, phantom, far, score("false_effect.object.ceiling", 0.5, 0.8)) == "imagines and follows it"
    assert "observed, not intervened" in " ".join(decide([observed], True).reasons)
    few = score("cc.robot", 0.4, 0.6, n=9)
    assert words(few, does) == "not enough evidence"
    dim = Score("m", "t", "cc.robot.ceiling", 0.3, 0.2, 0.4, 20)
    assert words(false, ignores, dim) == "not enough evidence" and words(true, does, dim) == "imagines and follows it"
    bare = Score("m", "t", "cc.robot", 0.5)
    assert words(bare, does) == "not enough evidence"


def test_manifest_says_why_not():
    rows = {c.name: c for c in manifest(frozenset({POLICY, VIDEO}))}
    assert not rows["plan"].available and "by construction" in rows["plan"].why and rows["video"].available
    assert not rows["a2f"].available and not rows["f2a"].available and rows["blocked"].available


@pytest.mark.parametrize("name", SABOTEURS)
def test_only_true_imaginations_are_said_to_be_imagined(name):
    """Also where the action follows an offered future well."""
    made = Evidence("m", SPEC, effects=sabotage(name, effects(40), SPEC))
    follows = [Score("m", "toy", f"f2a.{group}", 0.9, 0.8, 1.0, 40) for group in ("robot", "object")]
    words = decide([*(s for metric in ("cc", "false_effect", "null_action") for s in get(metric)(made)), *follows], True).words
    right = name in ("oracle", "noise_0.1", "noise_0.3", "attenuated", "exaggerated")
    # true effects at the wrong time, of a thing that is gone, or beside motion of bystanders: other scores see these
    blind = name in ("late", "leaky", "vanishing", "hallucinated")
    assert blind or (words == "imagines and follows it") == right


def test_a_future_that_is_somewhere_else_is_not_true():
    true = effects(40)
    away = replace(true, imagined={name: value + 5.0 for name, value in true.real.items()})
    found = [s for metric in ("cc", "false_effect", "null_action") for s in get(metric)(Evidence("m", SPEC, effects=away))]
    follows = Score("m", "toy", "f2a.robot", 0.9, 0.8, 1.0, 40)
    assert next(s for s in found if s.metric == "cc.object").value == pytest.approx(1)  # concordance cannot see it
    assert decide([*found, follows], True).words == "not enough evidence"
