"""One safe action per control step, decided on what was seen, recorded as it happened."""

import numpy as np
import pytest

from control_fakes import Stepper, make_stepper
from data_fakes import Walker
from wamlab.control.executor import Executor, run_episode
from wamlab.control.gate import Gate
from wamlab.control.policy import Decision, ModelPolicy, ReplayPolicy, decision_seed
from wamlab.errors import SpecError, Unanswerable, WamError
from wamlab.spec import ActionSpec
from wamlab.types import IMAGINE_AND_ACT

DELTA = Walker.task_spec.action
ABSOLUTE = ActionSpec(DELTA.names, DELTA.low, DELTA.high, DELTA.units, "absolute")


class Script:
    """Decides the chunks it was given, one after the other, and notes when."""

    def __init__(self, *chunks):
        self.chunks, self.steps, self.noted = [np.array(c, np.float32) for c in chunks], [], 0

    def reset(self, seed):
        self.steps, self.noted = [], 0

    def observe(self, observation):
        self.noted += 1

    def decide(self, observation, instruction):
        self.steps.append(self.noted - 1)
        return Decision(self.chunks[min(len(self.steps) - 1, len(self.chunks) - 1)])


def act(executor, steps):
    return [executor.act({}, "").tolist() for _ in range(steps)]


def test_receding_horizon():
    chunk = [[0.01 * k, 0] for k in range(1, 7)]
    script = Script(chunk)
    executor = Executor(script, Gate(DELTA), execute=4)
    taken = act(executor, 10)
    assert np.allclose([a[0] for a in taken], [0.01, 0.02, 0.03, 0.04] * 2 + [0.01, 0.02])
    assert script.steps == [0, 4, 8] and script.noted == 10
    assert [record.step for record in executor.imagined] == [0, 4, 8]
    assert executor.imagined[0].action.shape == (6, 2)  # the whole chunk is kept


def test_a_short_chunk_is_executed_whole():
    script = Script([[0.01, 0], [0.02, 0]])
    act(Executor(script, Gate(DELTA), execute=4), 5)
    assert script.steps == [0, 2, 4]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 7.0])
def test_a_rejected_delta_becomes_no_motion_and_drops_the_chunk(bad):
    script = Script([[0.05, 0], [bad, 0], [0.06, 0], [0.07, 0]])
    executor = Executor(script, Gate(DELTA), execute=4)
    assert np.allclose([a[0] for a in act(executor, 4)], [0.05, 0, 0.05, 0]) and script.steps == [0, 2]
    assert executor.gate.counts["reject"] == 2 and executor.gate.counts["pass"] == 2


def test_a_rejected_absolute_action_becomes_the_last_safe_one():
    script = Script([[0.05, 0.02], [np.nan, 0]])
    assert np.allclose(act(Executor(script, Gate(ABSOLUTE), execute=4), 2)[1], [0.05, 0.02])
    with pytest.raises(WamError, match="nothing safe"):
        act(Executor(Script([[np.nan, 0]]), Gate(ABSOLUTE)), 1)
    held = Executor(Script([[np.nan, 0]]), Gate(ABSOLUTE), hold=np.array([0.03, 5.0], np.float32))
    assert np.allclose(act(held, 1), [[0.03, 0.1]])  # even the hold action is kept within the limits


def test_the_wrong_width_is_an_error():
    with pytest.raises(SpecError, match="wrong width"):
        act(Executor(Script([[0.0, 0.0, 0.0]]), Gate(DELTA)), 1)
    with pytest.raises(SpecError, match="no chunk"):
        act(Executor(Script(np.zeros((0, 2))), Gate(DELTA)), 1)
    with pytest.raises(WamError, match="at least one action"):
        Executor(Script(), Gate(DELTA), execute=0)
    with pytest.raises(SpecError, match="other actions"):
        run_episode(Walker(), Executor(Script([[0.0]]), Gate(ABSOLUTE)), 0)


