"""The commands that judge: the card of records, the power of a claim, and the speed of it all."""

import json
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from test_protocol import BLOCK
from toyworld import SPEC, effects
from wamlab.cli import main
from wamlab.evaluate.ask.protocol import Terms
from wamlab.evaluate.ask.rollout import held_out, rollout
from wamlab.evaluate.card.degree import degree
from wamlab.evaluate.card.verdict import decide, says_nothing
from wamlab.evaluate.conformance.saboteurs import sabotage
from wamlab.evaluate.log import EvalLog, Score
from wamlab.evaluate.metrics import Evidence
from wamlab.evaluate.records import reading, writing
from wamlab.job.cards import Asking, cards
from wamlab.job.judge import rescored
from wamlab.job.run import executor_for, run
from wamlab.job.run_config import RunConfig
from wamlab.userfile import load_file


def call(capsys, *words):
    status = main([*map(str, words)])
    return status, capsys.readouterr()


def test_card_of_records(tmp_path, capsys):
    path = tmp_path / "records.jsonl"
    path.write_text(BLOCK)
    status, said = call(capsys, "card", "--from", path, "--json")
    (card,) = json.loads(said.out)
    assert status == 0 and card["version"] == "CC-1.0" and card["headlines"]["fcs"] == 0.5
    assert card["verdict"]["words"] == "not enough evidence"  # three contexts carry none
    assert "3 units, fewer than 10" in " ".join(card["verdict"]["reasons"])
    status, said = call(capsys, "card", "--from", path)
    assert status == 0 and "NOT ENOUGH EVIDENCE" in said.out and "0.895" in said.out
    status, said = call(capsys, "card")
    assert status == 2 and "either a run or a file of records" in said.err
    status, said = call(capsys, "card", tmp_path)
    assert status == 2 and "there is no log" in said.err


@pytest.mark.parametrize(("name", "words"), [("noise_0.1", "not enough evidence"), ("action_blind", "decorative future")])
def test_verdict_from_records_alone(name, words, tmp_path, capsys):
    """From effects alone it can be shown that a future is decorative, but not that an action follows it."""
    made = sabotage(name, effects(12), SPEC)
    terms = Terms("toy", 12, made.kinds, made.offsets, 12)
    writing.save(tmp_path / "r.jsonl", terms, Evidence(name, SPEC, effects=made), imagines=True)
    _, said = call(capsys, "card", "--from", tmp_path / "r.jsonl", "--json")
    assert json.loads(said.out)[0]["verdict"]["words"] == words
    writing.save(tmp_path / "r.jsonl", terms, Evidence(name, SPEC, effects=made), imagines=False)
    _, said = call(capsys, "card", "--from", tmp_path / "r.jsonl", "--json")
    assert json.loads(said.out)[0]["verdict"]["words"] == "no future at test time"


@pytest.mark.parametrize(("value", "low", "ceiling", "word"), [
    (0.95, 0.9, 0.95, "closely: 0.95 of 0.95 that the readout reaches, at least 95 %"),
    (0.8, 0.7, None, "largely: 0.80, at least 70 %"),
    (0.8, 0.7, 0.9, "closely"), (0.8, 0.2, 0.9, "faintly"), (0.5, 0.3, 0.9, "partly"), (0.11, 0.05, 0.9, ""),
    (-0.5, -0.9, 0.9, ""), (0.9, None, 0.9, ""), (0.3, 0.2, 0.0, "")])
def test_the_word_never_says_more_than_the_interval(value, low, ceiling, word):
    def score(metric, value, low):
        return Score("m", "t", metric, value, low, low and value + 0.05, n=24)

    found = {"cc.robot": score("cc.robot", value, low)} | ({} if ceiling is None else {
        "cc.robot.ceiling": score("cc.robot.ceiling", ceiling, ceiling)})
    told = degree("cc.robot", found)
    assert told.startswith(word) and bool(told) == bool(word)
    enough = low is not None and not says_nothing(found["cc.robot"], found)
    verdict = decide(found.values(), imagines=True)
    assert len(verdict.degrees) == (bool(word) and enough and verdict.words != "decorative future")
    blind = {**found, "cc.robot.r2": score("cc.robot.r2", -0.3, -0.4)}
    assert decide(blind.values(), imagines=True).degrees == ()


def test_power(capsys):
    status, said = call(capsys, "power", "--rate", 0.8, "--threshold", 0.6, "--json")
    assert status == 0 and 30 <= json.loads(said.out)["starts"] <= 60
    status, said = call(capsys, "power", "--solved", 33, "--starts", 40, "--threshold", 0.6)
    assert status == 0 and said.out.startswith("carried")
    status, said = call(capsys, "power", "--only-first", 9, "--only-second", 2, "--starts", 40)
    assert status == 1 and "paired starts would show it" in said.out
    status, said = call(capsys, "power", "--rate", 0.5)
    assert status == 2 and "no claim" in said.err
    status, said = call(capsys, "power", "--rate", 0.5, "--threshold", 0.7)
    assert status == 2 and "not above" in said.err


@pytest.mark.parametrize(("words", "named"), [
    ("--only-first -5 --only-second 2 --starts 40", "--only-first"),
    ("--only-first 30 --only-second 20 --starts 40", "do not add up"), ("--solved 25 --starts 40 --threshold nan", "threshold"),
    ("--solved 25 --starts 40 --threshold 1.5", "threshold"), ("--rate 1 --threshold 0", "threshold"),
    ("--rate 0.8 --threshold 0.6 --other 0.7", "no claim"), ("--rate 0.8 --threshold 0.6 --starts 40", "no claim"),
    ("--rate 0.8 --threshold 0.6 --power nan", "--power"), ("--rate 0.8 --other 0.6 --power 1", "no power")])
