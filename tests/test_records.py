"""Records that cannot be are refused, each with its line and field; what a run exports is not."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from test_protocol import BLOCK, PAGE, lines, swap, terms
from toyworld import SPEC, effects
from wamlab.cli import main
from wamlab.errors import DataError
from wamlab.evaluate.ask.choosing import CHOICES
from wamlab.evaluate.ask.trials import FUTURES
from wamlab.evaluate.conformance.saboteurs import sabotage
from wamlab.evaluate.evidence import Answers
from wamlab.evaluate.metrics import Evidence
from wamlab.evaluate.records import reading, writing
from wamlab.evaluate.records.checks import APART

ROWS = [json.loads(line) for line in BLOCK.splitlines()]
KINDS = [row["record"] for row in ROWS]
HAND, CUP = ROWS[0]["entities"]
END = len(ROWS) + 1
"""line of a record that is added"""


def first(kind):
    return KINDS.index(kind) + 1


def entity(number, **fields):
    return swap(0, entities=[e | fields if i == number else e for i, e in enumerate((HAND, CUP))])


def scales(hand, cup):
    return swap(0, scales=[["hand", hand], ["cup", cup]])


def of_kind(kind, **fields):
    return lambda rows: [row | fields if row["record"] == kind else row for row in rows]


def added(**row):
    return lambda rows: [*rows, row]


def copied(kind, owner, name, new, contexts=3):
    return lambda rows: [rows[0] | {"contexts": contexts}, *rows[1:], *(
        row | {owner: new} for row in rows if row["record"] in (kind, "episode") and row.get(owner) == name)]


def state(number, side, **values):
    return lambda rows: swap(number, **{side: rows[number][side] | values})(rows)


def control(name, context="a"):
    return {"record": "control", "context": context, "control": name, "consequence": {"hand": [[0, 0]], "cup": [[0]]}}


def renumbered(rows):
    """Another number for the chunk, under another episode: the plan is still the same."""
    return copied("plan", "episode", "1", "6")(rows)


BAD = {
    # units
    "scales far too large": (scales(0.1, 1e6), 1, "scales"),
    "scales a little too large": (scales(0.1, APART * 0.0195), 1, "scales"),
    "a scale below what it can be": (scales(0.078 / APART, 0.05), 1, "scales"),
    "a scale below the tolerance": (scales(0.1, 0.009), 1, "scales"),
    "no scale": (scales(0, 0.05), 1, "scales"),
    "negative scale": (scales(-0.1, 0.05), 1, "scales"),
    "scale that is no number": (scales(math.nan, 0.05), 1, "scales"),
    "infinite scale": (scales(math.inf, 0.05), 1, "scales"),
    "tiny scale": (scales(1e-300, 0.05), 1, "scales"),
    "true for a scale": (scales(True, 0.05), 1, "scales"),
    "a scale is missing": (swap(0, scales=[["hand", 0.1]]), 1, "scales"),
    "a scale twice": (swap(0, scales=[["hand", 0.1], ["hand", 0.1], ["cup", 0.05]]), 1, "scales"),
    "a scale of nobody": (swap(0, scales=[["hand", 0.1], ["cup", 0.05], ["lid", 1]]), 1, "scales"),
    "scales as a table": (swap(0, scales={"hand": 0.1, "cup": 0.05}), 1, "scales"),
    "one number for scales": (swap(0, scales=5), 1, "scales"),
    "a tolerance that hides": (entity(1, tolerance=10), 1, "entities"),
    "noise that is no number": (swap(0, noise={"hand": math.nan}), 1, "noise"),
    "noise that hides": (swap(0, noise={"cup": 1e9}), 1, "noise"),
    "noise a little above sigma": (swap(0, noise={"cup": 0.051}), 1, "noise"),
    "noise of nobody": (swap(0, noise={"lid": 0.1}), 1, "noise"),
    # sample size
    "fewer contexts than stated": (swap(0, contexts=24), 1, "contexts"),
    "more contexts than stated": (swap(0, contexts=2), 1, "contexts"),
    "a context copied": (lambda rows: copied("effect", "context", "a", "d", 4)([r for r in rows if r["record"] != "answer"]),
                         END - 9, "context"),
    "answers copied": (lambda rows: copied("answer", "context", "a", "d", 3)([r for r in rows if r["record"] != "effect"
                                                                            and r.get("context") != "c"]), END - 12, "context"),
    "an episode copied": (renumbered, END + 1, "episode"),
    "a plan told twice": (lambda rows: [*rows, rows[first("plan") - 1]], END, "chunk"),
    "a plan without its number": (swap(first("plan") - 1, chunk=None), first("plan"), "chunk"),
    "a plan without steps": (swap(first("plan") - 1, real={"hand": [], "cup": []}), first("plan"), "real"),
    "a plan without an episode": (lambda rows: [r for r in rows if r["record"] != "episode"], first("plan") - 5, "episode"),
    # truth
    "offered is not real": (state(10, "offered", hand=[[9, 9]]), 11, "offered"),
    "offered is nearly real": (state(10, "offered", hand=[[0.5301, 0.4]]), 11, "offered"),
    "offered from elsewhere": (lambda rows: [r | {"start": {"hand": [0.4, 0.3], "cup": [0.59]}} if r["record"] == "answer" and
                                             r["context"] == "a" else r for r in rows], 11, "start"),
    "an answer in no context": (lambda rows: [r | {"context": "z"} if r["record"] == "answer" and r["context"] == "c" else r
                                              for r in rows], 17, "context"),
    # numbers
    "1e200": (state(1, "imagined", hand=[[1e200, 0]]), 2, "imagined"),
    "a million sigma": (state(1, "imagined", hand=[[1.1e5, 0]]), 2, "imagined"),
    "400 digits": (state(1, "imagined", hand=[[10**400, 0]]), 2, "imagined"),
    "true for a coordinate": (state(1, "imagined", hand=[[True, 0]]), 2, "imagined"),
    "text for a coordinate": (state(1, "imagined", hand=[["0.5", 0]]), 2, "imagined"),
    "null for a coordinate": (state(1, "imagined", hand=[[None, 0]]), 2, "imagined"),
    "an unknown entity": (state(1, "imagined", lid=[[0]]), 2, "imagined"),
    "rows of two lengths": (state(1, "imagined", hand=[[0.5]]), 2, "imagined"),
    "uncertainty without a number": (of_kind("effect", uncertainty=math.nan), 2, "uncertainty"),
    "uncertainty true": (of_kind("effect", uncertainty=True), 2, "uncertainty"),
    "uncertainty of 400 digits": (of_kind("effect", uncertainty=10**400), 2, "uncertainty"),
    "uncertainty of some": (swap(1, uncertainty=0.1), 3, "uncertainty"),
    "a step of 30 digits": (of_kind("effect", step=10**30), 2, "step"),
    "a broken stratum": (of_kind("effect", stratum=[1]), 2, "stratum"),
    "two strata in a context": (lambda rows: swap(1, stratum="near")(of_kind("effect", stratum="free")(rows)), 4, "stratum"),
    # terms
    "mode foo": (swap(0, mode="foo"), 1, "mode"),
    "mode twin": (swap(0, mode="twin"), 1, "mode"),
    "no horizon": (swap(0, horizon=0), 1, "horizon"),
    "horizon before the offset": (swap(0, horizon=7), 1, "offsets"),
    "an offset of no steps": (swap(0, offsets=[0]), 1, "offsets"),
    "no offsets": (swap(0, offsets=[]), 1, "offsets"),
    "an offset twice": (swap(0, offsets=[8, 8]), 1, "offsets"),
    "no actions": (swap(0, actions=[]), 1, "actions"),
    "an action twice": (swap(0, actions=["factual", "factual", "null", "reverse"]), 1, "actions"),
    "actions as text": (swap(0, actions="factual"), 1, "actions"),
    "no samples": (swap(0, samples=0), 1, "samples"),
    "a nameless model": (swap(0, model=""), 1, "model"),
    "a nameless task": (swap(0, task=""), 1, "task"),
    "another digest": (swap(0, digest="0123"), 1, "digest"),
    "fewer units than channels": (entity(0, units=["m"]), 1, "entities"),
    "no channels": (entity(0, channels=[], units=[]), 1, "entities"),
    "an entity twice": (entity(0, name="cup"), 1, "entities"),
    "a field of an entity": (entity(0, weight=3), 1, "entities"),
    # names and contradictions
    "effects missing but told": (swap(0, missing={"effects": "x"}), 1, "missing"),
    "plans missing but told": (swap(0, missing={"foresight": "x"}), 1, "missing"),
    "something else missing": (swap(0, missing={"efects": "x"}), 1, "missing"),
    "plans of what imagines nothing": (swap(0, imagines=False), 1, "imagines"),
    "an unknown control": (added(**control("wibble")), END, "control"),
    "a control in no context": (added(**control("own", "zz")), END, "context"),
    "a control in one context": (added(**control("own")), END, "context"),
    "a control twice": (lambda rows: [*rows, control("own"), control("own")], END + 1, "control"),
    "an unknown kind": (swap(3, record="wibble"), 4, "record"),
    "a second protocol": (lambda rows: [*rows, rows[0]], END, "record"),
    "an unknown field": (swap(3, iamgined=1), 4, "iamgined"),
    "an unknown field of the protocol": (swap(0, sclaes=[]), 1, "sclaes"),
    "some ceilings": (swap(2, ceiling=ROWS[2]["real"]), 2, "ceiling"),
    "some readings of success": (swap(20, read_success=True), 20, "read_success"),
    "an error without one": (added(record="error"), END, "error"),
    "an unknown arm": (added(record="trial", start="1", solved={"onw": True}), END, "solved"),
    "no arms": (added(record="trial", start="1", solved={}), END, "solved"),
    "an arm told and missing": (lambda rows: [*rows, {"record": "trial", "start": "1", "solved": {"own": True}},
                                              {"record": "trial", "missing": {"own": "x"}}], END + 1, "missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_refused(name, tmp_path):
    change, number, field = BAD[name]
    path = tmp_path / "bad.jsonl"
    path.write_text(lines(lambda rows: change(copy.deepcopy(rows))))
    with pytest.raises(DataError) as caught:
        reading.load(path)
    error = caught.value
    assert str(error.where) == f"{path}, line {number}, field {field}", error
    assert error.problem and str(error.expected) and str(error.got) and error.fix


def test_the_fixes_do_not_advise_to_hide(tmp_path):
    path = tmp_path / "bad.jsonl"
    for change, words in ((lambda rows: rows[:3] + rows[4:], "kind error"), (swap(0, contexts=4), "kind error"),
                          (swap(0, mode="twin"), "--mode twin")):
        path.write_text(lines(change))
        with pytest.raises(DataError) as caught:
            reading.load(path)
        assert words in caught.value.fix and "line " in str(caught.value.where)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 100_000, '{"record": "protocol", "record": "effect"}', "[1, 2]",
                                  '{"record": ' + "1" * 5000 + "}"])
def test_lines_that_are_no_records(text, tmp_path, capsys):
    path = tmp_path / "deep.jsonl"
    path.write_text("\n" + text)
    assert main(["card", "--from", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"{path}, line 2" in said and "fix:" in said and "Traceback" not in said


@pytest.mark.parametrize("change", [
    scales(0.1 * 3, 0.05), swap(0, scales=[]), swap(0, noise={"cup": 0.05}), of_kind("effect", uncertainty=3),
    state(1, "imagined", hand=[[9e4, 0]]), state(10, "offered", hand=[[0.53 + 1e-9, 0.4]]),
    added(record="error", context="a", action="null", error="out of memory"),
    lambda rows: [*rows, *(control("own", c) for c in "abc")]])
def test_what_can_be_is_read(change, tmp_path):
    path = tmp_path / "good.jsonl"
    path.write_text(lines(change))
    assert reading.load(path).evidence.model == "example"


def test_a_wrong_object_cannot_be_hidden_by_its_unit(tmp_path):
    """A thing that is imagined the wrong way counts as much as its true motion does."""
    made = sabotage("wrong_direction", effects(12), SPEC)
    told = terms(made, 12)
    evidence = Evidence("m", SPEC, effects=made)
    path = writing.save(tmp_path / "r.jsonl", told, evidence)
    assert {s.metric: s.value for s in reading.load(path).scores()}["cc.object"] < 0
    hidden = replace(told, scales=tuple((name, 1e6 if name == "block" else value) for name, value in told.scales))
    with pytest.raises(DataError, match="block"):
        reading.load(writing.save(tmp_path / "r.jsonl", hidden, evidence))


def test_noise_of_a_poor_readout_is_read_where_its_ceiling_shows_it(tmp_path):
    made = effects(12)
    blurred = {name: value + np.random.default_rng(0).normal(0, 0.1, value.shape) for name, value in made.real.items()}
    noise = {name: 0.15 for name in made.real}
    shown = replace(made, ceiling=blurred, noise=noise)
    path = writing.save(tmp_path / "r.jsonl", terms(made, 12), Evidence("m", SPEC, effects=shown))
    back = reading.load(path).evidence.effects
    assert back is not None and back.noise == noise
    path = writing.save(path, terms(made, 12), Evidence("m", SPEC, effects=replace(made, noise=noise)))
    with pytest.raises(DataError, match="noise of block"):
        reading.load(path)


def test_offered_futures_without_effects_give_the_unit(tmp_path):
    truth = effects(12)
    given = Answers(truth.start, truth.real, truth.real, truth.offsets, truth.kinds, truth.strata)
    told = terms(truth, 12)
    path = writing.save(tmp_path / "r.jsonl", told, Evidence("m", SPEC, answers=given))
    assert reading.load(path).evidence.answers is not None
    far = replace(told, scales=tuple((name, 100.0) for name, _ in told.scales))
    with pytest.raises(DataError, match="true displacements"):
        reading.load(writing.save(path, far, Evidence("m", SPEC, answers=given)))


def test_arms_are_those_of_the_trials():
    assert sorted(reading.ARMS) == sorted((*FUTURES, *CHOICES))


def test_the_page_itself_is_read(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert main(["card", "--from", str(page), "--json"]) == 0
    (card,) = json.loads(capsys.readouterr().out)
    assert card["headlines"]["fcs"] == 0.5
    page.write_text(PAGE.replace('"action": "reverse"', '"action": "revers"', 1))
    with pytest.raises(DataError) as caught:
        reading.load(page)
    number = next(i for i, line in enumerate(page.read_text().splitlines(), 1) if '"revers"' in line)
    assert str(caught.value.where) == f"{page}, line {number}, field action"
    for text in ("# no records\n", PAGE + PAGE):
        page.write_text(text)
        with pytest.raises(DataError, match="one block"):
            reading.load(page)
