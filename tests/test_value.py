"""What is a source worth: the study's plan, its arithmetic, its refusals, and the success counter that it relies on."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wamlab import cli, recipe, simulators
from wamlab.control.collect import collect
from wamlab.control.executor import run_episode
from wamlab.curate.value.gains import gains, notes, slope
from wamlab.curate.value.plan import Study, cells, mixture, pools
from wamlab.curate.value.study import run
from wamlab.data.atomic import alone_in
from wamlab.errors import DataError, WamError
from wamlab.evaluate.ask.lockstep import successes
from wamlab.evaluate.ask.rollout import held_out
from wamlab.evaluate.statistics import mean_of_runs
from wamlab.job.run import executor_for
from wamlab.learn.checkpoint import load_model
from wamlab.learn.train import Trainer, train

RECIPE = str(Path(__file__).parents[1] / "benchmarks" / "keypoints.py")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for number, name in enumerate(("one", "two")):
        collect("pushworld", 10, folder / name, seed=60 + number, kind="noisy", workers=1, options={"size": 32})
    return folder / "one", folder / "two"


def study(sources, out, **more) -> Study:
    return replace(Study(sources, out, RECIPE, steps=8, fractions=(0.0, 0.5, 1.0), seeds=2, starts=2), **more)


def test_every_source_is_cut_down_alone(sources, tmp_path):
    asked = study(sources, tmp_path)
    found = cells(asked)
    assert len(found) == (1 + 2 + 2 + 1 + 2) * 2 and len({cell.name for cell in found}) == len(found)
    assert all(list(cell.fractions.values()).count(1.0) >= 1 for cell in found)
    from wamlab.data.store import EpisodeStore

    stores = [EpisodeStore.open(folder) for folder in sources]
    made = pools(asked, stores)
    for free, held, store in zip(made.free, made.held, stores, strict=True):
        assert not set(free) & set(held) and sorted((*free, *held)) == store.indices() and held
    ordered = next(cell for cell in found if cell.last == "two")
    course = mixture(ordered, made.of(ordered)).course(100, [50, 60])
    assert course[0, 1] < 0.05 and course[-1, 1] > 0.95 and mixture(found[0], made.of(found[0])) is None
    half, whole = (made.of(next(c for c in found if c.fractions["one"] == f and c.seed == 1)) for f in (0.5, 1.0))
    assert set(half[0]) < set(whole[0]) and half[1] == whole[1] and len(half[0]) == round(len(whole[0]) / 2)


def test_gains_are_differences_of_the_same_seed():
    def result(one: float, seed: int, score: float, filtered: bool = False, last: str = "") -> dict:
        return {"fractions": {"one": one, "two": 1.0}, "seed": seed, "filtered": filtered, "last": last,
                "episodes": {"one": int(8 * one), "two": 8}, "scores": {"action error": score}}

    # the second seed is worse throughout; each doubling of "one" takes 0.1 off the error, and filtering adds 0.05
    base = [result(f, seed, 1.0 + seed - 0.1 * np.log2(f), False) for f in (0.25, 0.5, 1.0) for seed in (0, 1)]
    ordered = [result(1.0, seed, 0.5 + seed, last="two") for seed in (0, 1)]
    rows = gains(base + ordered + [result(1.0, seed, 1.05 + seed, True) for seed in (0, 1)], ["one", "two"])
    assert [r["gain"] for r in rows if r["kind"] == "order"] == [pytest.approx(0.5)]
    doubling = next(r for r in rows if r["kind"] == "doubling" and r["source"] == "one")
    assert doubling["gain"] == pytest.approx(0.1) and doubling["low"] == pytest.approx(0.1, abs=1e-4)
    quarter = next(r for r in rows if r["kind"] == "amount" and r["share"] == 0.25)
    assert quarter["gain"] == pytest.approx(0.2) and quarter["episodes"] == 6
    assert next(r for r in rows if r["kind"] == "filter")["gain"] == pytest.approx(-0.05)
    assert not any(r["source"] == "two" for r in rows if r["kind"] != "order")
    assert not any(r["score"] == "success" for r in rows)
    assert slope(np.array([0.0, 1.0, 2.0]), np.array([[1.0], [3.0], [5.0]])) == pytest.approx(2.0)


def test_a_score_at_its_floor_is_said_to_be_there():
    at_floor = [{"scores": {"success": 0.0, "action error": 0.2}}] * 3
    assert len(notes(at_floor)) == 1 and "floor" in notes(at_floor)[0]
    assert not notes([*at_floor, {"scores": {"success": 0.1}}]) and not notes([{"scores": {}}])


def test_interval_over_runs_is_students():
    found = mean_of_runs(np.array([1.0, 2.0, 3.0]))
    assert found.value == 2 and found.high - found.value == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    with pytest.raises(DataError, match="no interval"):
        mean_of_runs(np.array([1.0]))


def test_a_study_goes_on_and_refuses(sources, tmp_path, capsys):
    asked = study(sources, tmp_path / "study", task="pushworld-no")
    with pytest.raises(WamError, match="pushworld"):
        run(asked)
    with pytest.raises(WamError, match="disagree on image"):  # the world's pictures are larger
        run(replace(asked, task="pushworld"))
    assert not (tmp_path / "study").exists()
    asked = study(sources, tmp_path / "study", fractions=(0.0, 1.0), filtered=False, orders=False)
    told: list[str] = []
    with pytest.raises(WamError, match="too long"):
        run(asked, limit_minutes=1e-6, say=told.append)
    with alone_in(tmp_path / "study"), pytest.raises(DataError, match="another process"):
        run(asked)
    (tmp_path / "study" / ".working").write_text("1")  # what a dead one left, whose number a living one has now
    assert "6 trainings of 8 steps are left of 6" in told[0] and not list((tmp_path / "study" / "cells").glob("*.json"))
    found = run(asked)
    assert len(found["results"]) == 6 and {row["kind"] for row in found["gains"]} == {"amount"}
    assert {row["source"] for row in found["gains"]} == {"one", "two"}
    assert not list((tmp_path / "study").glob("training/*"))
    file = next((tmp_path / "study" / "cells").glob("one-0_s1.json"))
    before, kept = json.loads(file.read_text()), {f: f.stat().st_mtime_ns for f in file.parent.iterdir() if f != file}
    file.unlink()
    again = run(asked, say=told.append)
    assert "1 trainings of 8 steps are left of 6" in told[1]
    assert json.loads(file.read_text()) | {"seconds": 0} == before | {"seconds": 0} and again["gains"] == found["gains"]
    assert kept == {f: f.stat().st_mtime_ns for f in kept}
    with pytest.raises(DataError, match="another study"):
        run(replace(asked, seeds=3))


def test_the_command(sources, tmp_path, capsys):
    line = (f"data value {sources[0]} {sources[1]} --out {tmp_path / 'v'} --recipe {RECIPE} --steps 4 --fractions 0.5 1 "
            "--seeds 2 --no-filtered --no-orders --json")
    assert cli.main(shlex.split(line)) == 0
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert "about" in captured.err and {row["kind"] for row in said["gains"]} == {"amount", "doubling"}
    page = (tmp_path / "v" / "value.html").read_text()
    assert page.count("<svg") == 2 and "action error" in page and "http" not in page.replace("http://www.w3.org", "")
    for wrong in ("--target three", "--fractions 0.5", "--seeds 1", "--held-out 1.0"):
        assert cli.main(shlex.split(line.replace(str(tmp_path / "v"), str(tmp_path / "w")) + f" {wrong}")) == 2


def test_training_on_some_episodes(sources, tmp_path):
    """Only they are seen, and a folder holds one choice."""
    from wamlab.data.store import EpisodeStore

    stores, made = [EpisodeStore.open(folder) for folder in sources], recipe.load(RECIPE)
    trainer = Trainer(made, stores, tmp_path / "t", 0, episodes=[[1, 2, 3], []])
    assert {trainer.windows.origin(i)[:2] for i in range(len(trainer.windows))} < {(0, 1), (0, 2), (0, 3)}
    made = replace(made, training=replace(made.training, steps=2))
    train(made, stores, tmp_path / "t", episodes=[[1, 2, 3], []])
    with pytest.raises(WamError, match="another training run"):
        train(made, stores, tmp_path / "t", episodes=[[1, 2, 4], []])


def test_in_step_and_one_by_one_are_the_same(sources, tmp_path):
    """With a half-trained model some starts are solved and some are not, and they are the same ones."""
    from wamlab.data.store import EpisodeStore

    made = recipe.load(RECIPE)
    made = replace(made, training=replace(made.training, steps=300, batch_size=64))
    folder = train(made, [EpisodeStore.open(folder) for folder in sources], tmp_path / "t")
    executor, world = executor_for(folder, 4, RECIPE), simulators.make("pushworld", size=32)
    seeds = held_out(12)
    slowly = [run_episode(world, executor, seed).solved for seed in seeds]
    with torch.inference_mode():
        together = successes(load_model(folder, made), lambda: simulators.make("pushworld", size=32), seeds)
    assert together.tolist() == slowly and 0 < sum(slowly) < len(slowly)
