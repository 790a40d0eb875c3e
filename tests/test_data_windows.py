"""Windows line up: frame t, state t, action t and the frames ahead, to the step, within one episode."""

import time

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_fakes import SPEC, episode
from wamlab.data.selection import split
from wamlab.data.store import EpisodeStore
from wamlab.data.windows import Windows

ONCE = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make_store(path, lengths, renderer="r", first=0, **kwargs):
    store = EpisodeStore.create(path, SPEC, renderer)
    for index, steps in enumerate(lengths):
        store.put(index, episode(first + index, steps, **kwargs))
    return store


def expected(e, t, steps, history, chunk, offsets):
    """The same window by plain loops, from the meaning of the fakes."""
    context = [max(t - k, 0) for k in reversed(range(history))]
    future = [min(t + o, steps) for o in offsets]
    actions = [min(t + k, steps - 1) + 0.5 for k in range(chunk)]
    return context, future, [t + o <= steps for o in offsets], actions, [t + k < steps for k in range(chunk)]


@ONCE
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(lambda x: sum(x) > 0), history=st.integers(1, 4),
       chunk=st.integers(1, 6), offsets=st.lists(st.integers(1, 8), min_size=1, max_size=3), data=st.data())
def test_every_window_shows_what_it_says(tmp_path_factory, lengths, history, chunk, offsets, data):
    cut = data.draw(st.integers(1, len(lengths)))
    folder = tmp_path_factory.mktemp("w")
    stores = [make_store(folder / "a", lengths[:cut])]
    if cut < len(lengths):
        stores.append(make_store(folder / "b", lengths[cut:], first=cut))
    windows = Windows(stores, history=history, chunk=chunk, offsets=offsets)
    assert len(windows) == sum(lengths)
    order = np.array(data.draw(st.permutations(range(len(windows)))))
    batch = windows.batch(order)
    frames = torch.cat([batch.context.frames, batch.future], 1)
    assert torch.equal(frames, torch.from_numpy(np.asarray(windows.frames)[batch.frame_index.numpy()]).movedim(-1, -3))
    for row, window in enumerate(order):
        store_no, index, t = windows.origin(int(window))
        e = index + (cut if store_no else 0)
        context, future, future_mask, actions, action_mask = expected(e, t, lengths[e], history, chunk, offsets)
        assert frames[row, :, 0, 0, 0].tolist() == context + future
        assert (frames[row, :, 1] == e).all() and (frames[row, :, 2, 1, 2] == 7).all()
        assert batch.context.state[row].tolist() == [[s, e] for s in context]
        assert batch.action[row].tolist() == [[a, e] for a in actions]
        assert batch.future_mask[row].tolist() == future_mask and batch.action_mask[row].tolist() == action_mask
        assert batch.context.instruction[row] == f"count up {e}"
        assert windows.states[windows.now[window]].tolist() == [t, e]
        assert windows.frame_episode[batch.frame_index[row].numpy()].tolist() == [e] * (history + len(offsets))
        assert windows.truth("arm")[batch.frame_index[row].numpy()][:, 0].tolist() == context + future


def test_an_off_by_one_would_be_seen(tmp_path):
    """The control of the test above: episodes whose actions are stored one step late fail its check."""
    store = EpisodeStore.create(tmp_path, SPEC, "r")
    good = episode(0, 6)
    object.__setattr__(good, "action", np.roll(good.action, 1, axis=0))
    store.put(0, good)
    batch = Windows([store], history=1, chunk=2, offsets=(1,)).batch(np.arange(6))
    assert [row[0][0] for row in batch.action.tolist()] != [t + 0.5 for t in range(6)]


@ONCE
@given(imitate=st.lists(st.booleans(), min_size=1, max_size=10), chunk=st.integers(1, 5))
def test_a_window_with_a_disturbed_action_is_not_imitated(tmp_path_factory, imitate, chunk):
    store = EpisodeStore.create(tmp_path_factory.mktemp("w"), SPEC, "r")
    store.put(0, episode(0, len(imitate), np.array(imitate)))
    store.put(1, episode(1, 3, np.zeros(3, bool)))
    windows = Windows([store], history=1, chunk=chunk, offsets=(1,))
    assert windows.imitate.tolist() == [all(imitate[t:t + chunk]) for t in range(len(imitate))] + [False] * 3
    assert torch.equal(windows.batch(np.arange(len(windows))).imitate, torch.from_numpy(windows.imitate))