def test_an_episode_lines_up_with_its_simulator():
    executor = make_stepper()
    done = run_episode(Walker(), executor, 7, extra_steps_after_success=2)
    assert done.imitate is not None and not done.imitate.any()
    x = done.truth["point"][:, 0]
    assert np.allclose(np.diff(x), done.action[:, 0], atol=1e-6)  # action[t] leads from observation t to t + 1
    assert done.frames["main"][:, 0, 0, 0].tolist() == list(range(len(done) + 1))
    first = int(np.flatnonzero(done.success)[0])
    assert np.array_equal(done.success, x > 1) and len(done) == first + 2 and done.solved
    assert [record.step for record in done.imagined] == list(range(0, len(done), 4))
    for record in done.imagined:
        assert record.frames is not None and record.frames.dtype == np.uint8 and record.offsets == (2, 4)
        executed = done.action[record.step:record.step + 4]
        assert np.array_equal(record.action[:len(executed)], executed)  # executed as predicted: nothing scaled twice
        now = done.frames["main"][record.step].astype(int)
        assert (record.frames[1] == np.minimum(now + 4, 255)).all()
    assert done.meta["gate"]["pass"] == len(done) and done.meta["seed"] == 7 and done.meta["renderer"] == "walker-1"
    assert all("predict" in t for t in done.meta["timings"]) and len(done.meta["timings"]) == len(done.imagined)


def test_time_runs_out():
    still = run_episode(Walker(), Executor(Script([[0.0, 0.0]]), Gate(DELTA)), 0)
    assert len(still) == 30 and not still.solved


def test_same_seed_same_numbers_whatever_ran_before():
    fresh = run_episode(Walker(), make_stepper(), 3)
    used, walker = make_stepper(), Walker()
    run_episode(walker, used, 9)
    again = run_episode(walker, used, 3)
    assert np.array_equal(fresh.action, again.action) and np.array_equal(fresh.state, again.state)
    assert not np.array_equal(fresh.action, run_episode(walker, used, 4).action[:len(fresh)])


def test_a_model_sees_the_history_it_was_trained_on():
    model = Stepper()
    model.train()
    executor = Executor(ModelPolicy(model), Gate(DELTA), execute=2)
    done = run_episode(Walker(), executor, 1)
    for number, (context, query, seeds, inference, training) in enumerate(model.asked):
        t = 2 * number
        frames = [max(t - 2, 0), max(t - 1, 0), t]
        assert context.frames[0, :, 0, 0, 0].tolist() == frames and tuple(context.frames.shape) == (1, 3, 3, 8, 8)
        assert np.allclose(context.state[0].numpy(), done.state[frames]) and context.instruction == ("walk to the right",)
        assert seeds == [decision_seed(1, t)] and inference and not training and query == IMAGINE_AND_ACT
    assert len({seeds[0] for _, _, seeds, _, _ in model.asked}) == len(model.asked)


def test_acting_without_imagining():
    done = run_episode(Walker(), Executor(ModelPolicy(Stepper(), {"action"}), Gate(DELTA)), 1)
    assert all(record.frames is None and record.offsets == () for record in done.imagined)
    with pytest.raises(Unanswerable, match="no such policy"):
        ModelPolicy(Stepper(), {"future"})


@pytest.mark.parametrize("broken", [{"frames": {}, "state": np.zeros(1, np.float32)},
                                    {"frames": {"main": np.zeros((4, 8, 3), np.uint8)}, "state": np.zeros(1, np.float32)},
                                    {"frames": {"main": np.zeros((8, 8, 3), np.uint8)}, "state": np.zeros(5, np.float32)}])
def test_another_observation_than_trained_on_is_refused(broken):
    with pytest.raises(SpecError, match="trained on"):
        ModelPolicy(Stepper()).observe(broken)


def test_replay_plays_back_and_holds():
    recorded = np.stack([np.linspace(0.01, 0.05, 5), np.zeros(5)], 1).astype(np.float32)
    taken = np.array(act(Executor(ReplayPolicy(recorded, hold=np.zeros(2, np.float32)), Gate(DELTA), execute=3), 8))
    assert np.allclose(taken[:5], recorded) and not taken[5:].any()
