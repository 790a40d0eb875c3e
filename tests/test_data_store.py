"""Episodes come back from disk as they went in; whole or not at all; under any number of writers."""

import json
import multiprocessing
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from data_fakes import SPEC, Walker, episode, imagined_episode
from wamlab import spec as specs
from wamlab.data.atomic import replacing
from wamlab.data.store import EpisodeStore
from wamlab.errors import SpecError
from wamlab.types import Episode


def same(a: Episode, b: Episode) -> bool:
    for name in ("state", "action", "success", "imitate"):
        first, second = getattr(a, name), getattr(b, name)
        if first.dtype != second.dtype or not np.array_equal(first, second):
            return False
    pairs = [(a.frames, b.frames), (a.truth, b.truth)]
    if any(x.keys() != y.keys() or any(not np.array_equal(x[k], y[k]) for k in x) for x, y in pairs):
        return False
    records = [(r.step, r.offsets, r.seconds, r.action.tolist(), None if r.frames is None else r.frames.tolist())
               for r in a.imagined], [(r.step, r.offsets, r.seconds, r.action.tolist(),
                                       None if r.frames is None else r.frames.tolist()) for r in b.imagined]
    return records[0] == records[1] and (a.task, a.instruction, dict(a.meta)) == (b.task, b.instruction, dict(b.meta))


def test_round_trip(tmp_path):
    store = EpisodeStore.create(tmp_path / "d", SPEC, "fake-1", {"who": "test"})
    wanted = [imagined_episode(), episode(3, 4, imitate=np.array([True, False, True, True])), episode(4, 0)]
    for made in wanted:
        store.append(made)
    again = EpisodeStore.open(tmp_path / "d")
    assert (again.task_spec, again.renderer, again.provenance) == (SPEC, "fake-1", {"who": "test"})
    assert len(again) == 3 and again.indices() == [0, 1, 2] and again.has(1) and not again.has(3)
    assert all(same(a, b) for a, b in zip(again, wanted, strict=True))
    assert not same(again[0], wanted[1])  # the comparison can fail
    assert again.meta(0)["note"] == "ä"
    bare = again.load(0, frames=False)
    assert not bare.frames and not bare.imagined and np.array_equal(bare.state, wanted[0].state)
    with pytest.raises(ValueError, match="read-only"):
        again[0].state[0] = 1


def test_gaps_are_kept(tmp_path):
    store = EpisodeStore.create(tmp_path, SPEC, "r")
    store.put(7, episode(7, 2))
    store.put(2, episode(2, 2))
    assert store.indices() == [2, 7] and store.append(episode(8, 2)) == 8
    assert [e.meta["seed"] for e in store] == [2, 7, 8]


@pytest.mark.parametrize("spec", [SPEC, Walker.task_spec])
def test_spec_survives_json(spec):
    assert specs.from_json(json.loads(json.dumps(specs.to_json(spec)))) == spec
    for field in fields(spec):
        broken = {**specs.to_json(spec), field.name: None}
        with pytest.raises(SpecError) as caught:
            specs.from_json(broken)
        assert field.name in str(caught.value)


def test_open_or_create_goes_on_only_under_the_same_conditions(tmp_path):
    EpisodeStore.open_or_create(tmp_path / "d", SPEC, "r", {"kind": "expert"}).append(episode(0, 2))
    assert len(EpisodeStore.open_or_create(tmp_path / "d", SPEC, "r", {"kind": "expert"})) == 1


def put_some(path, start, stop):
    store = EpisodeStore.open(path)
    for index in range(start, stop):
        store.put(index, episode(index, 3))


def test_many_writers(tmp_path):
    EpisodeStore.create(tmp_path, SPEC, "r")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=put_some, args=(tmp_path, 10 * k, 10 * k + 10)) for k in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [e.meta["seed"] for e in EpisodeStore.open(tmp_path)] == list(range(30))


def test_leftovers_of_dead_writers_are_swept_and_those_of_live_ones_are_not(tmp_path):
    EpisodeStore.create(tmp_path, SPEC, "r")
    dead = tmp_path / "episodes" / f".00000000.safetensors.{os.getppid()}.00000000.tmp"  # its writer's number is used again
    alien = tmp_path / "episodes" / ".note.tmp"
    for file in (dead, alien):
        file.write_bytes(b"half")
    with replacing(tmp_path / "episodes/00000000.safetensors") as writing:
        writing.write(b"half")
        live = Path(writing.name)
        other = f"from wamlab.data.store import EpisodeStore; EpisodeStore.open({str(tmp_path)!r})"
        subprocess.run([sys.executable, "-c", other], check=True)  # another process, whatever the clock says
        assert len(EpisodeStore.open(tmp_path)) == 0
        assert not dead.exists() and live.exists() and alien.exists()
    assert not live.exists() and (tmp_path / "episodes/00000000.safetensors").read_bytes() == b"half"
