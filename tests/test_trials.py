"""Closed-loop interventions in PushWorld: a policy that needs its future loses it, one whose future is decoration does not."""

import numpy as np
import pytest

from seer import Seer
from wamlab.control.executor import Executor, run_episode
from wamlab.control.gate import Gate
from wamlab.control.policy import ModelPolicy
from wamlab.evaluate.ask.trials import CHOICES, FUTURES, Setting, films_of, missing_arms, run_trials
from wamlab.evaluate.evidence import Trials
from wamlab.evaluate.eyes.readout import Audit, Readout, Shape
from wamlab.evaluate.eyes.readout import Eye as Network
from wamlab.evaluate.metrics import Evidence, get
from wamlab.models.oracle import Oracle
from wamlab.simulators import make
from wamlab.types import POLICY, VIDEO, WORLD_MODEL

SEEDS = tuple(range(1_000_000, 1_000_004))
SCALES = {"robot": 0.1, "object": 0.03}


class Peeking(Readout):
    """Reads the state off a frame by knowing where the disc and the arm are drawn: the centre of their colour."""

    def raw(self, frames):
        found = []
        for frame in frames.reshape(-1, *frames.shape[-3:]).astype(float):
            row = []
            for colour in self.__dict__["colours"]:
                weight = (np.abs(frame - colour).sum(-1) < 90) + 1e-9
                grid = np.stack(np.meshgrid(*(np.arange(n) / n for n in weight.shape), indexing="ij"), -1)
                y, x = (weight[..., None] * grid).sum((0, 1)) / weight.sum()
                row += [x, -y]
            found.append(row)
        return np.array(found).reshape(*frames.shape[:-3], -1)


@pytest.fixture(scope="module")
def readout():
    shape = Shape({"robot": 2, "object": 2}, False)
    made = Peeking(Network(shape), shape, np.zeros(4), np.ones(4), {n: Audit(0.0, 0.0, 1.0, 1) for n in shape.entities})
    world = make("pushworld", size=32)
    world.reset(seed=1)
    frame = world.observe()["frames"]["main"].astype(int)
    # robot: the bluest pixel; object: the reddest
    flat = frame.reshape(-1, 3)
    made.__dict__["colours"] = [flat[(flat[:, 2] - flat[:, 0]).argmax()], flat[(flat[:, 0] - flat[:, 1]).argmax()]]
    return made


def setting(kind, readout=None):
    world = make("pushworld", size=32, max_steps=48)
    executor = Executor(ModelPolicy(Seer(world, kind)), Gate(world.task_spec.action), 8)
    episodes = [run_episode(world, executor, seed) for seed in SEEDS]
    return Setting(lambda: Seer(world, kind), lambda: world, 8, films_of(episodes), readout, SCALES)


def told(trials):
    spec = make("pushworld").task_spec
    return {s.metric: s for name in ("necessity", "planning") for s in get(name)(Evidence("m", spec, trials=trials))}


def test_a_follower_needs_its_future():
    found = told(run_trials(setting("follows"), SEEDS, FUTURES))
    assert found["necessity"].value >= 0.5 and found["necessity"].n == len(SEEDS)
    assert found["necessity.own.success"].value >= 0.8
    assert found["necessity.headroom"].value == 0 == found["necessity.sham"].value
    assert "no start was tried" in found["planning"].unavailable


def test_a_decorative_future_is_not_needed():
    found = told(run_trials(setting("decorative"), SEEDS, FUTURES))
    assert found["necessity"].value == 0 == found["necessity.headroom"].value and found["necessity.own.success"].value >= 0.8


def test_a_misled_follower_has_headroom():
    found = told(run_trials(setting("misled"), SEEDS, ("own", "oracle")))
    assert found["necessity.headroom"].value >= 0.5 and found["necessity.own.success"].value <= 0.2


@pytest.mark.slow
def test_planning_by_true_imagination_loses_nothing_and_by_blind_imagination_as_much_as_chance(readout):
    true = told(run_trials(setting("follows", readout), SEEDS, CHOICES))
    assert true["planning"].value == pytest.approx(0, abs=0.2) and true["planning.truth.success"].value >= 0.8
    assert true["planning.chance"].value >= 0.5
    blind = told(run_trials(setting("blind", readout), SEEDS, CHOICES))
    assert blind["planning"].value >= 0.5


def test_what_cannot_be_asked_says_why():
    class Bare(Seer):
        def answers(self):
            return self.can

    world = make("pushworld", size=32)
    world.reset(seed=0)
    model, given = Bare(world), Setting(lambda: model, lambda: world)
    for can, arm, words in (({POLICY, VIDEO}, "own", "imagines no future when it acts"), ({POLICY}, "imagination", "no future"),
                            ({VIDEO, POLICY}, "imagination", "does not read an action"),
                            ({WORLD_MODEL}, "imagination", "readout")):
        model.can = frozenset(can)
        assert words in missing_arms(model, given, SEEDS, True)[arm], (can, arm)
    model.can = Seer.answers(model)
    assert "no other episode" in missing_arms(model, given, SEEDS, True)["swapped"]
    assert "no expert" in missing_arms(model, given, SEEDS, False)["oracle"]
    model.can = frozenset({POLICY})
    trials = run_trials(given, SEEDS, FUTURES)
    assert not trials.solved and set(trials.missing) == set(FUTURES)
    found = told(trials)
    assert all(found[f"necessity{end}"].unavailable for end in ("", ".headroom", ".sham"))
    assert isinstance(Oracle(world), Oracle)


def test_starts_are_paired_and_those_solved_already_are_left_out():
    one, two = np.array([1, 1, 1, 0, 0], bool), np.array([0, 0, 1, 0, 1], bool)
    found = told(Trials({"own": one, "swapped": two}, {"oracle": "no expert"}))
    assert found["necessity"].value == pytest.approx(0.2) and "McNemar p = 1" in found["necessity"].note
    assert found["necessity.headroom"].unavailable == "no expert"
    assert told(Trials({"own": one[:0], "swapped": one[:0]}))["necessity"].unavailable == "every start was already solved"
