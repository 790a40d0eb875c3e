"""Mixtures: shares are what was asked for, draws are exact, and a stopped run goes on to the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wamlab import recipe
from wamlab.commands.train import Command
from wamlab.config import from_json, to_json
from wamlab.control.collect import collect
from wamlab.data.draws import Draws, Source
from wamlab.data.mixture import Mixture, apportion
from wamlab.data.sampling import batch_indices
from wamlab.data.store import EpisodeStore
from wamlab.data.video import without_actions
from wamlab.errors import CheckpointError, WamError
from wamlab.learn import checkpoint
from wamlab.learn.train import Trainer, train

WEIGHTS = st.lists(st.floats(0, 5), min_size=3, max_size=3).filter(lambda w: sum(w) > 0.1)


def mixture_of(first: list[float], middle: list[float], last: list[float], temperature: float = 1.0) -> Mixture:
    return Mixture(((0.0, tuple(first)), (0.4, tuple(middle)), (1.0, tuple(last))), temperature)


def test_shares_follow_weights_temperature_and_schedule():
    assert np.allclose(Mixture.parse(["3,1"]).course(4, [10, 1000]), [[0.75, 0.25]] * 4)
    assert np.allclose(Mixture().course(2, [10, 30]), [[0.25, 0.75]] * 2), "without weights, every window counts alike"
    assert np.allclose(Mixture(temperature=2.0).course(1, [1, 9]), [[0.25, 0.75]])
    assert np.allclose(Mixture(temperature=1e-3).course(1, [1, 2]), [[0, 1]]), "small powers of small numbers are still numbers"
    assert np.allclose(Mixture(temperature=1e9).course(1, [1, 9]), [[0.5, 0.5]])
    course = Mixture.parse(["0:0,1", "0.5:1,1", "1:1,0"]).course(1000, [5, 5])
    assert course[0, 0] < 0.01 and abs(course[499, 0] - 0.5) < 0.01 and course[-1, 1] < 0.01
    assert (np.diff(course[:, 0]) >= 0).all() and np.allclose(course.sum(1), 1)
    half = Mixture.parse(["0.2:0,1", "0.4:1,0"]).course(100, [5, 5])
    assert (half[:20] == [0, 1]).all() and (half[40:] == [1, 0]).all(), "constant outside the points"
    made = mixture_of([1, 2, 3], [0, 0, 1], [1, 1, 1], 3.0)
    assert from_json(Mixture, to_json(made)) == made


@pytest.mark.parametrize("words", [["1,x"], ["2:1,1"], ["0.5:1,1", "0.2:1,1"], ["0:1,1", "1:1"], ["0,0"], ["-1,2"], ["nan,1"],
                                   ["0:0:1,1"], [""]])
def test_mixtures_that_mean_nothing_are_refused(words):
    with pytest.raises(WamError, match=r"mixture|--mix"):
        Mixture.parse(words)


def test_mixtures_that_do_not_fit_the_data_are_refused():
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(WamError, match="temperature"):
            Mixture(temperature=temperature)
    with pytest.raises(WamError, match="another number of sources"):
        Mixture.parse(["1,1"]).course(5, [1, 2, 3])
    with pytest.raises(WamError, match="no window"):
        Mixture.parse(["0:1,0", "1:1,1"]).course(5, [5, 0])
    assert np.allclose(Mixture.parse(["1,0"]).course(1, [5, 0]), [[1, 0]])


@settings(max_examples=60, deadline=None)
@given(first=WEIGHTS, middle=WEIGHTS, last=WEIGHTS, batch=st.integers(1, 40), steps=st.integers(1, 60))
def test_rounding_is_carried_on_and_never_lost(first, middle, last, batch, steps):
    shares = mixture_of(first, middle, last).course(steps, [7, 8, 9])
    counts = apportion(shares, batch)
    assert (counts.sum(1) == batch).all() and (counts >= 0).all() and (counts[shares == 0] == 0).all()
    ahead = counts.cumsum(0) - (shares * batch).cumsum(0)
    assert np.abs(ahead).max() < len(shares[0]), "a source is never ahead or behind by more than rounding"


@settings(max_examples=40, deadline=None)
@given(weights=WEIGHTS, sizes=st.lists(st.integers(0, 30), min_size=6, max_size=6), batch=st.integers(1, 30),
       play=st.floats(0, 1), seed=st.integers(0, 99))
def test_every_window_comes_once_before_any_comes_again(weights, sizes, batch, play, seed):
    parts = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    sources = [Source(f"s{n}", parts[2 * n], parts[2 * n + 1]) for n in range(3)]
    weights = [w if len(source) else 0.0 for w, source in zip(weights, sources, strict=True)]
    if sum(weights) <= 0.1:
        return
    draws = Draws(sources, Mixture(((0.0, tuple(weights)),)).course(25, list(map(len, sources))), batch, play, seed)
    rows = [draws.rows(step) for step in range(25)]
    assert all(len(row) == batch for row in rows)
    assert all(np.array_equal(draws.rows(step), rows[step]) for step in (24, 3, 0)), "a pure function of the step"
    for step in (0, 1, 25):
        drawn = np.concatenate([np.zeros(0, int), *rows[:step]])
        for part in draws.seen(step):
            number, other = int(part["source"][1]), part["part"] == "not imitated"
            mine = drawn[np.isin(drawn, parts[2 * number + other])]
            times = np.bincount(mine, minlength=sum(sizes))[parts[2 * number + other]]
            assert part["drawn"] == len(mine) and part["windows"] == len(times) and np.ptp(times) <= 1
            assert part["epochs"] == pytest.approx(len(mine) / len(times), abs=1e-4)


def test_play_has_its_share_of_the_smallest_source():
    """A source with two windows per batch: a quarter of them is half a window each step."""
    draws = Draws([Source("s", np.arange(50), np.arange(50, 60))], np.ones((40, 1)), 2, 0.25, 0)
    assert [part["drawn"] for part in draws.seen(40)] == [60, 20] and [part["drawn"] for part in draws.seen(8)] == [12, 4]


def test_one_source_is_drawn_as_ever():
    """The rows of trainings without a mixture: expert windows and play, each in its own endless walk."""
    imitated, others = np.arange(10, 47), np.arange(100, 113)
    draws = Draws([Source("all", imitated, others)], np.ones((9, 1)), 32, 0.25, 7 * 3 + 2)
    for step in range(9):
        wanted = [imitated[batch_indices(37, 24, step, 23)], others[batch_indices(13, 8, step, 26)]]
        assert np.array_equal(draws.rows(step), np.concatenate(wanted))


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> list[EpisodeStore]:
    folder = tmp_path_factory.mktemp("stores")
    demos = collect("pushworld", 5, folder / "demos", kind="mixed", workers=1)
    video = EpisodeStore.create(folder / "video", demos.task_spec, demos.renderer, {"video": True})
    for index, episode in enumerate(collect("pushworld", 3, folder / "more", kind="expert", seed=5, workers=1)):
        video.put(index, without_actions(episode))
    return [demos, video]


VIDEO_FIRST = Mixture.parse(["0:0,1", "0.5:1,1", "1:1,0"])


def tiny(name: str, **training) -> recipe.Recipe:
    r = recipe.load(name).sized("debug")
    return replace(r, training=replace(r.training, **({"steps": 12, "codec_steps": 4, "checkpoint_every": 3} | training)))


def test_a_schedule_decides_what_training_sees(stores, tmp_path):
    trainer = Trainer(tiny("uwm"), stores, tmp_path, 1, mixture=VIDEO_FIRST)
    source = [trainer.windows.source[trainer.rows("model", step)] for step in range(12)]
    assert (source[0] == 1).mean() > 0.8 and (source[-1] == 0).mean() > 0.8
    codec = np.concatenate([trainer.windows.source[trainer.rows("codec", step)] for step in range(4)])
    assert 0.3 < codec.mean() < 0.7, "the representation has to serve the whole schedule"
    with pytest.raises(WamError, match="no window"):
        Trainer(tiny("vla"), stores, tmp_path, 1, mixture=VIDEO_FIRST)


def test_a_killed_mixture_goes_on_to_the_same_bits(stores, tmp_path):
    settings = {"steps": 24, "codec_steps": 4, "checkpoint_every": 4}
    r = tiny("uwm", **settings)
    whole = train(r, stores, tmp_path / "whole", seed=3, mixture=VIDEO_FIRST)
    script = (f"import torch; torch.set_num_threads(1)\nfrom dataclasses import replace\nimport wamlab.recipe as R\n"
              f"from wamlab.data.mixture import Mixture\nfrom wamlab.data.store import EpisodeStore\n"
              f"from wamlab.learn.train import train\nr = R.load('uwm').sized('debug')\n"
              f"r = replace(r, training=replace(r.training, **{settings!r}))\n"
              f"stores = [EpisodeStore.open(p) for p in {[str(s.path) for s in stores]!r}]\n"
              f"train(r, stores, {str(tmp_path / 'killed')!r}, seed=3, mixture=Mixture.parse(['0:0,1', '0.5:1,1', '1:1,0']))\n")
    process = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"OMP_NUM_THREADS": "1"})
    until = time.monotonic() + 120
    while not sorted((tmp_path / "killed").glob("step-1000000[1-9]*")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model").exists(), "it was killed too late to test anything"
    finished = train(r, stores, tmp_path / "killed", seed=3, mixture=VIDEO_FIRST)
    one, other = checkpoint.read_tensors(whole), checkpoint.read_tensors(finished)
    assert all(torch.equal(one[k], other[k]) for k in one)
    header = checkpoint.read_header(finished)
    assert header == checkpoint.read_header(whole)
    assert sum(part["drawn"] for part in header["sources"]) == 24 * r.training.batch_size
    assert {part["source"] for part in header["sources"]} == {"demos", "video"}
    for other_mixture in (None, Mixture.parse(["1,1"])):
        with pytest.raises(CheckpointError, match="another mixture"):
            train(r, stores, tmp_path / "whole", seed=3, mixture=other_mixture)


def test_the_command_says_what_was_seen(stores, tmp_path, capsys):
    folders = tuple(store.path for store in stores)
    Command("uwm", folders, tmp_path / "out", size="debug", steps=3, mix=("1,3",))()
    said = capsys.readouterr().out
    assert "demos, imitated" in said and "video, not imitated" in said and "times" in said
    seen = checkpoint.read_header(tmp_path / "out" / "model")["sources"]
    assert sum(part["drawn"] for part in seen if part["source"] == "video") == 3 * 16 * 3 // 4