def test_claims_that_cannot_be_are_refused(words, named, capsys):
    status, said = call(capsys, "power", *words.split())
    assert status == 2 and named in said.err and not said.out


def test_power_in_numbers(capsys):
    status, said = call(capsys, "power", "--solved", 25, "--starts", 40, "--threshold", 0.624, "--json")
    told = json.loads(said.out)
    assert status == 1 and not told["holds"] and "more than 200000" in told["why"] and told["needed"] is None
    assert told["starts"] == 40 and told["value"] == 0.625 and told["interval"][0] < 0.624 < told["interval"][1]
    status, said = call(capsys, "power", "--only-first", 9, "--only-second", 2, "--starts", 40, "--json")
    told = json.loads(said.out)
    assert status == 1 and told["interval"][0] > 0 and told["p"] > 0.05 and "two methods differ" in told["why"]
    assert told["needed"] > 40
    status, said = call(capsys, "power", "--only-first", 1000, "--only-second", 999, "--starts", 40_000)
    assert status == 1 and "more than 200000" in said.out
    status, said = call(capsys, "power", "--rate", 0.8, "--other", 0.7, "--json")
    assert status == 0 and json.loads(said.out)["other"] == 0.7 and json.loads(said.out)["power"] == 0.8


def test_a_card_over_200_contexts_takes_two_seconds():
    made = effects(200)
    sixteen = {name: np.concatenate([value, value[:, :, -1:].repeat(4, 2)], 2) for name, value in made.real.items()}
    made = replace(made, imagined=sixteen, real=sixteen, offsets=tuple(range(1, 17)))
    found = reading.Records(Terms("toy", 200, made.kinds, made.offsets, 16), Evidence("m", SPEC, effects=made))
    found.scores()  # imports
    start = time.process_time()
    found.scores()
    assert made.real["block"].shape == (200, 9, 16, 2) and time.process_time() - start < 2


@pytest.mark.slow
def test_card_of_a_run(debug_run, tmp_path, capsys):
    folder = debug_run / "runs" / "first"
    status, said = call(capsys, "card", folder, "--json", "--workers", 1, "--starts", 2, "--export", tmp_path / "rec")
    found = {(card["model"], card["task"]): card for card in json.loads(said.out)}
    assert status == 0 and len(found) == 4
    for (model, _), card in found.items():
        words = "no future at test time" if model == "vla" else "not enough evidence"  # three contexts
        assert card["verdict"]["words"] == words and card["protocol"]["version"] == "CC-1.0"
        values = {s["metric"]: s for s in card["scores"]}
        assert (values["f2a"]["value"] is None) <= bool(values["f2a"]["unavailable"]) and "onset" in values
    again = call(capsys, "card", folder, "--json", "--starts", 2)[1].out  # read, not judged again
    assert json.loads(again) == list(found.values())
    for path in (tmp_path / "rec").glob("*.jsonl"):
        _, said = call(capsys, "card", "--from", path, "--json")
        (back,) = json.loads(said.out)
        here = found[back["model"], back["task"]]
        mine, theirs = ({s["metric"]: s for s in card["scores"]} for card in (here, back))
        assert back["protocol"] == here["protocol"] and back["verdict"] == here["verdict"]
        assert len(theirs) >= 30 and theirs.keys() <= mine.keys()  # a model without a future has 30 reasons
        for metric, score in theirs.items():
            assert (score["unavailable"], score["note"]) == (mine[metric]["unavailable"], mine[metric]["note"]), metric
            near = None if mine[metric]["value"] is None else pytest.approx(mine[metric]["value"], rel=1e-6, abs=1e-9)
            assert score["value"] == near, metric
    page = (folder / "card.html").read_text()
    assert "no future at test time" in page and "it acts without imagining" in page
    log = EvalLog.load(folder / "log")
    assert {s.key for s in rescored(folder)} <= {s.key for s in log.scores}  # a card leaves the run as it was
    twin = json.loads(call(capsys, "card", folder, "--json", "--mode", "twin", "--starts", 0)[1].out)
    assert all(card["protocol"]["mode"] == "twin" for card in twin)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_future_taken_off_its_action_after_training_is_decorative(tmp_path):
    """The joint model learns PushWorld until it follows given actions; a copy of it shows the mirrored scene's future and acts
    without any."""
    out = tmp_path / "run"
    run(RunConfig(out=out, tasks=("pushworld",), models=("uwm",), minutes=5, episodes=160, starts=12, contexts=24, workers=1))
    example = Path(__file__).parents[1] / "examples" / "decoupled.py"
    home = load_file(example, "decouple").decouple(out / "models" / "uwm" / "model", out / "models" / "decoupled" / "model")
    acting = partial(executor_for, home, 4, str(example))
    rollout(acting, "pushworld", held_out(12), out / "rollouts" / "decoupled" / "pushworld", workers=1)
    settings = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(settings | {"models": ["uwm", str(example)]}))
    log = EvalLog.load(out / "log")
    shutil.rmtree(out / "log")
    replace(log, episodes=dict(log.episodes) | {"decoupled/pushworld": "../rollouts/decoupled/pushworld"}).save(out / "log")
    found = {card.model: card for card in cards(out, Asking(starts=6))}
    assert found["decoupled"].verdict.words == "decorative future", found["decoupled"].verdict
    assert found["uwm"].verdict.words not in ("decorative future", "no future at test time"), found["uwm"].verdict
    assert found["decoupled"].find("necessity").value == 0 and found["decoupled"].find("f2a.robot").value == 0
    assert abs(found["decoupled"].find("cc.robot").value) < 0.05 < found["uwm"].find("cc.robot").low
