"""From a real simulator through the store, the windows and a rollout back: everything lines up and repeats."""

from functools import partial

import numpy as np
import pytest

from control_fakes import make_replay
from wamlab.control.collect import collect
from wamlab.data.windows import Windows
from wamlab.evaluate.ask.rollout import held_out, rollout
from wamlab.simulators import make


@pytest.mark.parametrize("task", ["pushworld", pytest.param("metaworld/push", marks=pytest.mark.sim)])
def test_demonstrations_line_up_and_replay(tmp_path, task):
    store = collect(task, 2, tmp_path / "d", kind="noisy", workers=1)
    windows = Windows([store], history=2, chunk=3, offsets=(1, 3))
    simulator = make(task)
    entity = store.task_spec.entities[0].name
    for number in range(0, len(windows), max(1, len(windows) // 12)):
        batch, (_, index, t) = windows.batch(np.array([number])), windows.origin(number)
        demonstration = store[index]
        assert np.array_equal(batch.context.frames[0, -1].movedim(0, -1).numpy(), demonstration.frames["main"][t])
        assert np.array_equal(windows.truth(entity)[windows.now[number]], demonstration.truth[entity][t])
        if t + 3 <= len(demonstration):  # doing the window's actions from the window's scene leads to its future
            simulator.reset(seed=demonstration.meta["scene"])
            for action in demonstration.action[:t]:
                simulator.step(action)
            for action in batch.action[0].numpy():
                seen = simulator.step(action)[0]
            assert np.array_equal(seen["frames"]["main"], batch.future[0, 1].movedim(0, -1).numpy())
    simulator.close()


def test_a_demonstration_replayed_in_its_own_scene_succeeds_there_and_rollouts_repeat(tmp_path):
    store = collect("pushworld", 1, tmp_path / "d", kind="expert", workers=1)
    shown = store[0]
    make_executor = partial(make_replay, shown.action.tolist(), store.task_spec.action)
    scenes = (shown.meta["scene"], *held_out(3))
    one = rollout(make_executor, "pushworld", scenes, tmp_path / "one", workers=0)
    two = rollout(make_executor, "pushworld", scenes, tmp_path / "two", workers=2)
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.state, b.state) and np.array_equal(a.frames["main"], b.frames["main"])
    assert one[0].solved and np.array_equal(one[0].action, shown.action[:len(one[0])])
    assert all(sum(episode.meta["gate"][kind] for kind in ("clamp", "reject")) == 0 for episode in one)
