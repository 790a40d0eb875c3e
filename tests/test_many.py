"""Size: what is checked a thousand times is wrong by chance sometimes, and what is compared in pairs grows too fast."""

import json
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from lerobot_fakes import bench_store
from mutations import Draft, action_sign, copied_video, late_video
from toyworld import SPEC, effects
from wamlab.control.collect import collect
from wamlab.data.check.across import close
from wamlab.data.check.moments import Moments, fit_linear
from wamlab.data.check.run import check_dataset
from wamlab.data.store import EpisodeStore
from wamlab.evaluate.ask.protocol import Terms
from wamlab.evaluate.evidence import Answers
from wamlab.evaluate.metrics import Evidence
from wamlab.evaluate.metrics.identification import permutation_p
from wamlab.evaluate.records import reading, writing
from wamlab.evaluate.statistics import MANY, cluster_bootstrap, median_of_clusters

PUSHES = 150
MEASURE = """
import sys
from wamlab.evaluate.records import reading
def most():
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
few, many = sys.argv[1:]
reading.load(few).card()
before = most()
reading.load(many).card()
print(most() - before)
"""


@pytest.fixture(scope="module")
def pushes(tmp_path_factory):
    return collect("pushworld", PUSHES, tmp_path_factory.mktemp("many") / "d", kind="mixed", workers=1, options={"size": 32})


def spoilt(store, folder, change, number):
    """A copy of a store in which one episode is changed."""
    out = EpisodeStore.create(folder, store.task_spec, store.renderer or "", store.provenance)
    for index, episode in enumerate(store):
        out.append(change(episode) if index == number else episode)
    return folder


def black(episode):
    frames = episode.frames["main"].copy()
    frames[5:9] = 0
    return replace(episode, frames={"main": frames})


def mirrored(episode):
    return replace(episode, action=-episode.action)


def test_many_good_episodes_give_no_warning(pushes):
    start = time.process_time()
    assert check_dataset(pushes.path) == []
    assert time.process_time() - start < 0.05 * PUSHES  # a hundredth of a second each, and five times as much for slow machines


@pytest.mark.parametrize(("change", "check"), [(black, "black frames"), (mirrored, "action semantics")])
def test_a_fault_among_many_good_episodes_is_found(pushes, tmp_path, change, check):
    number = PUSHES // 2
    found = check_dataset(spoilt(pushes, tmp_path / "d", change, number))
    assert {one.episode for one in found} == {number} and check in {one.check for one in found}


def test_faults_among_many_made_up_episodes(tmp_path):
    store = bench_store(tmp_path / "good", 60)
    assert check_dataset(store.path) == []
    drafts, generator = [Draft.of(e) for e in store], np.random.default_rng(0)
    for fault, number in ((late_video, 7), (action_sign, 20), (copied_video, 33)):
        fault(drafts, number, generator)
    bad = EpisodeStore.create(tmp_path / "bad", store.task_spec, store.renderer or "", store.provenance)
    for draft in drafts:
        bad.append(draft.episode())
    assert {one.episode for one in check_dataset(bad.path)} == {7, 20, 34}


def test_close_pairs_are_those_of_all_pairs():
    points = np.random.default_rng(0).uniform(0, 1, (200, 3))
    wanted = [(a, b) for a in range(200) for b in range(a + 1, 200) if np.abs(points[a] - points[b]).max() <= 0.05]
    assert wanted and close(list(points), 0.05) == wanted
    points[3] = np.nan
    assert close(list(points), 0.05) == [pair for pair in wanted if 3 not in pair]
    assert close([points[0]], 0.05) == []


def test_a_fit_without_an_episode_is_the_fit_over_the_others():
    draw = np.random.default_rng(0)
    x = [draw.normal(1e4, 1, (20, 3)) for _ in range(6)]
    y = [part @ draw.normal(size=(3, 2)) + draw.normal(size=(20, 2)) for part in x]
    whole = Moments.of(x, y)
    left = (whole - Moments.of(x[2:3], y[2:3], whole.origin)).fit()
    assert np.allclose(left(x[2]), fit_linear(x[:2] + x[3:], y[:2] + y[3:])(x[2]), atol=1e-5)
    assert np.allclose((whole + whole).fit()(x[0]), fit_linear(x, y)(x[0]), atol=1e-5)


