"""The main job at its smallest: it ends in a log and a page, and being killed in any phase changes no number."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wamlab.errors import DataError, WamError
from wamlab.evaluate.ask.manifest import NO_IMAGINATION
from wamlab.evaluate.log import EvalLog, difference
from wamlab.job.judge import rescored
from wamlab.job.run import run
from wamlab.job.run_config import RunConfig

PHASES = {
    "collecting": "data/*/episodes/*",
    "training the representation": "models/uwm/step-0000*",
    "training the model": "models/uwm/step-1000*",
    "training the baseline": "models/vla/step-1000*",
    "learning the readout": "readouts/*",
    "acting": "rollouts/uwm/*/episodes/*",
    "acting, baseline": "rollouts/vla/*/episodes/*",
    "replaying": "controls/*",
    "branching": "branches/*",
    "imagining": "futures/uwm/*",
}


def arguments(out: Path, task: str, workers: int = 1) -> list[str]:
    return ["run", "--size", "debug", "--tasks", task, "--out", str(out), "--seed", "5", "--workers", str(workers)]


def start(out: Path, task: str, workers: int = 1) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "wamlab", *arguments(out, task, workers)], start_new_session=True,
                            env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed_in(out: Path, task: str, pattern: str, workers: int) -> bool:
    """Start the run, kill -9 its processes as soon as a file of the phase is there. False: it ended before."""
    process = start(out, task, workers)
    until = time.monotonic() + 240
    while process.poll() is None and not any(out.glob(pattern)):
        assert time.monotonic() < until, f"nothing at {pattern}"
        time.sleep(0.002)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait() != 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    assert start(out, "pushworld").wait() == 0
    return out


def test_a_run_ends_in_a_log_and_a_page(whole):
    log = EvalLog.load(whole / "log")
    for model in ("uwm", "vla"):
        score = log.find(model, "pushworld", "success")
        assert score is not None and score.value is not None and score.n == 2
    assert log.find("uwm", "pushworld", "cc.robot").value is not None
    assert "imagines no future" in log.find("vla", "pushworld", "psnr").unavailable
    assert log.find("control/replay", "pushworld", "success") is not None
    assert {s.model for s in log.scores} >= {"null/oracle", "null/frozen", "null/wrong_direction", "readout"}
    assert log.find("null/oracle", "pushworld", "cc.robot").value > log.find("null/frozen", "pushworld", "cc.robot").value
    page = (whole / "report.html").read_text()
    assert len(page) > 100_000 and "http://" not in page.replace("http://www.w3.org", "")


def test_a_run_is_scored_again_from_its_recordings_alone(whole):
    log = {s.key: s for s in EvalLog.load(whole / "log").scores}
    again = rescored(whole)
    known = [s for s in again if s.key in log]
    assert len(known) > 50 and all(log[s.key] == s for s in known)
    assert log.keys() == {s.key for s in again}  # reasons for having no value are kept as well
    assert next(s for s in again if s.key == ("vla", "pushworld", "cc")).unavailable == NO_IMAGINATION


def killed_everywhere(out: Path, task: str, whole: Path, workers: int = 1) -> None:
    cut = [name for name, pattern in PHASES.items() if killed_in(out, task, pattern, workers)]
    assert len(cut) >= 7, cut
    assert start(out, task).wait() == 0
    assert list(difference(EvalLog.load(whole / "log"), EvalLog.load(out / "log"))) == []


def test_a_run_of_a_task_from_a_file_is_scored_again(whole, tmp_path):
    """Folders carry the name that the task was asked for by, which may differ from what its spec says."""
    shutil.copytree(whole, tmp_path / "run")
    for path in [*(tmp_path / "run").glob("rollouts/*/pushworld"), *(tmp_path / "run").glob("*/**/pushworld.safetensors")]:
        path.rename(path.with_name(path.name.replace("pushworld", "my_world.py")))
    assert rescored(tmp_path / "run") == rescored(whole)


def test_a_run_that_is_not_finished_is_not_scored(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "log")
    with pytest.raises(DataError, match="not finished"):
        rescored(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        rescored(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_in_every_phase_the_run_ends_in_the_same_numbers(whole, tmp_path, workers):
    killed_everywhere(tmp_path / "run", "pushworld", whole, workers)


@pytest.mark.slow
@pytest.mark.sim
def test_the_same_in_meta_world(tmp_path):
    assert start(tmp_path / "whole", "metaworld/drawer-open").wait() == 0
    killed_everywhere(tmp_path / "run", "metaworld/drawer-open", tmp_path / "whole")


def test_a_folder_belongs_to_one_run(whole, tmp_path):
    with pytest.raises(DataError, match=r"another run(.|\n)*seed"):
        run(RunConfig(out=whole, size="debug", tasks=("pushworld",), seed=6))
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        run(RunConfig(out=tmp_path))
    with pytest.raises(WamError, match="--minutes"):
        run(RunConfig(out=tmp_path / "new", minutes=0))


@pytest.mark.parametrize("wrong", [
    {"minutes": float("nan")}, {"minutes": float("inf")}, {"starts": 0}, {"contexts": 0}, {"episodes": -1}, {"execute": 0},
    {"workers": 0}, {"seed": -1}, {"models": ()}, {"models": ("uwm", "uwm")}, {"tasks": ("metaworld/drawer-opne",)},
    {"tasks": ("pushworld", "pushworld")}])
def test_settings_that_cannot_be_are_refused_before_they_claim_the_folder(tmp_path, wrong):
    with pytest.raises(WamError):
        run(RunConfig(out=tmp_path / "run", size="debug", **wrong))
    assert not (tmp_path / "run").exists()


def test_models_of_the_same_name_are_refused(tmp_path):
    (tmp_path / "mine.py").write_text("from wamlab.recipes.vla import vla\n")
    with pytest.raises(WamError, match="same name"):
        run(RunConfig(out=tmp_path / "run", size="debug", models=("vla", str(tmp_path / "mine.py"))))
    assert not (tmp_path / "run").exists()


def test_the_command_of_a_run_repeats_it():
    assert RunConfig().command() == "wam run"
    words = RunConfig(tasks=("pushworld",), seed=3).command()
    assert "--tasks pushworld" in words and "--seed 3" in words


def test_machine_readable_result(whole, capsys):
    from wamlab.cli import main

    assert main([*arguments(whole, "pushworld"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    entry = result["models"]["uwm"]["pushworld"]
    assert set(result) == {"report", "log", "seconds", "models"} and entry["episodes"] == 2 and len(entry["ci"]) == 2
    assert 0 <= entry["ci"][0] <= entry["success"] <= entry["ci"][1] <= 1
    assert set(result["models"]) == {"uwm", "vla"}
