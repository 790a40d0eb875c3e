"""Rollouts: the same numbers for any number of workers, resumable, with clear errors."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from control_fakes import make_broken, make_stepper, make_walker
from wamlab.data.store import EpisodeStore
from wamlab.errors import DataError, WamError
from wamlab.evaluate.ask.rollout import held_out, rollout

run = partial(rollout, make_simulator=make_walker)


def numbers(store):
    return [(e.action.tolist(), e.state.tolist(), e.truth["point"].tolist(), e.success.tolist(), e.meta["gate"],
             [(r.step, r.action.tolist(), r.frames.tolist()) for r in e.imagined]) for e in store]


def test_any_number_of_workers_gives_the_same_numbers(tmp_path):
    seeds, seen = held_out(5), []
    alone = run(make_stepper, "walker", seeds, tmp_path / "one", workers=0, progress=lambda *p: seen.append(p))
    spread = run(make_stepper, "walker", seeds, tmp_path / "two", workers=2)
    assert numbers(alone) == numbers(spread) and [e.meta["seed"] for e in spread] == list(seeds)
    assert seen == [(k, 5) for k in range(6)]
    assert len({str(n) for n in numbers(alone)}) == 5  # the scenes differ


def test_goes_on_where_it_was(tmp_path):
    seeds = held_out(4)
    whole = run(make_stepper, "walker", seeds, tmp_path / "whole", workers=1)
    with pytest.raises(KeyboardInterrupt):
        run(partial(make_broken, seeds[2], "interrupt"), "walker", seeds, tmp_path / "cut", workers=1)
    assert EpisodeStore.open(tmp_path / "cut").indices() == [0, 1]
    part = run(make_stepper, "walker", seeds[:2], tmp_path / "part", workers=1)
    stamps = [file.stat().st_mtime_ns for file in part.files()]
    part = run(make_stepper, "walker", seeds, tmp_path / "part", workers=1)
    assert [file.stat().st_mtime_ns for file in part.files()][:2] == stamps and numbers(part) == numbers(whole)
    calls = []
    run(make_broken, "walker", seeds, tmp_path / "part", progress=lambda *p: calls.append(p))  # all there: nothing is built
    assert calls == [(4, 4)]


def test_another_run_is_not_mixed_in(tmp_path):
    run(make_stepper, "walker", (5, 6), tmp_path, workers=0, provenance={"checkpoint": "a"})
    with pytest.raises(DataError, match="another provenance"):
        run(make_stepper, "walker", (5, 6), tmp_path, workers=0, provenance={"checkpoint": "b"})
    with pytest.raises(DataError, match="another seed"):
        run(make_stepper, "walker", (5, 7), tmp_path, workers=0, provenance={"checkpoint": "a"})


@pytest.mark.parametrize("how, workers, words", [
    ("raise", 0, ["episode 1 (seed 11) failed", "ZeroDivisionError", "no such number"]),
    ("raise", 2, ["episode 1 (seed 11) failed", "ZeroDivisionError"]),
    ("width", 2, ["episode 1 (seed 11) failed", "wrong width", "2 numbers"]),
    ("die", 2, ["died", "1 (seed 11)", "exit code -9"]),
])
def test_a_failure_names_its_episode(tmp_path, how, workers, words):
    with pytest.raises(WamError) as caught:
        run(partial(make_broken, 11, how), "walker", (10, 11, 12), tmp_path, workers=workers)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    kept = EpisodeStore.open(tmp_path)
    assert 1 not in kept.indices() and all(len(e) for e in kept)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_rollout_leaves_a_valid_store_and_no_process(tmp_path, how):
    script = textwrap.dedent(f"""
        import sys
        sys.path[:0] = {[str(Path(__file__).parent)]!r}
        from control_fakes import make_stepper, make_walker
        from wamlab.evaluate.ask.rollout import rollout
        if __name__ == "__main__":
            rollout(make_stepper, "walker", range(100000), {str(tmp_path / 'd')!r}, workers=2, make_simulator=make_walker)
        """)
    (tmp_path / "main.py").write_text(script)
    process = subprocess.Popen([sys.executable, str(tmp_path / "main.py")], stderr=subprocess.DEVNULL, start_new_session=True,
                               env=os.environ | {"OMP_NUM_THREADS": "1"})
    episodes = tmp_path / "d" / "episodes"
    limit = time.monotonic() + 120
    while len(list(episodes.glob("*.safetensors"))) < 5 and time.monotonic() < limit:
        time.sleep(0.05)
    os.kill(process.pid, how)
    assert process.wait(30) != 0
    while time.monotonic() < limit:  # the workers go too
        before = len(list(episodes.iterdir()))
        time.sleep(1.0)
        if len(list(episodes.iterdir())) == before:
            break
    store = EpisodeStore.open(tmp_path / "d")
    assert len(store) >= 5 and all(np.isfinite(e.state).all() for e in store)
    assert not list(episodes.glob(".*"))
