"""What a training tells at its end, and what is said of data that is unlike what was learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wamlab import recipe
from wamlab.control.collect import collect
from wamlab.errors import SpecError
from wamlab.learn.checkpoint import read_header
from wamlab.learn.diagnosis import action_ratio, compare, shuffled, statistics, told
from wamlab.learn.train import Trainer, train
from wamlab.models.stream import StreamWAM
from wamlab.models.streams import Streams
from wamlab.parts.vocabulary import CONDITIONS, actions, frames

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    return collect("pushworld", 6, tmp_path_factory.mktemp("demos") / "d", kind="mixed", options={"size": 32})


def tiny(name: str, steps: int = 4):
    made = recipe.load(name).sized("debug")
    return replace(made, training=replace(made.training, steps=steps, codec_steps=4))


def test_shuffled_actions_are_anothers_and_the_rest_stays(demos, tmp_path):
    trainer = Trainer(tiny("uwm"), [demos], tmp_path / "run", 0)
    batch = trainer.windows.batch(np.arange(0, 60, 5))
    other = shuffled(batch)
    assert torch.equal(other.future, batch.future) and torch.equal(other.context.state, batch.context.state)
    assert not torch.equal(other.action, batch.action)
    assert torch.equal(other.action.flatten(1).sum(1).sort().values, batch.action.flatten(1).sum(1).sort().values)


def test_a_future_that_reads_no_action_has_no_ratio_and_one_that_follows_it_is_above_one(demos, tmp_path):
    assert action_ratio(Trainer(tiny("vla"), [demos], tmp_path / "a", 0).model, Trainer(
        tiny("vla"), [demos], tmp_path / "a", 0).windows, 16, 0, CPU) is None

    class Follows(StreamWAM):
        """Its loss is how far the actions given are from those that led to the frames: another situation's are worse."""

        def loss(self, batch, seed):
            noise = torch.randn(batch.action.shape, generator=torch.Generator().manual_seed(seed))
            shown = torch.stack([self.known[int(i)] for i in batch.frame_index[:, 0]])
            return {"future": ((batch.action - shown + 0.1 * noise) ** 2).mean(), "total": torch.zeros(())}

    class Ignores(StreamWAM):
        def loss(self, batch, seed):
            return {"future": torch.rand((), generator=torch.Generator().manual_seed(seed)) + 1, "total": torch.zeros(())}

    trainer, found = Trainer(tiny("uwm"), [demos], tmp_path / "b", 0), {}
    for kind in (Follows, Ignores):
        model = kind(trainer.recipe.model, demos.task_spec)
        every = trainer.windows.batch(np.arange(len(trainer.windows)))
        model.known = dict(zip(every.frame_index[:, 0].tolist(), every.action, strict=True))
        found[kind] = action_ratio(model, trainer.windows, 16, 0, CPU)
    assert found[Follows]["low"] > 2 and found[Ignores]["ratio"] == 1
    assert not any("alarm" in line for line in told({"diagnosis": {"action_ratio": found[Follows]}}))
    assert any("alarm" in line for line in told({"diagnosis": {"action_ratio": found[Ignores]}}))


def test_every_training_keeps_its_diagnosis_also_when_it_was_stopped(demos, tmp_path):
    whole = read_header(train(tiny("uwm", 14), [demos], tmp_path / "whole"))["diagnosis"]
    assert whole["unmoved"] == [] and whole["action_ratio"]["low"] <= whole["action_ratio"]["ratio"]
    assert len(whole["statistics"]["action"]["mean"]) == 2

    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 16:  # the model's step 12
            raise Stop

    with pytest.raises(Stop):
        train(tiny("uwm", 14), [demos], tmp_path / "part", progress=stop)
    assert read_header(train(tiny("uwm", 14), [demos], tmp_path / "part"))["diagnosis"] == whole


def test_weights_that_nothing_reaches_are_named(demos, tmp_path):
    """Streams that read one another and that nothing generated reads: their own weights never learn."""
    deaf = replace(tiny("uwm"), name="deaf", model=replace(Streams(
        streams={"future": frames(), "action": actions()},
        reads={"text": ("text", "state"), "context": ("context",), "state": ("state", "text"),
               "future": ("context", "future", "action"), "action": ("context", "future", "action")}), width=32, depth=2))
    assert CONDITIONS[0] in deaf.model.table.streams
    diagnosis = read_header(train(deaf, [demos], tmp_path / "deaf"))["diagnosis"]
    assert any("text" in name for name in diagnosis["unmoved"]) and not any("action" in name for name in diagnosis["unmoved"])
    assert any(line.startswith("alarm") and "never had a gradient" in line for line in told({"diagnosis": diagnosis}))


@pytest.mark.parametrize("change, words", [
    (lambda rows: rows, []),
    (lambda rows: rows + np.array([0, 9, 0]), ["state b"]), (lambda rows: rows * [1, 1, 25], ["state c"]),
    (lambda rows: rows * [0.01, 1, 1], ["state a"]), (lambda rows: rows * 1000, ["state a", "state b", "state c"]),
])
def test_data_unlike_that_of_training_is_told_by_channel(change, words):
    rows = np.random.default_rng(0).normal(size=(300, 3)) + np.array([0, 2, 0])
    more = np.random.default_rng(1).normal(size=(200, 3)) + np.array([0, 2, 0])
    lines = compare({"state": statistics(rows), "action": None},
                    {"state": statistics(change(more)), "action": statistics(rows)},
                    {"state": ("a", "b", "c"), "action": ("x", "y", "z")})
    assert [line.split(":")[0] for line in lines] == words


def test_a_memory_longer_than_every_episode_is_refused(demos, tmp_path):
    """Its last chunks would never be learned."""
    longest = max(len(demos.load(index, frames=False)) for index in demos.indices())
    for chunks, fits in ((longest // 8 + 1 - (longest % 8 == 0), True), (longest // 8 + 2, False)):
        made = replace(tiny("dreamzero"), model=replace(tiny("dreamzero").model, chunks=chunks))
        if fits:
            Trainer(made, [demos], tmp_path / "run", 0)
        else:
            with pytest.raises(SpecError, match="no episode is as long") as caught:
                Trainer(made, [demos], tmp_path / "run", 0)
            assert str(longest) in caught.value.got and f"chunks={longest // 8 + (longest % 8 > 0)}" in caught.value.fix
