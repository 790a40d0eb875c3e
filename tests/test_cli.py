"""The command line: help that teaches, JSON for machines, one clear block for every mistake."""

from __future__ import annotations

import errno
import importlib
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from synthetic import write_run
from wamlab import cli
from wamlab.commands import console
from wamlab.data.atomic import make_folder
from wamlab.errors import DataError


@pytest.fixture(scope="module")
def made(tmp_path_factory, monkeypatch_module):
    """A dataset, two checkpoints, rollouts and a run with a log, made by the commands where there is one."""
    folder = tmp_path_factory.mktemp("made")
    monkeypatch_module.chdir(folder)
    for line in ("collect pushworld --episodes 5 --kind mixed --out data --workers 1",
                 "train uwm --data data --out uwm --size debug --steps 6",
                 "train vla --data data --out vla --size debug --steps 6",
                 "rollout uwm/model pushworld --episodes 2 --out rollouts --workers 1"):
        assert cli.main(shlex.split(line)) == 0
    write_run(folder / "run")
    return folder


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def say(capsys, line: str) -> tuple[int, str, str]:
    capsys.readouterr()
    try:
        status = cli.main(shlex.split(line))
    except SystemExit as stop:  # tyro's own way out
        status = int(stop.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def test_overview_names_every_command_and_needs_no_torch():
    code = "import sys; from wamlab.cli import main; main(['--help']); sys.exit(bool({'torch', 'tyro'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in done.stdout for name in cli.COMMANDS)
    assert subprocess.run([sys.executable, "-c", "import sys, wamlab.types; sys.exit('torch' in sys.modules)"]).returncode == 1


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_teaches(capsys, name):
    status, out, _ = say(capsys, f"{name} --help")
    assert status == 0 and "examples:" in out and f"wam {name}" in out and "--json" in out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_examples_of_the_help_parse(name):
    command = importlib.import_module(f"wamlab.commands.{name}").Command
    lines = [line.strip() for line in command.__doc__.partition("examples:")[2].splitlines() if line.strip()]
    assert lines
    for line in lines:
        first, second, *rest = shlex.split(line)
        assert (first, second) == ("wam", name)
        cli.parse(name, rest)


def test_json_of_recipes(capsys):
    status, out, _ = say(capsys, "list --json")
    rows = json.loads(out)
    assert status == 0 and len(rows) >= 7
    assert all(set(row["axes"]) == set(rows[0]["axes"]) and row["answers"] and row["summary"] for row in rows)
    assert {row["name"] for row in rows} >= {"uwm", "unipi", "vpp", "vla", "fast_wam", "fast_wam_joint", "fast_wam_idm"}
    assert len({json.dumps(row["axes"]) for row in rows}) > 5


def test_tasks(capsys):
    _, out, _ = say(capsys, "list --tasks --json")
    assert "pushworld" in json.loads(out) and len(json.loads(out)) == 57


def test_show(capsys, made):
    for thing, words in {"uwm": ("world_model", "2504.02792"), "data": ("pushworld", "episodes       5"),
                         "uwm/model": ("parameters", "stage          done"), "run": ("uwm: ", "solved")}.items():
        status, out, _ = say(capsys, f"show {thing}" if thing != "uwm" else "show uwm")
        if thing == "uwm":  # a folder of that name is there too: a recipe's name must not be shadowed by it
            assert status in (0, 2)
            continue
        assert status == 0 and all(word in out for word in words), out
    assert json.loads(say(capsys, "show vpp --json")[1])["name"] == "vpp"


def test_the_small_path(capsys, made):
    status, out, _ = say(capsys, "rollout uwm/model pushworld --episodes 2 --out rollouts --workers 1 --json")
    assert status == 0 and json.loads(out)["episodes"] == 2
    status, out, _ = say(capsys, "eval rollouts --metric success latency --json")
    scores = json.loads(out)
    assert status == 0 and {"success", "latency.total"} <= {score["metric"] for score in scores}
    status, out, _ = say(capsys, "eval run --metric success --json")
    assert {score["model"] for score in json.loads(out)} == {f"{m}/toy/{t}" for m in ("uwm", "vla") for t in ("left", "right")}
    status, out, _ = say(capsys, "imagine uwm/model --data data --episode 1 --step 2 --out pictures/one.png --json")
    assert status == 0 and Path("pictures/one.png").read_bytes()[:4] == b"\x89PNG"
    assert all(row["psnr"] > 0 for row in json.loads(out)["frames"]) and json.loads(out)["action"] is None
    own = json.loads(say(capsys, "imagine uwm/model --data data --actions own --json")[1])
    assert len(own["action"]) == 8
    assert say(capsys, "data check data")[:2] == (0, "data: nothing is wrong\n")
    assert say(capsys, "data export data --out exported --video lossless")[0] == 0
    status, out, _ = say(capsys, "data import exported --out imported --json")
    assert status == 0 and json.loads(out)["episodes"] == 5
    status, out, _ = say(capsys, "report run --out page.html --json")
    assert status == 0 and json.loads(out)["report"] == "page.html" and "Success" in Path("page.html").read_text()


SPOILED = {
    "cut/tensors.safetensors": lambda made: (made / "uwm/model/tensors.safetensors").read_bytes()[:1000],
    "cut/checkpoint.json": lambda made: (made / "uwm/model/checkpoint.json").read_bytes(),
    "garbled/checkpoint.json": lambda made: b"{",
    "garbled/dataset.json": lambda made: b"{}",
    "garbled/log.json": lambda made: b"[1]",
    "older/checkpoint.json": lambda made: b'{"format": "wamlab-checkpoint-0"}',
    "none.py": lambda made: b"x = 1\n",
    "broken.py": lambda made: b"def f(:\n",
    "raises.py": lambda made: b"1 / 0\n",
    "two.py": lambda made: b"from wamlab.recipes.vla import vla\nfrom wamlab.recipes.vpp import vpp\n",
    "file": lambda made: b"",
}

MISTAKES = {
    "rnu": "did you mean run",
    "colect pushworld": "did you mean collect",
    "collect metaworld/drawer-opne --out x": "did you mean metaworld/drawer-open",
    "collect pushworld --out x --episodes 0": "1 or more",
    "collect pushworld --out x --kind dance": "dance",
    "collect pushworld --out x --seed -1 --workers 1": "seed",
    "collect none.py --out x --workers 1": "none.py",
    "collect broken.py --out x --workers 1": "broken.py",
    "collect absent.py --out x --workers 1": "absent.py",
    "collect pushworld --out file/x --episodes 1 --workers 1": "file",
    "collect pushworld --out data --episodes 1 --workers 1 --kind expert": "data",
    "train uwn --data data --out x": "did you mean uwm",
    "train uwm --data nowhere --out x": "nowhere",
    "train uwm --data garbled --out x": "garbled",
    "train uwm --data data --out x --steps 0": "1 or more",
    "train uwm --data data --out x --size huge": "huge",
    "train uwm --data data --out vla --size debug --steps 6": "another training run",
    "train none.py --data data --out x": "none.py",
    "train broken.py --data data --out x": "broken.py",
    "train raises.py --data data --out x": "raises.py",
    "train two.py --data data --out x": "two.py",
    "train two.py:vla2 --data data --out x": "did you mean vla",
    "train absent.py --data data --out x": "absent.py",
    "train uwm --data data --out file/x --size debug": "file",
    "rollout nowhere pushworld --out x": "nowhere",
    "rollout data pushworld --out x": "checkpoint.json",
    "rollout cut pushworld --out x": "tensors.safetensors",
    "rollout garbled pushworld --out x": "JSON",
    "rollout older pushworld --out x": "format",
    "rollout uwm/model pushword --out x --workers 1": "did you mean pushworld",
    "rollout uwm/model metaworld/push --out x --episodes 1 --workers 1": "expected",
    "rollout uwm/model pushworld --out data --episodes 1 --workers 1": "data",
    "rollout uwm/model pushworld --out x --episodes 0": "1 or more",
    "rollout uwm/model pushworld --out x --episodes 1 --execute 0 --workers 1": "execute",
    "rollout uwm/model pushworld --out x --recipe vla": "uwm",
    "imagine uwm/model --data data --step 1000": "0 to",
    "imagine uwm/model --data data --episode 77": "77",
    "imagine vla/model --data data": "cannot answer",
    "imagine uwm/model --data data --out picture.xyz": ".png",
    "imagine uwm/model --data run/rollouts/uwm/toy/left": "disagree",
    "imagine uwm/model --data data --out file/x.png": "file",
    "eval nowhere": "nowhere",
    "eval rollouts --metric sucess": "did you mean success",
    "eval rollouts --metric absent.py": "absent.py",
    "eval rollouts --metric none.py": "none.py",
    "eval rollouts --metric broken.py": "broken.py",
    "data check nowhere": "nowhere",
    "data check garbled": "no wamlab dataset",
    "data chek data": "check, import, umi, export",
    "data export nowhere --out x": "nowhere",
    "data import data --out x": "episode store already",
    "data info uwm": "dataset.json, or meta/info.json",
    "data view uwm": "dataset.json, or meta/info.json",
    "data view file": "got: a file",
    "data export data --out file": "got: a file",
    "data label data file --by latent": "where: file",
    "data label data file/x --by latent": "where: file/x",
    "data weigh data run/rollouts/uwm/toy/left --out file": "where: file",
    "data filter data x --worst -3": "--worst",
    "report nowhere": "no such folder",
    "report data": "log.json",
    "report garbled": "damaged",
    "report run --out file/page.html": "file",
    "show nothing-of-that-name": "unknown recipe",
    "show cut --recipe x": "recipe",
    "run --minutes 0 --out x": "above 0",
    "run --models uwn --out x": "did you mean uwm",
    "run --size debug --out file/x": "file",
    "run --colour red": "colour",
}


@pytest.fixture(scope="module")
def spoiled(made):
    for name, content in SPOILED.items():
        path = made / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content(made))
    return made


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_ends_in_one_clear_block(capsys, spoiled, line):
    before = {path for path in spoiled.rglob("*") if "x" not in path.relative_to(spoiled).parts}
    status, out, err = say(capsys, line)
    assert status == 2, err
    assert MISTAKES[line] in " ".join((err + out).split()), err
    assert "Traceback" not in err and err.count("\n") < 25
    after = {path for path in spoiled.rglob("*") if "x" not in path.relative_to(spoiled).parts}
    assert {path for path in after - before if "__pycache__" not in str(path)} == set()


