"""What a run learns does not depend on how many processes learn it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from wamlab.control.collect import collect
from wamlab.errors import CheckpointError
from wamlab.evaluate.eyes.readout import Readout
from wamlab.job.chores import Chore, all_chores, do_all, model_folder, readout_path
from wamlab.job.run_config import RunConfig
from wamlab.learn.checkpoint import load_model


def made(out) -> list[Chore]:
    collect("pushworld", 4, out / "data" / "pushworld", workers=1, kind="mixed")
    return all_chores(RunConfig(out=out, size="debug", tasks=("pushworld",), minutes=1).resized())


class Bars:
    def __init__(self):
        self.said: dict[str, list[tuple[int, int]]] = {}

    @contextmanager
    def __call__(self, title):
        assert title not in self.said
        self.said[title] = []
        yield lambda done, total: self.said[title].append((done, total))


def test_one_process_or_two_learn_the_same(tmp_path):
    one, two = made(tmp_path / "one"), made(tmp_path / "two")
    bars = Bars(), Bars()
    for some, workers, bar in ((one, 1, bars[0]), (two, 2, bars[1])):
        spent = do_all(some, workers, bar)
        assert set(spent) == set(bar.said) == {chore.title for chore in some}
    assert bars[0].said == bars[1].said and all(steps[-1][0] == steps[-1][1] for steps in bars[0].said.values())
    for name in ("uwm", "vla"):
        first, second = (load_model(model_folder(name, x[0].config) / "model").state_dict() for x in (one, two))
        assert all(torch.equal(first[key], second[key]) for key in first)
    for pattern in ("controls/replay-*", "controls/own-*", "branches/*"):
        (first,), (second,) = ([path.read_bytes() for path in (tmp_path / name).glob(pattern)] for name in ("one", "two"))
        assert first == second
    first, second = (Readout.load(readout_path("pushworld", x[0].config)).eye.state_dict() for x in (one, two))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_an_error_in_a_process_is_the_error_of_the_run(tmp_path):
    some = made(tmp_path / "run")
    do_all(some[:1], 1, Bars())
    (model_folder("uwm", some[0].config) / "model" / "checkpoint.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        do_all(some, 2, Bars())
