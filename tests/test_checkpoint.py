"""Weights are checked as episodes are: what has changed on the disk, or was made for another robot, is refused."""

from __future__ import annotations

import json
import shutil
import struct
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from helpers_models import edit_header, random_context, randomise, small_spec
from wamlab import cli, recipe
from wamlab.control.collect import collect
from wamlab.data.sealed import seal, unseal
from wamlab.errors import CheckpointError, DataError, SpecError, WamError
from wamlab.evaluate.ask.answer_file import load as load_answers
from wamlab.evaluate.ask.branch_data import Branches
from wamlab.evaluate.ask.imagining import Futures
from wamlab.evaluate.ask.lockstep import successes
from wamlab.evaluate.eyes.readout import Eye, Readout, Shape
from wamlab.labels.inverse import Inverse, InverseConfig, Pair
from wamlab.learn import checkpoint, old_layout
from wamlab.simulators import make
from wamlab.types import Given


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A model of PushWorld as training leaves it; its weights do not matter."""
    folder, world = tmp_path_factory.mktemp("trained") / "model", make("pushworld")
    made = recipe.load("vla").sized("debug")
    torch.manual_seed(0)
    model = made.model.build(world.task_spec)
    checkpoint.save(folder, model.state_dict(), made, world.task_spec, {"stage": "done", "step": 1, "seed": 0})
    world.close()
    return folder


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    return shutil.copytree(trained, tmp_path / "model")


def flip(file: Path, many: int = 1) -> None:
    """Other bits in the middle of the numbers."""
    content = bytearray(file.read_bytes())
    start = 8 + struct.unpack("<Q", content[:8])[0]
    for number in range(many):
        content[start + (number * 7919 * 4) % (len(content) - start - 4) // 4 * 4 + 2] ^= 0x40
    file.write_bytes(content)


def rolled_out(folder: Path, out: Path) -> int:
    return cli.main(["rollout", str(folder), "pushworld", "--out", str(out), "--episodes", "1", "--workers", "1"])


def test_a_whole_checkpoint_is_read_without_a_word(copy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = checkpoint.load_model(copy)
    assert sum(p.numel() for p in model.parameters()) > 1000


@pytest.mark.parametrize("many", [1, 200])
def test_flipped_bits_are_noticed_in_every_command(copy, many, tmp_path, capsys):
    flip(copy / "tensors.safetensors", many)
    with pytest.raises(CheckpointError, match="has changed") as caught:
        checkpoint.load_model(copy)
    assert "tensors.safetensors" in str(caught.value) and "train again" in str(caught.value)
    assert rolled_out(copy, tmp_path / "out") == 2
    assert "has changed" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert cli.main(["show", str(copy)]) == 0
    assert "not loaded" in capsys.readouterr().out


def test_a_checkpoint_from_before_there_were_sums_is_used_with_a_warning(copy):
    arrays = {name: value.numpy() for name, value in checkpoint.read_tensors(copy).items()}
    save_file(arrays, copy / "tensors.safetensors")
    with pytest.warns(UserWarning, match="unverified"):
        model = checkpoint.load_model(copy)
    assert torch.equal(model.state_dict()["contents.action.scale"], torch.from_numpy(arrays["contents.action.scale"]))


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int32])
def test_numbers_of_another_type_are_refused(copy, kind):
    arrays = {name: value.numpy() for name, value in checkpoint.read_tensors(copy).items()}
    name = max(arrays, key=lambda one: arrays[one].size)
    (copy / "tensors.safetensors").write_bytes(seal(arrays | {name: arrays[name].astype(kind)}))
    with pytest.raises(CheckpointError, match="another type") as caught:
        checkpoint.load_model(copy)
    assert name in str(caught.value)


@pytest.mark.parametrize("change, words", [
    (lambda h: h.pop("recipe"), ["field recipe"]),
    (lambda h: h.update(recipe=[]), ["field recipe", "list"]),
    (lambda h: h.update(recipe=None), ["field recipe"]),
    (lambda h: h["recipe"].update(name=5), ["recipe.name"]),
    (lambda h: h.update(task_spec=3), ["field task_spec"]),
    (lambda h: h.update(sources=[3]), ["field sources"]),
    (lambda h: h.update(sources=5), ["checkpoint.json"]),
    (lambda h: h.update(step=-1), ["field step"]),
    (lambda h: h["task_spec"].update(control_hz=-1.0), ["control_hz"]),
    (lambda h: h["task_spec"]["action"].update(low=[2.0, 2.0]), ["reversed"]),
    *((lambda h, name=name, bad=bad: h["recipe"]["model"].update({name: bad}), ["checkpoint.json"])
      for name in ("width", "depth") for bad in (-3, 0, 10**9, 10**15)),
    *((lambda h, name=name, bad=bad: h["recipe"]["model"].update({name: bad}), [""])
      for name, bad in (("chunk", -1), ("chunk", 10**12), ("history", 10**9), ("heads", 0), ("heads", 5))),
    (lambda h: h["recipe"]["model"].update(width=64), ["another shape"]),
    (lambda h: h["recipe"]["model"]["streams"]["action"]["process"].update(steps=10**6), ["steps"]),
    (lambda h: h["recipe"]["model"].update(chunks=10**9), ["chunks"]),
    (lambda h: h["recipe"]["model"]["reads"].update(action=["nobody"]), ["nobody"]),
])
def test_headers_that_cannot_be_are_refused_before_anything_is_allocated(copy, change, words, capsys):
    edit_header(copy, change)
    tracemalloc.start()
    try:
        with pytest.raises(WamError) as caught:
            checkpoint.load_model(copy)
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert cli.main(["show", str(copy)]) in (0, 2)  # and no traceback


def test_a_header_that_was_edited_is_not_that_of_the_weights(copy):
    edit_header(copy, lambda header: header.update(seed=1))
    checkpoint.load_model(copy)
    edit_header(copy, lambda header: header.update(seed=2), sealed=False)
    with pytest.raises(CheckpointError, match="header has changed"):
        checkpoint.load_model(copy)


@pytest.mark.parametrize("change, field", [
    ({"control_hz": 50.0}, "control_hz"), ({"state": ["tip y (inches)", "tip x (inches)"]}, "state"),
    ({"cameras": ["wrist"]}, "cameras"), ({"image_size": [32, 32]}, "image_size"),
])
def test_a_model_for_another_kind_of_task_is_not_run(copy, change, field, tmp_path, capsys):
    edit_header(copy, lambda header: header["task_spec"].update(change))
    if field == "image_size":  # whose weights have another shape as well
        with pytest.raises(CheckpointError):
            checkpoint.load_model(copy)
        return
    assert rolled_out(copy, tmp_path / "out") == 2
    assert field in (said := capsys.readouterr().err) and "disagree" in said
    assert not (tmp_path / "out").exists()
    with pytest.raises(SpecError, match=field):
        successes(checkpoint.load_model(copy), lambda: make("pushworld"), [1])


def test_actions_in_another_unit_are_not_run(copy, tmp_path, capsys):
    edit_header(copy, lambda header: header["task_spec"]["action"].update(units=["inches/step"] * 2))
    assert rolled_out(copy, tmp_path / "out") == 2
    assert "disagree on action" in capsys.readouterr().err


def test_the_right_task_is_run(copy, tmp_path, capsys):
    """The control of both."""
    assert rolled_out(copy, tmp_path / "out") == 0
    data = collect("pushworld", 1, tmp_path / "data", workers=1)
    assert cli.main(["imagine", str(copy), "--data", str(data.path), "--out", str(tmp_path / "x.png")]) == 2
    assert "cannot answer" in capsys.readouterr().err


@pytest.mark.parametrize("load", [Branches.load, load_answers, Futures.load])
def test_every_file_of_tensors_has_its_sums(load, tmp_path):
    file = tmp_path / "file.safetensors"
    file.write_bytes(seal({"frames": np.arange(400, dtype=np.uint8), "mean": np.zeros(8)}, {"branches": "{}",
                                                                                          "answers": "{}"}))
    flip(file)
    with pytest.raises(DataError, match="has changed"):
        load(file)


def test_a_readout_survives_and_its_sizes_are_checked(tmp_path):
    shape = Shape({"cup": 2}, True)
    readout = Readout(Eye(shape).eval(), shape, np.zeros(2), np.ones(2), {})
    readout.save(tmp_path / "readout")
    frames = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype(np.uint8)
    assert np.array_equal(Readout.load(tmp_path / "readout").raw(frames), readout.raw(frames))
    found = unseal(tmp_path / "readout", "the readout", "")
    said = json.loads(found.texts["readout"])
    said["shape"]["width"] = 10**12
    (tmp_path / "readout").write_bytes(seal(found.arrays, {"readout": json.dumps(said)}))
    with pytest.raises(DataError, match="damaged"):
        Readout.load(tmp_path / "readout")
    readout.save(tmp_path / "readout")
    flip(tmp_path / "readout")
    with pytest.raises(DataError, match="has changed"):
        Readout.load(tmp_path / "readout")


@pytest.mark.parametrize("change", [{"numbers": None}, {"numbers": []}, {"numbers": {"mean": "x"}}, {"config": 3}])
def test_a_labeller_whose_header_is_damaged_is_refused(change, tmp_path):
    one = Inverse(Pair(2).eval(), np.zeros(2), np.ones(2), np.full(2, 1e-3), 0.5, 1.0, 1.2, InverseConfig())
    header = {"kind": "inverse", "config": checkpoint.to_json(InverseConfig())}
    one.save(tmp_path / "model", header)
    assert Inverse.load(tmp_path / "model").error == 0.5
    edit_header(tmp_path / "model", lambda said: said.update(change))
    with pytest.raises(CheckpointError, match="labeller"):
        Inverse.load(tmp_path / "model")


def test_texts_of_a_sealed_file_are_sealed_too(tmp_path):
    arrays = {"a": np.arange(3), "b": np.float32(2.5), "c": np.zeros((0, 2), bool)}
    (tmp_path / "x").write_bytes(seal(arrays, {"said": "left"}))
    found = unseal(tmp_path / "x", "the file", "")
    assert all(np.array_equal(found.arrays[name], value) for name, value in arrays.items()) and found.texts["said"] == "left"
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes().replace(b"left", b"lift"))
    with pytest.raises(DataError, match="header has changed"):
        unseal(tmp_path / "x", "the file", "")


def as_first_layout(folder: Path, task_spec) -> dict[str, torch.Tensor]:
    """A checkpoint as the first layout wrote it: its names, its settings, its kinds of tokens apart from their places."""
    made = recipe.load("uwm").sized("debug")
    torch.manual_seed(3)
    model = randomise(made.model.build(task_spec))
    old, root = {}, "networks.0."
    g = torch.Generator().manual_seed(0)
    kinds = torch.randn(len(old_layout.SEGMENTS), 32, generator=g)
    for name, value in model.state_dict().items():
        for today, first in (*((b, a) for a, b in old_layout.NAMES.items()),
                             *((root + b, root + a) for a, b in old_layout.PARTS.items())):
            if name.startswith(today):
                name = first + name[len(today):]
        for stream in ("future", "action"):
            name = name.replace(f"inputs.{stream}.linear.", f"inputs.{stream}.").replace("norms.shared.", "norm.")
            name = name.replace(f"{stream}.linear", stream)
        if ".positions." in name:
            value = value[0] - kinds[old_layout.SEGMENTS.index(name.rpartition(".")[2])]
        old[name] = value
    old[f"{root}kind.weight"] = kinds
    every = (*old_layout.CONDITIONS, "future", "action")
    flow = {"class": "FlowMatching", "predict": "data", "power": 1.5, "steps": 5}
    settings = {"class": "Streams", "coupling": {
        "class": "Coupling", "networks": [every], "levels": "independent", "teacher_noise": 0.0,
        "reads": {name: old_layout.CONDITIONS for name in old_layout.CONDITIONS} | {"future": every, "action": every}},
        "representation": {"class": "ConvAutoencoder", "latent": 8, "channels": 24}, "future": flow, "action": flow,
        "experts": {}, "width": 32, "depth": 2, "heads": 4, "history": 1, "chunk": 8, "offsets": [4, 8], "play_weight": 2.0,
        "action_weight": 3.0, "shift": 3, "tied": 0.5, "corners": 0.2}
    checkpoint.save(folder, old, made, task_spec, {"stage": "done", "step": 1, "seed": 0})
    edit_header(folder, lambda h: (h.update(format=checkpoint.FIRST), h["recipe"].update(model=settings)))
    return model


def test_a_model_of_the_first_layout_answers_as_before(tmp_path):
    model = as_first_layout(tmp_path / "model", small_spec()).eval()
    read = checkpoint.load_model(tmp_path / "model")
    context, action = random_context(), torch.rand(3, 8, 4)
    for given, want in ((Given(), {"future", "action"}), (Given(action=action), {"future"})):
        with torch.inference_mode():
            one, other = (m.predict(context, given, want, [1, 2, 3]) for m in (model, read))
        for a, b in ((one.future, other.future), (one.action, other.action)):
            if a is not None:
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    edit_header(tmp_path / "model", lambda h: h["recipe"]["model"].pop("coupling"))
    with pytest.raises(CheckpointError, match="first layout"):
        checkpoint.load_model(tmp_path / "model")