def test_interruption_says_how_to_go_on(capsys, monkeypatch):
    def stop(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "dispatch", stop)
    assert cli.main([]) == 130 and "goes on" in capsys.readouterr().err


@pytest.mark.parametrize("code, words", [
    (errno.ENOSPC, "free some space"), (errno.EROFS, "read-only"), (errno.EACCES, "--out"),
    (errno.ENOTDIR, "a file stands"), (errno.EIO, "choose another path")])
def test_trouble_with_the_disk_reads_like_any_other_error(capsys, monkeypatch, code, words):
    def fail(argv):
        raise OSError(code, "trouble", "some/file")

    monkeypatch.setattr(cli, "dispatch", fail)
    assert cli.main([]) == 2
    err = capsys.readouterr().err
    assert "some/file" in err and words in err and "Traceback" not in err


def test_a_bug_is_not_disguised(monkeypatch):
    def fail(argv):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "dispatch", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main([])


def test_progress_without_a_terminal_is_plain_lines_on_stderr(capsys):
    with console.progress("count", every=0.0) as tick:
        for done in range(4):
            tick(done, 3)
    out, err = capsys.readouterr()
    assert out == "" and err.count("count: ") == 4 and "3/3" in err and "left" in err


def test_json_has_no_nan(capsys):
    console.print_json({"a": float("nan"), "b": (1, Path("x")), "c": {2.5}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1, "x"], "c": [2.5]}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """On Linux /proc answers "No such file or directory" to whoever wants to make a folder in it."""
    with pytest.raises(DataError) as told:
        make_folder(tmp_path / ("x" * 300))
    assert "the folder cannot be made" in str(told.value) and "x" * 300 in str(told.value) and told.value.fix
