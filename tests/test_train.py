"""Training: learns, resumes to the bit after a kill, refuses foreign folders, averages over processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from disk_faults import Disk, failing
from helpers_models import edit_header
from wamlab import recipe
from wamlab.control.collect import collect
from wamlab.data.draws import Draws, Source
from wamlab.data.store import EpisodeStore
from wamlab.errors import CheckpointError, DataError, WamError
from wamlab.learn import checkpoint
from wamlab.learn.optimise import learning_rate
from wamlab.learn.train import Trainer, train

NAMES = recipe.names()


@pytest.fixture(scope="module")
def demos(tmp_path_factory) -> EpisodeStore:
    return collect("pushworld", 10, tmp_path_factory.mktemp("demos") / "store", kind="mixed", workers=1, options={"size": 32})


def tiny(name: str, **training) -> recipe.Recipe:
    r = recipe.load(name).sized("debug")
    return replace(r, training=replace(r.training, **({"steps": 8, "codec_steps": 8, "checkpoint_every": 3,
                                                       "validate_every": 4} | training)))


class Stop(Exception):
    pass


def stop_at(step: int):
    def progress(done: int, total: int) -> None:
        if done == step:
            raise Stop
    return progress


@pytest.mark.parametrize("name", NAMES)
def test_resumed_training_is_identical_to_the_bit(name, demos, tmp_path):
    """Stopped in the representation's stage and again in the model's stage, against one go."""
    r = tiny(name)
    whole = train(r, [demos], tmp_path / "whole", seed=1)
    total = r.training.steps + (8 if "future" in r.model.streams else 0)
    for step in (5, total - 3):
        with pytest.raises(Stop):
            train(r, [demos], tmp_path / "parts", seed=1, progress=stop_at(step))
    parts = train(r, [demos], tmp_path / "parts", seed=1)
    one, other = checkpoint.read_tensors(whole), checkpoint.read_tensors(parts)
    assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
    assert checkpoint.read_header(whole) == checkpoint.read_header(parts)
    different = checkpoint.read_tensors(train(r, [demos], tmp_path / "other seed", seed=2))
    assert any(not torch.equal(one[k], different[k]) for k in one), "the seed changes nothing"


def test_kill_minus_nine_loses_nothing(demos, tmp_path):
    r = tiny("vla", steps=60, checkpoint_every=5)
    whole = train(r, [demos], tmp_path / "whole", seed=3)
    code = ("import sys, wamlab.recipe as R\nfrom dataclasses import replace\nfrom wamlab.learn.train import train\n"
            "from wamlab.data.store import EpisodeStore\nimport torch; torch.set_num_threads(1)\n"
            "r = R.load('vla').sized('debug')\n"
            "r = replace(r, training=replace(r.training, steps=60, codec_steps=8, checkpoint_every=5, validate_every=4))\n"
            f"train(r, [EpisodeStore.open({str(demos.path)!r})], {str(tmp_path / 'killed')!r}, seed=3)\n")
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"})
    until = time.monotonic() + 120
    while not sorted((tmp_path / "killed").glob("step-1000000[1-9]*")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = train(r, [demos], tmp_path / "killed", seed=3)
    one, other = checkpoint.read_tensors(whole), checkpoint.read_tensors(finished)
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_one_batch_can_be_learned_by_heart(demos, tmp_path):
    """A loss that cannot fall on a handful of windows has a bug."""
    r = tiny("vla", steps=200, batch_size=8, learning_rate=4e-3, checkpoint_every=1000, validate_every=1000)
    r = replace(r, model=replace(r.model, shift=0))
    trainer = Trainer(r, [demos], tmp_path, 0)
    few = Source("eight windows", trainer.sources[0].imitated[:8], trainer.sources[0].others[:0])
    trainer.draws["model"] = Draws([few], np.ones((200, 1)), 8, 0.0, 0)
    trainer.run()
    curve = trainer.curves["train"]
    assert np.mean([p[-1] for p in curve[-3:]]) < 0.35 * curve[0][-1]


def test_learning_rate_rises_then_falls():
    rates = [learning_rate(s, 100, 1.0, 10) for s in range(100)]
    assert np.argmax(rates) in (9, 10) and rates[0] == 0.1 and 0.1 <= rates[-1] < 0.11


def test_foreign_folders_and_damage_are_refused(demos, tmp_path):
    folder = train(tiny("vla"), [demos], tmp_path / "run", seed=0)
    with pytest.raises(CheckpointError, match="another training run"):
        train(tiny("vla"), [demos], tmp_path / "run", seed=1)
    with pytest.raises(CheckpointError, match="another training run"):
        train(tiny("uwm"), [demos], tmp_path / "run", seed=0)
    others = collect("pushworld", 3, tmp_path / "others", seed=9, workers=1)
    with pytest.raises(CheckpointError, match="another data"):
        train(tiny("vla"), [others], tmp_path / "run", seed=0)
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        checkpoint.load_model(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="belongs to another recipe"):
        checkpoint.load_model(folder, tiny("uwm"))

    def damaged(name: str, edit) -> Path:
        copy = tmp_path / name
        shutil.copytree(folder, copy)
        edit(copy)
        return copy

    def header(**changes):
        def edit(copy: Path) -> None:
            edit_header(copy, lambda header: header.update(changes))
        return edit

    truncated = damaged("truncated", lambda c: (c / "tensors.safetensors").write_bytes(
        (c / "tensors.safetensors").read_bytes()[:1000]))
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load_model(truncated)
    with pytest.raises(CheckpointError, match="header is damaged"):
        checkpoint.load_model(damaged("garbage", lambda c: (c / "checkpoint.json").write_text("{")))
    for number, said in enumerate(("wamlab-checkpoint-99", [checkpoint.FORMAT], {}, None)):
        with pytest.raises(CheckpointError, match="another format"):
            checkpoint.load_model(damaged(f"version{number}", header(format=said)))
    wide = json.loads((folder / "checkpoint.json").read_text())["recipe"]
    wide["model"]["width"] = 64
    with pytest.raises(CheckpointError, match="another shape"):
        checkpoint.load_model(damaged("shape", header(recipe=wide)))
    unknown = json.loads((folder / "checkpoint.json").read_text())["recipe"]
    unknown["model"]["class"] = "os.system"
    with pytest.raises(CheckpointError, match="does not fit"):
        checkpoint.load_model(damaged("kind", header(recipe=unknown)))
    missing = json.loads((folder / "checkpoint.json").read_text())["recipe"]
    del missing["model"]["streams"]
    with pytest.raises(CheckpointError, match="does not fit"):
        checkpoint.load_model(damaged("field", header(recipe=missing)))
    newer = json.loads((folder / "checkpoint.json").read_text())["recipe"]
    newer["model"]["of_the_future"] = 1
    with pytest.raises(CheckpointError, match="does not fit"):
        checkpoint.load_model(damaged("newer", header(recipe=newer)))
    older = json.loads((folder / "checkpoint.json").read_text())["recipe"]
    del older["model"]["skip"]  # as it was written before there was this choice
    assert checkpoint.load_model(damaged("older", header(recipe=older))).config == checkpoint.load_model(folder).config


def test_nothing_is_left_when_the_disk_is_full(demos, tmp_path):
    """Said with the file and what to do; what was finished is kept, and with room again training ends in the same weights."""
    whole = train(tiny("vla"), [demos], tmp_path / "whole", seed=0)
    for point in (7, 14, 22):  # a write, a flush or a rename, of this state or of a later one
        with pytest.raises(DataError, match="the disk is full") as caught, failing(Disk(point, "full for good")):
            train(tiny("vla"), [demos], tmp_path / "run", seed=0)
        assert str(tmp_path / "run") in str(caught.value) and "free some space" in str(caught.value)
        assert all(path.name.startswith("step-") for path in (tmp_path / "run").iterdir())
    finished = train(tiny("vla"), [demos], tmp_path / "run", seed=0)
    one, other = checkpoint.read_tensors(whole), checkpoint.read_tensors(finished)
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_what_a_killed_process_left_is_swept(demos, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    gone = [tmp_path / "run" / f".{name}.{process.pid}.0123abcd.tmp" for name in ("model", "step-000000002")]
    for draft in gone:
        draft.mkdir(parents=True)
        (draft / "tensors.safetensors").write_bytes(b"half")
    folder = train(tiny("vla"), [demos], tmp_path / "run", seed=0)
    (tmp_path / "run" / "step-000000002").mkdir()  # killed between the model's writing and the removal
    train(tiny("vla"), [demos], tmp_path / "run", seed=0)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [folder.name]


def test_datasets_of_different_renderers_are_mixed_only_if_asked(demos, tmp_path):
    shutil.copytree(demos.path, tmp_path / "other")
    header = (tmp_path / "other" / "dataset.json").read_text()
    (tmp_path / "other" / "dataset.json").write_text(header.replace(demos.renderer, "another-renderer"))
    both = [demos, EpisodeStore.open(tmp_path / "other")]
    with pytest.raises(WamError, match="--mixed-renderers"):
        train(tiny("vla"), both, tmp_path / "run")
    assert train(tiny("vla"), both, tmp_path / "run", mixed_renderers=True).is_dir()


def test_two_trainings_never_write_to_one_folder(demos, tmp_path):
    refused = []

    def meanwhile(done: int, total: int) -> None:
        if done == 2:
            with pytest.raises(WamError, match="another process writes run"):
                train(tiny("vla"), [demos], tmp_path / "run", seed=2)
            refused.append(done)

    folder = train(tiny("vla"), [demos], tmp_path / "run", seed=1, progress=meanwhile)
    assert refused and checkpoint.read_header(folder)["seed"] == 1 and not (tmp_path / ".run.working").exists()
    with pytest.raises(WamError, match="a dataset lies"):
        train(tiny("vla"), [demos], demos.path)


def test_play_alone_trains_no_policy(tmp_path):
    play = collect("pushworld", 3, tmp_path / "play", kind="play", workers=1)
    with pytest.raises(WamError, match="no window of the data"):
        train(tiny("vla"), [play], tmp_path / "vla")
    train(tiny("uwm"), [play], tmp_path / "uwm")


@pytest.mark.slow
def test_two_processes_train_like_one_with_their_batches_joined(demos, tmp_path):
    """`torchrun` with two processes runs, and both end with the same weights."""
    code = ("import torch, sys\nfrom dataclasses import replace\nimport wamlab.recipe as R\n"
            "from wamlab.learn.train import train\nfrom wamlab.data.store import EpisodeStore\n"
            "torch.set_num_threads(1)\nr = R.load('vla').sized('debug')\n"
            f"train(r, [EpisodeStore.open({str(demos.path)!r})], {str(tmp_path / 'out')!r})\n")
    script = tmp_path / "two.py"
    script.write_text(code)
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1",
                    "--master-port=29511", str(script)], check=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"})
    model = checkpoint.load_model(tmp_path / "out" / "model")
    assert all(torch.isfinite(p).all() for p in model.parameters())
