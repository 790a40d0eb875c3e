"""The page of the protocol is enough: its numbers, computed from it by code that shares nothing with the package."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toyworld import SPEC, effects
from wamlab.errors import DataError
from wamlab.evaluate.ask.protocol import VERSION, Terms, must_match
from wamlab.evaluate.card.card import card_of
from wamlab.evaluate.conformance.families import World, answers, plans
from wamlab.evaluate.conformance.saboteurs import sabotage
from wamlab.evaluate.evidence import Answers, Trials
from wamlab.evaluate.metrics import Evidence
from wamlab.evaluate.records import reading, writing

PAGE = (Path(__file__).parents[1] / "docs" / "protocol-cc-1.0.md").read_text()
BLOCK = PAGE.partition("```jsonl\n")[2].partition("```")[0]
PRINTED = {name.strip("* "): [float(x) for x in value.split(",")]
           for name, value in re.findall(r"^\| ([^|]+?) \| (-?[\d., -]+) \|$", PAGE.rpartition("```")[2], re.MULTILINE)}


def by_the_page(text):
    """CC-A2F, CC-F2A and FCS from records, as the page defines them."""
    head, *rows = map(json.loads, text.splitlines())
    sigma, entities = dict(head["scales"]), head["entities"]

    def cc(kind, one, two, entity):
        cells = {(r["context"], r["action"]): (r[one][entity], r[two][entity]) for r in rows if r["record"] == kind}
        pair = np.array([[cells[c, a] for a in head["actions"]] for c in dict.fromkeys(c for c, _ in cells)]) / sigma[entity]
        a, b = np.moveaxis(pair - pair.mean(1, keepdims=True), 2, 0)
        return 2 * (a * b).sum() / ((a**2).sum() + (b**2).sum())

    def agreement(episode):
        error = motion = 0
        for r in (r for r in rows if r["record"] == "plan" and r["episode"] == episode):
            real, made, start = ({e: np.array(r[side][e]) for e in sigma} for side in ("real", "imagined", "start"))
            if any((np.linalg.norm(real[e["name"]] - start[e["name"]], axis=-1) > e["tolerance"]).any() for e in entities):
                error += sum((((made[e] - real[e]) / s) ** 2).sum() for e, s in sigma.items())
                motion += sum((((start[e] - real[e]) / s) ** 2).sum() for e, s in sigma.items())
        return 1 - error / motion if motion else -np.inf

    tried = [r for r in rows if r["record"] == "episode" and not r["solved_at_start"]]
    pea = [agreement(r["episode"]) for r in tried]
    return {"a2f": [cc("effect", "imagined", "real", e) for e in sigma],
            "f2a": [cc("answer", "consequence", "offered", e) for e in sigma], "pea": pea,
            "success": np.mean([r["solved"] for r in tried]),
            "fcs": np.mean([r["solved"] and skill >= 0.5 for r, skill in zip(tried, pea, strict=True)])}


def test_twenty_lines_of_numpy_give_the_printed_numbers():
    found = by_the_page(BLOCK)
    assert len(PRINTED) == 9
    wanted = {"CC of the robot, actions to future": found["a2f"][0], "CC of the object, actions to future": found["a2f"][1],
              "CC-A2F": np.mean(found["a2f"]), "CC of the robot, future to actions": found["f2a"][0],
              "CC of the object, future to actions": found["f2a"][1], "CC-F2A": np.mean(found["f2a"]),
              "PEA of episodes 1, 2, 3, 5": found["pea"], "success rate": found["success"], "FCS": found["fcs"]}
    for name, value in PRINTED.items():
        assert np.allclose(value, wanted[name], atol=6e-7), name


@pytest.fixture
def example(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(BLOCK)
    return path


def test_the_package_gives_the_printed_numbers(example):
    found = {s.metric: s.value for s in reading.load(example).scores()}
    for name, metric in (("CC-A2F", "cc"), ("CC-F2A", "f2a"), ("success rate", "success"), ("FCS", "fcs"),
                         ("CC of the robot, actions to future", "cc.robot"),
                         ("CC of the object, future to actions", "f2a.object")):
        assert found[metric] == pytest.approx(PRINTED[name][0], abs=6e-7), name


def test_the_page_names_this_version():
    assert PAGE.startswith(f"# Protocol {VERSION}\n")


def terms(made, contexts):
    scales = (("block", 0.05), ("distractor", 0.01), ("gripper", 0.2))
    return Terms("toy", contexts, made.kinds, made.offsets, 12, scales=scales)


def test_records_go_out_and_come_back_with_the_same_numbers(tmp_path):
    truth = effects(12, late=True)
    unsure = np.random.default_rng(0).random((12, 11))
    made = replace(sabotage("noise_0.3", truth, SPEC), uncertainty=unsure, noise={"block": 0.02})
    done = sabotage("attenuated", truth, SPEC)
    world = World("toy", SPEC, truth)
    given = Answers(truth.start, truth.real, done.imagined, truth.offsets, truth.kinds, truth.strata,
                    answers.controls("attenuated", world))
    plan = plans.evidence_for("noisy", world)
    told = terms(truth, 12)
    evidence = Evidence("m", SPEC, plan.episodes, foresight=plan.foresight, effects=made, answers=given,
                        scales=dict(told.scales))
    seen = {name: value + 0.01 for name, value in made.real.items()}
    evidence = replace(evidence, effects=replace(made, ceiling=seen, step=np.arange(12)), missing={"frames": "none"},
                       trials=Trials({"own": np.array([True, False]), "swapped": np.zeros(2, bool)}, {"oracle": "no expert"}),
                       foresight=replace(plan.foresight, ceiling={n: v + 0.01 for n, v in plan.foresight.real.items()}))
    late = replace(truth, imagined=sabotage("leaky", truth, SPEC).imagined)
    parted = [truth.kinds.index(name) for name in ("factual", "late stop", "late turn")]
    late = replace(late, kinds=tuple(truth.kinds[k] for k in parted),
                   imagined={n: v[:, parted] for n, v in late.imagined.items()},
                   real={n: v[:, parted] for n, v in late.real.items()})
    back = reading.load(writing.save(tmp_path / "new" / "r.jsonl", told, evidence, True, late))
    assert back.terms == told and back.imagines is True
    for mode in ("interventional", "twin"):
        known, again = (one.scores(mode) for one in (reading.Records(told, evidence, True, late), back))
        assert len(known) > 80
        for one, two in zip(known, again, strict=True):
            assert (one.metric, one.unavailable, one.note) == (two.metric, two.unavailable, two.note)
            assert one.value == pytest.approx(two.value, abs=1e-12) and one.low == pytest.approx(two.low), one.metric
    known = back.scores()
    found = {s.metric: s for s in known}
    assert found["onset"].value > 0.002 and found["cc.ceiling"].value > 0.9 and found["fcs.ceiling"].value is not None
    assert found["necessity"].value == 0.5 and found["necessity.headroom"].unavailable == "no expert"
    found = by_the_page((tmp_path / "new" / "r.jsonl").read_text())
    value = {s.metric: s.value for s in known}
    assert found["fcs"] == pytest.approx(value["fcs"]) and found["success"] == pytest.approx(value["success"])
    order = [name for name, _ in told.scales]
    assert found["a2f"][order.index("gripper")] == pytest.approx(value["cc.robot"])
    assert found["f2a"][order.index("block")] == pytest.approx(value["f2a.object"])


def lines(change):
    """The example with one change of its parsed lines."""
    rows = [json.loads(line) for line in BLOCK.splitlines()]
    return "\n".join(json.dumps(row) for row in change(rows))


def swap(number, **fields):
    return lambda rows: [row | fields if i == number else row for i, row in enumerate(rows)]


BAD = {
    "lacks branches": lambda rows: rows[:3] + rows[4:],
    "horizon does not match": swap(2, real={"hand": [[0.1, 0.2]] * 2, "cup": [[0.3]]}),
    "wrong shape": swap(2, real={"hand": [[0.1]], "cup": [[0.3]]}),
    "is not finite": swap(2, imagined={"hand": [[float("nan"), 0.2]], "cup": [[0.3]]}),
    "no numbers": swap(2, imagined={"hand": [["a", 0.2]], "cup": [[0.3]]}),
    "lacks cup": swap(2, imagined={"hand": [[0.1, 0.2]]}),
    "twice": lambda rows: [*rows, rows[4]],
    "does not name": swap(2, action="jump"),
    "one state": swap(2, start={"hand": [9, 9], "cup": [0.1]}),
    "unknown kind": swap(3, record="efect"),
    "another version": swap(0, version="CC-0.9"),
    "begin with its protocol": lambda rows: rows[1:],
    "the same arms": lambda rows: [*rows, {"record": "trial", "start": "1", "solved": {"own": True}},
                                   {"record": "trial", "start": "2", "solved": {"oracle": True}}],
    "a start is told twice": lambda rows: [*rows, *[{"record": "trial", "start": "1", "solved": {"own": True}}] * 2],
    "no table of true and false": lambda rows: [*rows, {"record": "trial", "start": "1", "solved": {"own": 1}}],
    "an episode is told twice": lambda rows: [*rows, next(r for r in rows if r["record"] == "episode")],
    "not told": swap(-1 % len(BLOCK.splitlines()), episode="99"),
    "solved is missing": lambda rows: [{k: v for k, v in r.items() if k != "solved"} for r in rows],
    "no entities": swap(0, entities=[]),
    "group 'thing'": swap(0, entities=[{"name": "h", "group": "thing", "channels": ["x"], "units": ["m"], "tolerance": 0.1}]),
    "cannot be read": swap(0, offsets=None),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_records_are_clear_errors(words, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text(lines(BAD[words]))
    with pytest.raises(DataError, match=words) as caught:
        reading.load(path)
    assert caught.value.where or "lacks branches" in words


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        reading.load(tmp_path / "nothing.jsonl")
    for text, words in (("", "begin with"), ("{", "no JSON"), ("3", "no record")):
        (tmp_path / "x").write_text(text)
        with pytest.raises(DataError, match=words):
            reading.load(tmp_path / "x")


def card(text, tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_text(text)
    found = reading.load(path)
    return card_of(found.evidence.model, found.evidence.spec.task, found.scores(), terms=found.terms)


def test_what_cannot_be_told_is_unavailable_and_the_rest_goes_on(tmp_path):
    one = card(lines(lambda rows: [r | ({"contexts": 1} if r["record"] == "protocol" else {}) for r in rows
                                   if r.get("context", "a") == "a"]), tmp_path)
    assert "fewer than 3 contexts" in one.find("cc.robot").unavailable and one.find("fcs").value == 0.5
    frozen = [{k: v for k, v in r.items() if k != "scales"} | (
        {side: {e: [v] for e, v in r["start"].items()} for side in ("imagined", "real")} if r["record"] == "effect" else {})
        for r in map(json.loads, BLOCK.splitlines()) if r["record"] != "answer"]
    still = card(lines(lambda rows: frozen), tmp_path)
    assert "hardly depends on the action" in still.find("cc.robot").unavailable and still.find("fcs").value == 0.5
    failed = card(lines(lambda rows: [*rows, {"record": "error", "context": "c", "action": "null", "error": "out of memory"}]),
                  tmp_path)
    assert "out of memory" in failed.find("cc").unavailable and failed.find("f2a").value is not None
    for found in (one, still, failed):
        assert found.verdict.words == "not enough evidence" and json.dumps(found.to_json())
    blind = card(lines(lambda rows: [r for r in swap(0, imagines=False)(rows) if r["record"] != "plan"]), tmp_path)
    assert blind.find("cc").value is not None


def test_terms_must_match():
    one = terms(effects(3), 3)
    must_match(one, Terms.from_json(json.loads(json.dumps(one.to_json()))))
    with pytest.raises(DataError, match="different terms") as caught:
        must_match(one, replace(one, renderer="egl-1", contexts=4))
    assert caught.value.where == "contexts, renderer" and one.digest != replace(one, seed=1).digest
