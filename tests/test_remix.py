"""Group-robust weights: the update is the paper's, and a source of noise ends with less than its share."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wamlab import cli, recipe
from wamlab.control.collect import collect
from wamlab.curate.remix import Robust, exponentiated, source_weights
from wamlab.data.store import EpisodeStore
from wamlab.errors import WamError

RECIPE = str(Path(__file__).parents[1] / "benchmarks" / "keypoints.py")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(-2, 3)), min_size=2, max_size=6), st.floats(0, 0.5), st.floats(0.01, 1))
def test_one_step_of_the_weights(rows, smoothing, eta):
    weights, excess = (np.array(column) for column in zip(*rows, strict=True))
    weights = weights / weights.sum()
    start = np.full(len(rows), 1 / len(rows))
    moved = exponentiated(weights, excess, start, Robust(eta, smoothing))
    assert moved.sum() == pytest.approx(1) and (moved >= smoothing / len(rows) - 1e-12).all()
    by_hand = weights * np.exp(eta * np.clip(excess, 0, None))
    assert np.allclose(moved, (1 - smoothing) * by_hand / by_hand.sum() + smoothing * start)
    assert np.allclose(exponentiated(weights, -np.abs(excess), weights, Robust(eta, smoothing)), weights)  # nothing to learn


def noise(store: EpisodeStore, out: Path) -> EpisodeStore:
    """The same pictures and states with actions by chance."""
    made = EpisodeStore.create(out, store.task_spec, store.renderer)
    for index in store.indices():
        action = np.random.default_rng(index).uniform(-1, 1, store[index].action.shape).astype(np.float32)
        made.put(index, replace(store[index], action=action))
    return made


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mix")
    options = {"size": 32}
    good = collect("pushworld", 24, folder / "good", seed=50, kind="noisy", workers=1, options=options)
    more = collect("pushworld", 24, folder / "more", seed=51, kind="expert", workers=1, options=options)
    return {"good": good, "more": more, "noise": noise(good, folder / "noise")}


def test_noise_gets_less_than_its_share(sources, tmp_path):
    made = recipe.load(RECIPE)
    made = replace(made, training=replace(made.training, steps=110, batch_size=64))
    ticks: list[tuple[int, int]] = []
    found = source_weights(made, sources, tmp_path, progress=lambda done, total: ticks.append((done, total)))
    assert sum(found.weights.values()) == pytest.approx(1, abs=1e-4) and ticks[-1] == (220, 220)
    assert found.weights["noise"] < found.start["noise"] / 2 < found.weights["good"]
    assert np.allclose(found.path.mean(0), list(found.weights.values()), atol=1e-5)


def test_the_command(sources, tmp_path, capsys):
    folders = " ".join(str(store.path) for store in sources.values())
    assert cli.main(shlex.split(f"data weigh {folders} --out {tmp_path / 'w'} --recipe {RECIPE} --steps 4 --json")) == 0
    said = json.loads(capsys.readouterr().out)
    assert cli.main(shlex.split(f"data weigh {folders} --out {tmp_path / 'w'} --recipe {RECIPE} --steps 4 --json")) == 0
    assert json.loads(capsys.readouterr().out) == said  # the reference is found again, the rest repeated
    assert set(said["weights"]) == set(folders.split())
    assert json.loads((tmp_path / "w" / "weights.json").read_text())["weights"] == said["weights"]
    one = folders.split()[0]
    assert cli.main(shlex.split(f"data weigh {one} --out {tmp_path / 'x'} --recipe {RECIPE}")) == 2
    assert cli.main(shlex.split(f"data weigh {one} {one} --out {tmp_path / 'x'} --recipe {RECIPE}")) == 2
    assert "error:" in capsys.readouterr().err


def test_a_source_without_lessons_is_named(sources, tmp_path):
    play = collect("pushworld", 6, tmp_path / "play", seed=52, kind="play", workers=1, options={"size": 32})
    made = recipe.load(RECIPE)
    made = replace(made, training=replace(made.training, steps=2))
    with pytest.raises(WamError, match="nothing from play"):
        source_weights(made, {"good": sources["good"], "play": play}, tmp_path / "out")
