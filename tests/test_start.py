"""Training that begins with another training's weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from test_train import Stop, demos, stop_at, tiny  # noqa: F401
from wamlab.cli import main
from wamlab.config import to_json
from wamlab.errors import CheckpointError
from wamlab.learn import checkpoint
from wamlab.learn.start import start, told
from wamlab.learn.train import train


@pytest.fixture(scope="module")
def base(demos, tmp_path_factory):  # noqa: F811
    return train(tiny("uwm"), [demos], tmp_path_factory.mktemp("base"), seed=3)


def test_what_was_learned_is_taken_over_with_its_units(demos, base, tmp_path):  # noqa: F811
    """The codec, and all that was measured, stay to the bit; the trunk moves, and from there."""
    first, anew = checkpoint.read_tensors(base), checkpoint.read_tensors(train(tiny("uwm"), [demos], tmp_path / "anew", seed=4))
    folder = train(tiny("uwm"), [demos], tmp_path / "more", seed=4, begin=base)
    more, header = checkpoint.read_tensors(folder), checkpoint.read_header(folder)
    kept = [name for name in first if ".codec." in name or name.startswith("contents.")]
    assert len(kept) > 20 and all(torch.equal(first[name], more[name]) for name in kept)
    assert any(not torch.equal(first[name], anew[name]) for name in kept)
    assert header["curves"]["codec"] == [] and header["start"]["anew"] == {} and header["start"]["taken"] == len(first)
    assert told(header["start"]) == f"began with {len(first)} of {len(first)} tensors of uwm (seed 3, 8 steps)"
    weights = [name for name in first if name.startswith("networks.0.trunk") and first[name].dim() == 2]
    for name in weights:
        assert 0 < (more[name] - first[name]).norm() < (anew[name] - first[name]).norm()


def test_it_is_resumed_to_the_bit_and_only_with_the_same_start(demos, base, tmp_path):  # noqa: F811
    whole = train(tiny("uwm"), [demos], tmp_path / "whole", begin=base)
    for step in (2, 5):
        with pytest.raises(Stop):
            train(tiny("uwm"), [demos], tmp_path / "parts", begin=base, progress=stop_at(step))
    with pytest.raises(CheckpointError, match="another training run") as caught:
        train(tiny("uwm"), [demos], tmp_path / "parts")
    assert "start" in caught.value.got
    parts = train(tiny("uwm"), [demos], tmp_path / "parts", begin=base)
    one, other = checkpoint.read_tensors(whole), checkpoint.read_tensors(parts)
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("change, anew", [
    (lambda spec: replace(spec, action=replace(spec.action, units=("inch",) * spec.action.width)),
     {"action": "other actions", "steering": "other actions"}),
    (lambda spec: replace(spec, state=("a", "b", "c", "d")[: len(spec.state)]),
     {"state": "another proprioception", "steering": "another proprioception"}),
    (lambda spec: replace(spec, image_size=(48, 48)), {"codec": "another size of frames"}),
])
def test_what_means_something_else_begins_anew_and_is_named(base, change, anew):
    spec = checkpoint.load_model(base).task_spec
    found = start(tiny("uwm").model.build(change(spec)), base)
    assert {part: why for part, why in found.facts["anew"].items() if why != "another size"} == anew
    assert all(f"anew: {part} ({why})" in told(found.facts) for part, why in anew.items())
    assert found.facts["taken"] == len(found.tensors) < found.facts["of"] and not found.whole(next(iter(anew)))


def test_another_width_takes_over_the_codec_alone(base):
    model = replace(tiny("uwm").model, width=64).build(checkpoint.load_model(base).task_spec)
    found = start(model, base)
    assert found.whole("codec") and {"trunk", "future", "action"} <= {*found.facts["anew"]}
    other = tiny("vla").model.build(model.task_spec)
    assert "codec" not in start(other, base).facts["anew"] and not any(".codec." in name for name in start(other, base).tensors)


def test_weights_that_cannot_be_begun_with(base, demos, tmp_path):  # noqa: F811
    with pytest.raises(CheckpointError, match="no checkpoint"):
        train(tiny("uwm"), [demos], tmp_path / "none", begin=tmp_path / "nowhere")
    spec = checkpoint.load_model(base).task_spec
    checkpoint.save(tmp_path / "other", {"a": torch.zeros(3)}, tiny("uwm"), spec, {"stage": "done", "step": 8, "seed": 0})
    with pytest.raises(CheckpointError, match="nothing of this checkpoint fits"):
        start(tiny("uwm").model.build(spec), tmp_path / "other")
    checkpoint.write(tmp_path / "old", {"a": torch.zeros(3)}, {"format": checkpoint.FIRST, "recipe": {"name": "uwm"},
                                                               "task_spec": to_json(spec)})
    with pytest.raises(CheckpointError, match="older layout"):
        start(tiny("uwm").model.build(spec), tmp_path / "old")


def test_the_command_says_what_it_began_with(base, demos, tmp_path, capsys):  # noqa: F811
    words = ["train", "uwm", "--data", demos.path, "--size", "debug", "--steps", 4, "--from", base, "--out", tmp_path / "out"]
    assert main([*map(str, words)]) == 0
    assert "began with" in capsys.readouterr().out
