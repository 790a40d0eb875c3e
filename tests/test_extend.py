"""A reader who has only the README adds a recipe, a simulator and a metric, a file each, and runs them by path."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from documents import ROOT, commands, files, snippets
from wamlab import cli
from wamlab.data.store import EpisodeStore
from wamlab.evaluate.log import EvalLog
from wamlab.evaluate.metrics import discover
from wamlab.job.judge import rescored
from wamlab.recipe import names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The README's files in an empty folder."""
    for name, code in files(ROOT / "README.md").items():
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_readme(folder, capsys):
    section = (ROOT / "README.md").read_text().partition("## Add your own")[2].partition("```bash\n")[2].partition("```")[0]
    lines = commands(section)
    assert [words[1] for words in lines] == ["collect", "train", "rollout", "eval"]
    for words in lines:
        assert cli.main(words[1:]) == 0, capsys.readouterr().err
    capsys.readouterr()
    assert cli.main([*lines[-1][1:], "--json"]) == 0
    scores = {score["metric"]: score for score in json.loads(capsys.readouterr().out)}
    assert scores["success"]["n"] == 3 and 0 < scores["jerkiness"]["value"] <= 2
    assert cli.main(shlex.split("imagine checkpoints/mine/model --data data/mine --json")) == 0
    assert Path("imagined.png").exists()
    assert cli.main(shlex.split("show my_wam.py")) == 0 and "world_model" in capsys.readouterr().out


def test_two_cameras_and_a_sense_in_one_file(folder, capsys):
    """From collection to closed loop, as the README says; the model sees both cameras, and says which it lacks."""
    section = (ROOT / "README.md").read_text().partition("# my_two_eyes.py")[2].partition("```bash\n")[2].partition("```")[0]
    lines = commands(section)
    assert [words[1] for words in lines] == ["collect", "train", "rollout"]
    for words in lines:
        assert cli.main(words[1:]) == 0, capsys.readouterr().err
    assert set(EpisodeStore.open("rollouts/hand")[0].frames) == {"main", "wrist"}
    assert cli.main(shlex.split("imagine checkpoints/hand/model --data data/hand --json")) == 0
    capsys.readouterr()
    for thing, told in (("data/hand", {"senses": {"proximity": [2]}, "cameras": ["main", "wrist"]}),
                        ("checkpoints/hand/model", {"needs": {"frames/wrist": [0, 4, 8], "modalities/proximity": [0]}})):
        assert cli.main(["show", thing, "--json"]) == 0
        assert told.items() <= json.loads(capsys.readouterr().out).items()
    assert cli.main(shlex.split("collect pushworld --episodes 1 --out data/plain --workers 1")) == 0
    assert cli.main(shlex.split("train my_two_eyes.py --data data/plain --out checkpoints/none --size debug")) == 2
    said = capsys.readouterr().err
    assert "no camera 'wrist'" in said and "stream hand, hand_future" in said and "--cameras wrist" in said
    assert cli.main(shlex.split("imagine checkpoints/hand/model --data data/plain")) == 2
    assert "stream hand" in capsys.readouterr().err


def test_the_main_job_takes_them_too(folder):
    """The file's name and the task's own name differ; replaying, judging, the page and scoring again must not mind."""
    line = "run --size debug --tasks my_world.py --models my_wam.py vla --minutes 1 --out run"
    assert cli.main(shlex.split(line)) == 0
    log = EvalLog.load(folder / "run" / "log")
    for model, metric in (("control/replay", "success"), ("mine", "success"), ("vla", "success"), ("mine", "cc.robot")):
        score = log.find(model, "reach", metric)
        assert score is not None and score.value is not None, (model, metric, score)
    assert set(log.episodes) == {"mine/reach", "vla/reach"}
    again = {score.key: score for score in rescored(folder / "run")}
    assert again[log.find("mine", "reach", "cc.robot").key] == log.find("mine", "reach", "cc.robot")


def test_conformance_as_contributing_says(folder):
    (code,) = snippets(ROOT / "CONTRIBUTING.md")
    exec(compile(code, "CONTRIBUTING.md", "exec"), {})
    whole = (folder / "my_world.py").read_text()
    (folder / "my_world.py").write_text(whole.replace("state[0].copy(), state[1], state[2]", "self.places, state[1], state[2]"))
    with pytest.raises(Exception, match=r"(?i)reach"):
        exec(compile(code, "CONTRIBUTING.md", "exec"), {})


def test_nothing_in_the_package_knows_them():
    assert "mine" not in names() and "jerkiness" not in discover()
    text = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert "my_world" not in text.replace("my_world.py", "") and "jerkiness" not in text


def test_a_model_class_of_ones_own_is_named_again_when_it_acts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blind = ROOT / "examples" / "blind.py"
    lines = ("collect pushworld --episodes 4 --out data --workers 1",
             f"train {blind} --data data --out blind --size debug --steps 4",
             f"rollout blind/model pushworld --recipe {blind} --episodes 1 --out rollouts --workers 1")
    for line in lines:
        assert cli.main(shlex.split(line)) == 0, capsys.readouterr().err
    assert cli.main(shlex.split("rollout blind/model pushworld --episodes 1 --out other --workers 1")) == 2
    assert "recipe" in capsys.readouterr().err