def test_a_subset_of_episodes_shares_the_cache(tmp_path):
    store = make_store(tmp_path, [3, 4, 5, 6])
    some = Windows([store], history=2, chunk=2, offsets=(1,), episodes=[[1, 3]])
    every = Windows([store], history=2, chunk=2, offsets=(1,))
    assert len(some) == 10 and len(every) == 18 and {some.origin(i)[1] for i in range(10)} == {1, 3}
    assert some.frames.shape == every.frames.shape == (22, 4, 6, 3)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    position = {every.origin(i): every.now[i] for i in range(18)}
    assert all(position[some.origin(i)] == some.now[i] for i in range(10))


def test_the_cache_is_mapped_reused_and_rebuilt(tmp_path):
    store = make_store(tmp_path, [3, 4])
    first = Windows([store], history=1, chunk=1, offsets=(1,))
    assert isinstance(first.frames, np.memmap) and not first.frames.flags.writeable
    file, = (tmp_path / "cache").iterdir()
    stamp = file.stat().st_mtime_ns
    Windows([store], history=1, chunk=1, offsets=(1,))
    assert file.stat().st_mtime_ns == stamp  # reused
    file.write_bytes(file.read_bytes()[:-100])  # cut short: built again
    assert (Windows([store], history=1, chunk=1, offsets=(1,)).frames[-1, ..., 0] == 4).all()
    store.put(2, episode(2, 5))
    grown = Windows([store], history=1, chunk=1, offsets=(1,))
    assert grown.frames.shape[0] == 4 + 5 + 6 and (grown.frames[-1, ..., 0] == 5).all()
    remade, = (tmp_path / "cache").iterdir()  # the stale one is gone
    assert remade.name != file.name


def test_batches_without_pictures_read_none(tmp_path):
    windows = Windows([make_store(tmp_path, [5])], history=2, chunk=2, offsets=(1, 3))
    light, full = windows.batch(np.arange(5), frames=False), windows.batch(np.arange(5))
    assert light.context.frames.shape == full.context.frames.shape and light.future.shape == full.future.shape
    assert not light.future.any() and torch.equal(light.frame_index, full.frame_index)
    assert torch.equal(light.action, full.action)


def test_chunks_are_those_of_the_batches(tmp_path):
    windows = Windows([make_store(tmp_path, [5, 2])], history=1, chunk=3, offsets=(1,), episodes=[[0]])
    actions, mask = windows.chunks()
    batch = windows.batch(np.arange(5))
    assert np.array_equal(actions, batch.action.numpy()) and np.array_equal(mask, batch.action_mask.numpy())


def test_split_keeps_episodes_whole(tmp_path):
    stores = [make_store(tmp_path / "a", [1] * 20), make_store(tmp_path / "b", [1, 1]), make_store(tmp_path / "c", [1])]
    training, validation = split(stores, 0.2, seed=3)
    assert [len(v) for v in validation] == [4, 1, 0]
    for store, a, b in zip(stores, training, validation, strict=True):
        assert sorted(a + b) == store.indices() and not set(a) & set(b)
    assert split(stores, 0.2, seed=3) == (training, validation) != split(stores, 0.2, seed=4)


def test_truth_is_not_a_number_where_it_is_not_reported(tmp_path):
    store = EpisodeStore.create(tmp_path, SPEC, "r")
    store.put(0, episode(0, 2))
    bare = episode(1, 2)
    object.__setattr__(bare, "truth", {})
    store.put(1, bare)
    truth = Windows([store], history=1, chunk=1, offsets=(1,)).truth("arm")
    assert np.isfinite(truth[:3]).all() and np.isnan(truth[3:]).all()


def test_mixed_renderers_are_accepted_when_asked_for(tmp_path):
    stores = [make_store(tmp_path / "a", [2], "egl-1"), make_store(tmp_path / "b", [2], "osmesa-2")]
    assert len(Windows(stores, history=1, chunk=1, offsets=(1,), allow_mixed_renderers=True)) == 4


def test_speed_is_that_of_memory(tmp_path):
    """A batch of 32 windows must not cost more than a millisecond a window: decoding or a per-window loop would."""
    windows = Windows([make_store(tmp_path, [30] * 3)], history=2, chunk=4, offsets=(1, 2))
    indices = np.arange(32)
    windows.batch(indices)
    start = time.process_time()
    for _ in range(20):
        windows.batch(indices)
    assert (time.process_time() - start) / 20 < 0.032