def test_a_bootstrap_over_many_units_costs_as_much_as_over_some_and_says_the_same():
    draw = np.random.default_rng(0)
    sums = np.stack([draw.normal(1, 1, 20 * MANY), np.ones(20 * MANY)], -1)
    start = time.process_time()
    found = cluster_bootstrap(sums, lambda s: s[..., 0] / s[..., 1])
    assert time.process_time() - start < 5
    half = 1.96 * sums[:, 0].std() / np.sqrt(len(sums))
    assert found.value == pytest.approx(sums[:, 0].mean()) and found.high - found.low == pytest.approx(2 * half, rel=0.1)
    median, n = median_of_clusters(sums[:3000, 0], np.arange(3000))
    assert n == 3000 and median.low < np.median(sums[:3000, 0]) < median.high
    assert median.high - median.low == pytest.approx(2 * 1.96 * 1.2533 / np.sqrt(3000), rel=0.2)


def test_permutations_over_many_contexts_follow_the_normal_law():
    credit = np.random.default_rng(0).uniform(0, 1, (MANY + 1, 4, 4))
    drawn, law = permutation_p(credit[:-1]), permutation_p(credit)
    assert law == pytest.approx(drawn, abs=0.05) and 0.001 < law < 0.999
    assert permutation_p(np.tile(np.eye(4), (MANY + 1, 1, 1))) < 0.001


def many_records(path, contexts, digits=16):
    made = effects(contexts)
    few = {name: value[:, :, [5, 11]] for name, value in made.real.items()}
    near = {name: value + np.random.default_rng(0).normal(0, 0.003, value.shape) for name, value in few.items()}
    start, few, near = ({name: value.round(digits) for name, value in side.items()} for side in (made.start, few, near))
    made = replace(made, start=start, real=few, imagined=near, offsets=(6, 12))
    answers = Answers(made.start, {n: v[:, :6] for n, v in few.items()}, {n: v[:, :6] for n, v in near.items()}, made.offsets,
                      made.kinds[:6], made.strata)
    told = Evidence("m", SPEC, effects=made, answers=answers)
    writing.save(path, Terms("toy", contexts, made.kinds, made.offsets, 12), told)
    return path


@pytest.mark.parametrize(("contexts", "seconds"), [(400, 6), pytest.param(8000, 40, marks=pytest.mark.slow)])
def test_a_card_of_many_records(contexts, seconds, tmp_path):
    path = many_records(tmp_path / "r.jsonl", contexts)
    start = time.process_time()
    card = reading.load(path).card()
    assert card.find("cc.robot").n == contexts and card.find("f2a.object").value > 0.9
    assert time.process_time() - start < seconds


def test_records_take_a_few_times_their_file(tmp_path):
    """At most, while they are read; and less than the file when they have been. The fewer digits a file has, the larger is what
    is made of it: an array for every line would take six times a file with four."""
    path = many_records(tmp_path / "r.jsonl", 100, digits=4)
    reading.load(many_records(tmp_path / "few.jsonl", 4))  # what is imported and cached once does not count
    with path.open() as file:
        some = list(islice(file, 1000))
    tracemalloc.start()
    try:
        kept = reading.load(path)
        now, peak = tracemalloc.get_traced_memory()
        rows = [json.loads(line) for line in some]
        assert len(rows) and tracemalloc.get_traced_memory()[0] - now > 4 * sum(map(len, some)), "the control: lines as objects"
    finally:
        tracemalloc.stop()
    assert kept.evidence.effects is not None and peak < 4 * path.stat().st_size and now < path.stat().st_size


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the largest memory of one process")
def test_a_card_of_many_records_takes_a_few_times_their_file(tmp_path):
    """What is resident, beside what is imported and made once. A process of its own: types are not checked in it, and no other
    test has taken memory in it."""
    few, many = (many_records(tmp_path / f"{n}.jsonl", n, digits=4) for n in (20, 8000))
    said = subprocess.run([sys.executable, "-c", MEASURE, few, many], check=True, capture_output=True, text=True).stdout
    assert 0 < int(said) < 5 * many.stat().st_size
