"""What stands first: a sentence and three numbers per model, on the page and in a terminal; what is missing says why."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from synthetic import episode, write_run
from wamlab import cli
from wamlab.errors import DataError
from wamlab.evaluate.log import EvalLog, Score
from wamlab.report import html
from wamlab.report.branches import fans
from wamlab.report.films import films, share
from wamlab.report.glance import TITLES, glances, lead
from wamlab.report.verdicts import MEANS, OPEN

TASKS = ("sim/near", "sim/far")
CAN = [{"name": "plan", "available": True, "why": "sought together"}, {"name": "a2f", "available": True, "why": "given"}]
CANNOT = [{"name": "plan", "available": False, "why": "it acts without imagining"}]


def log_of(**provenance) -> EvalLog:
    """A model whose verdicts differ from task to task, one that imagines nothing, and a control."""
    scores = [Score(model, task, "success", 0.8, 0.6, 0.9, 30, "share") for model in ("dreamer", "doer") for task in TASKS]
    scores += [Score("control/replay", task, "success", 0.1, 0.0, 0.3, 30, "share") for task in TASKS]
    for task, acts in zip(TASKS, (0.05, 0.2), strict=True):  # below the threshold, and across it
        scores += [Score("dreamer", task, "cc.robot", 0.7, 0.6, 0.8, 24),
                   Score("dreamer", task, "f2a.robot", acts, acts - 0.15, acts + 0.04, 24),
                   Score("dreamer", task, "psnr.gain", 3.0, 2.0, 4.0, 24, "dB")]
    scores += [Score("doer", "sim/near", "psnr", None, unavailable="it shows none"),
               Score("doer", "sim/near", "f2a", None, unavailable="it reads none")]
    facts = {"capabilities": {"dreamer": CAN, "doer": CANNOT}, "lacking": {f"dreamer/{task}": [] for task in TASKS}}
    return EvalLog(facts | provenance, tuple(scores))


def test_tasks_of_the_same_verdict_share_a_sentence_and_what_is_open_comes_last():
    dreamer, doer = glances(log_of())
    assert dreamer.sentence == f"On near {MEANS['imagines but acts on its own']}; on far {OPEN}."
    assert doer.sentence == "It acts without imagining." and doer.model == "doer"
    alone = log_of(lacking={})  # what was not looked at speaks for nobody
    assert glances(alone)[0].sentence.lower() == f"{MEANS['not enough evidence']}."


def test_the_three_numbers_and_what_they_are_compared_with():
    (solved, closer, acts), _ = (row.numbers for row in glances(log_of())[0].rows)
    assert (solved.text, solved.interval, solved.beside) == ("80%", "60% to 90%", "blind replay: 10%")
    assert closer.value == pytest.approx(1 - 10 ** -0.3) and (closer.text, closer.interval) == ("50%", "37% to 60%")
    assert (acts.text, acts.interval) == ("0.05", "-0.10 to 0.09") and acts.bar == (0.0, 0.05, 0.09)


def test_what_is_missing_is_not_known_and_says_why():
    near, far = glances(log_of())[1].rows
    assert [n.text for n in near.numbers] == [n.text for n in far.numbers] == ["80%", "not known", "not known"]
    assert [n.why for n in near.numbers[1:]] == ["it shows none", "it reads none"]
    assert [n.why for n in far.numbers[1:]] == ["it was not measured"] * 2
    assert all(n.bar is None and not n.interval and not n.beside for n in far.numbers[1:])
    bare = replace(log_of(), scores=(Score("dreamer", "sim/near", "success", 0.5),))
    assert glances(bare)[0].rows[0].numbers[0].interval == "interval not known"


def test_a_gain_beyond_every_gain_does_not_overflow():
    score = Score("dreamer", "sim/near", "psnr.gain", -1e308, unit="dB")
    assert glances(replace(log_of(), scores=(score,)))[0].rows[0].numbers[1].value == 1 - 10**6


@pytest.mark.parametrize("name, value", [
    ("capabilities", 3), ("capabilities", {"dreamer": 3}), ("capabilities", {"dreamer": [{"name": "plan"}]}),
    ("lacking", [1]), ("lacking", {"dreamer/sim/near": 3}), ("protocol", {"sim/near": 3})])
def test_a_damaged_log_is_an_error_of_its_file(name, value):
    with pytest.raises(DataError):
        glances(log_of(**{name: value}))


def test_the_lead_names_models_and_tasks_once():
    told = lead(log_of())
    assert told == "dreamer and doer learned near and far from demonstrations, then acted alone from 30 new starts each."
    assert lead(EvalLog({}, ())) == ""


def test_a_run_is_told_in_one_screen(tmp_path, capsys):
    log_of().save(tmp_path / "run" / "log")
    assert cli.main(["show", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) <= 24 and max(map(len, out.splitlines())) <= max(100, len(str(tmp_path)) + 60)
    assert all(title in out for title in TITLES) and "dreamer: On near it imagines" in out
    assert out.count("80% (60% to 90%)") == 4
    assert "not known: it shows none; it reads none; it was not measured" in out and "blind replay: 10%;" in out
    assert "page:   not there; wam report" in out
    html(log_of(), tmp_path / "run" / "log", tmp_path / "run" / "report.html")
    assert cli.main(["show", str(tmp_path / "run" / "log")]) == 0
    assert f"page:   {tmp_path / 'run' / 'report.html'}" in capsys.readouterr().out


def test_machines_are_told_the_same(tmp_path, capsys):
    log_of().save(tmp_path / "log")
    assert cli.main(["show", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"kind", "log", "page", "command", "models", "success", "measures", "episodes", "arrays"} == set(facts)
    near = facts["models"]["doer"]["tasks"]["near"]
    assert near[TITLES[0]]["value"] == 0.8
    assert near[TITLES[1]] == {"value": None, "ci": [None, None], "unavailable": "it shows none"}


def test_every_model_and_task_that_imagines_has_a_film(tmp_path):
    """Also where there are more of them than films; half are failures, and who has none is named."""
    log = write_run(tmp_path, tuple(f"toy/{n}" for n in range(7)))
    found = films(log, tmp_path / "log")
    assert [it.group for it in found.films] == [f"uwm on {n}" for n in range(7)]
    assert "no imagined frames were kept of vla" in found.missing
    episodes = [episode("toy", seed, solved=seed < 2) for seed in range(4)]
    assert [[e.meta["seed"] for e in share(episodes, room)] for room in (1, 2, 3, 4)] == [[0], [0, 2], [0, 1, 2], [0, 1, 2, 3]]
    assert [e.meta["seed"] for e in share(episodes[2:], 3)] == [2, 3]


def test_what_came_after_the_end_is_not_passed_off_as_what_happened(tmp_path):
    shown = films(write_run(tmp_path, ("toy/left",)), tmp_path / "log").films[0].decisions
    assert shown.steps == [0, 4, 8, 12, 16, 20] and [it.when for it in shown.ahead] == ["in 4 steps", "in 8 steps"]
    assert [it.over for it in shown.ahead] == [6, 5] and shown.ahead[0].note == "0.2 s"  # 24 steps, 20 a second


def test_branches_are_named_by_what_the_log_says(tmp_path):
    log = write_run(tmp_path)
    plain = fans(log)
    assert [it.title for it in plain.fans] == ["start 1", "start 2"]
    assert plain.fans[0].ahead == ["picture 1 of 2", "picture 2 of 2"]
    facts = {"actions": ["factual", "null", "down", "up"], "tasks": ["toy/left", "toy/right"], "offsets": [4, 8],
             "model": "uwm"}
    named = fans(replace(log, provenance={**log.provenance, "counterfactual": facts}))
    assert [it.title for it in named.fans] == ["left · start 1", "right · start 1"] and named.model == "uwm"
    assert named.fans[0].ahead == ["after 4 steps", "after 8 steps"]
    assert [it.label for it in named.fans[0].branches] == ["as recorded", "hold still", "down", "up"]
    assert fans(EvalLog({}, ())).missing.startswith("unavailable")
    with pytest.raises(DataError, match="do not fit"):
        fans(replace(log, arrays={**log.arrays, "counterfactual/true": np.zeros((2, 3, 2, 64, 64, 3), np.uint8)}))
