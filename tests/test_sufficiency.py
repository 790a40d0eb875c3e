"""A verdict in a model's favour cannot be had by arranging the records: each arrangement is refused with its reason, and the
honest file of a good model, made by the same code from the same states, is not."""

import json
from dataclasses import replace

import numpy as np
import pytest

from toyworld import SPEC
from wamlab.cli import main
from wamlab.evaluate.ask.actions import OFFERED
from wamlab.evaluate.ask.branches import Protocol, make_branches
from wamlab.evaluate.ask.protocol import terms_of
from wamlab.evaluate.card.card import from_log
from wamlab.evaluate.card.verdict import decide
from wamlab.evaluate.evidence import Answers, Effects
from wamlab.evaluate.log import EvalLog
from wamlab.evaluate.metrics import Evidence
from wamlab.evaluate.records import reading, writing
from wamlab.evaluate.scoring.score import true_effects
from wamlab.evaluate.sufficiency import WORDS, lacking
from wamlab.evaluate.sufficiency.situations import effective
from wamlab.evaluate.sufficiency.things import entities
from wamlab.spec import EntitySpec

FOLLOWS = "imagines and follows it"


@pytest.fixture(scope="module")
def branches(tmp_path_factory):
    protocol = Protocol("pushworld", (4, 8), contexts=24, options={"size": 32})
    return make_branches(protocol, tmp_path_factory.mktemp("branches"), workers=1)


@pytest.fixture(scope="module")
def evidence(branches):
    """Of a good model: what it imagines and does is the truth with an error of a third of the tolerance, and of a tenth."""
    draw, truth = np.random.default_rng(0), true_effects(branches)

    def near(states):
        scale = draw.normal(1, 0.1, (len(branches), 1, 1, 1))
        return {name: value + (value - truth.start[name][:, None, None]) * (scale - 1) + draw.normal(0, 0.003, value.shape)
                for name, value in states.items()}

    places = [truth.kinds.index(name) for name in OFFERED]
    offered = {name: value[:, places] for name, value in truth.real.items()}
    answers = Answers(truth.start, offered, near(offered), truth.offsets, OFFERED, truth.strata)
    return Evidence("good", branches.spec, effects=replace(truth, imagined=near(truth.real)), answers=answers)


@pytest.fixture(scope="module")
def honest(branches, evidence, tmp_path_factory):
    path = writing.save(tmp_path_factory.mktemp("honest") / "r.jsonl", terms_of(branches), evidence, True)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in rows[0].items() if name != "digest"}, *rows[1:]]


def judged(rows, path):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    found = reading.load(path)
    return found, found.card()


def states(row):
    return [side for side in ("start", "imagined", "real", "offered", "consequence", "ceiling") if side in row]


def mapped(row, change):
    """A row with every state, an array, changed by change(entity, side, array)."""
    return row | {side: {name: np.asarray(change(name, side, np.array(value, float))).tolist()
                         for name, value in row[side].items()} for side in states(row)}


def every(change):
    return lambda rows: [rows[0], *(mapped(row, change) for row in rows[1:])]


def head(rows, **fields):
    return [rows[0] | fields, *rows[1:]]


def only(rows, contexts):
    """Some contexts, with their own numbers."""
    names = {str(c) for c in contexts}
    return [rows[0] | {"contexts": len(names)}, *(row for row in rows[1:] if row["context"] in names)]


def numbered(rows):
    order = {name: str(n) for n, name in enumerate(dict.fromkeys(row["context"] for row in rows[1:]))}
    return [rows[0], *(row | {"context": order[row["context"]]} for row in rows[1:])]


def copies(rows, source, jitter, moved=0.0):
    """Contexts of one kind many times over: jittered, or taken elsewhere as a whole."""
    made, draw = [], np.random.default_rng(1)
    for number in range(24):
        away = draw.uniform(-moved, moved, 2)
        shake = {name: draw.normal(0, jitter, 2) for name in ("robot", "object", "bystander", "goal")}
        made += [mapped(row, lambda name, side, value, shake=shake, away=away: value + shake[name] + away) | {
            "context": str(number)} for row in rows[1:] if row["context"] == source[number % len(source)]]
    return [rows[0] | {"contexts": 24, "scales": []}, *made]


def touched(rows, yes):
    """Numbers of the contexts in which the disc is moved by some action, or is not."""
    found = {}
    for row in rows[1:]:
        if row["record"] == "effect":
            apart = np.abs(np.array(row["real"]["object"]) - row["start"]["object"]).max()
            found[row["context"]] = max(found.get(row["context"], 0), apart)
    return [name for name, apart in found.items() if (apart > 0.01) == yes]


def without(*actions):
    return lambda rows: [rows[0] | {"actions": [a for a in rows[0]["actions"] if a not in actions]},
                         *(row for row in rows[1:] if row["action"] not in actions)]


def entity(rows, name, **fields):
    return head(rows, entities=[e | fields if e["name"] == name else e for e in rows[0]["entities"]])


def with_channel(rows, unit):
    """A third, wrongly imagined place of the robot, in a unit of another spelling."""
    first = entity(rows, "robot", channels=["x", "y", "z"], units=["table widths", "table widths", unit])
    draw = np.random.default_rng(2)
    return [first[0], *(row | {side: row[side] | {"robot": np.concatenate(
        [row[side]["robot"], draw.normal(0.5, 0.2, (*np.shape(row[side]["robot"])[:-1], 1)) if side == "imagined" else
         np.full((*np.shape(row[side]["robot"])[:-1], 1), 0.5)], -1).tolist()} for side in states(row)} for row in rows[1:])]


def best(rows):
    """The half of the contexts in which the model happened to be most right."""
    error = {}
    for row in rows[1:]:
        if row["record"] == "effect":
            error[row["context"]] = error.get(row["context"], 0) + np.square(
                np.array(row["imagined"]["object"]) - row["real"]["object"]).sum()
    return only(rows, sorted(error, key=error.__getitem__)[:len(error) // 2])


def dim(rows, size):
    """A ceiling that is made worse than the model."""
    draw = np.random.default_rng(3)
    return [rows[0], *(row if row["record"] != "effect" else row | {"ceiling": {
        name: (np.array(value) + draw.normal(0, size, np.shape(value))).tolist() for name, value in row["real"].items()}}
        for row in rows[1:])]


def larger(rows):
    """Three contexts with effects of twenty times the size."""
    def grow(row):
        start = {name: np.array(value) for name, value in row["start"].items()}
        return mapped(row, lambda name, side, value: value if side == "start" else start[name] + 20 * (value - start[name]))
    return head([grow(row) if row.get("context") in touched(rows, True)[:3] else row for row in rows], scales=[])


def renamed(rows):
    """Two kinds of action under the names of nine: the factual one, and none."""
    like = {name: "null" if name in ("null", "dose 0.25", "turn +90", "turn -90") else "factual" for name in rows[0]["actions"]}
    source = {(row["record"], row["context"], row["action"]): row for row in rows[1:]}
    return [rows[0], *(source[row["record"], row["context"], like[row["action"]]] | {"action": row["action"]}
                       for row in rows[1:])]


def twice(rows):
    """The robot once more, as the object."""
    return head([rows[0], *(row | {side: row[side] | {"object": row[side]["robot"]} for side in states(row)}
                            for row in rows[1:])], scales=[])


def with_constant(rows):
    """The robot once more, as an object that also has a height, which never changes."""
    first = entity(twice(rows), "object", channels=["x", "y", "z"], units=["table widths"] * 3)
    return [first[0], *(row | {side: row[side] | {"object": np.concatenate(
        [row[side]["object"], np.full((*np.shape(row[side]["object"])[:-1], 1), 0.5)], -1).tolist()} for side in states(row)}
        for row in first[1:])]


def link(rows, part=((0.5, 0.0), (0.0, 0.5)), each=lambda context: 1.0):
    """A link of the robot as the object: a linear map of the robot's way, also one of its own per context."""
    made = [rows[0]]
    for row in rows[1:]:
        start, way = np.array(row["start"]["robot"]), np.array(part) * each(int(row["context"]))
        made.append(row | {side: row[side] | {"object": (0.2 + start + (np.array(row[side]["robot"]) - start) @ way).tolist()}
                           for side in states(row)})
    return head(made, scales=[])


def link_for_disc(rows):
    """A link as the object; the disc becomes a bystander of which the imagination knows nothing."""
    made, draw = link(rows), np.random.default_rng(5)
    return [made[0], *(row | {side: row[side] | {"bystander": (np.array(old[side]["object"]) + (draw.normal(
        0, 0.4, np.shape(old[side]["object"])) if side == "imagined" else 0)).tolist()} for side in states(row)}
        for row, old in zip(made[1:], rows[1:], strict=True))]


def obeyed(rows):
    """What was offered, as what came of the answers."""
    return [row | ({"consequence": row["offered"]} if row["record"] == "answer" else {}) for row in rows]


def far_away(rows, name, away, actions):
    """A thing imagined elsewhere."""
    return head([rows[0], *(mapped(row, lambda entity, side, value: value + away * (side == "imagined" and entity == name))
                            if row["action"] in actions else row for row in rows[1:])], scales=[])


def first_frame(rows):
    return [rows[0] | {"offsets": [4], "scales": []}, *(row | {side: {name: value[:1] for name, value in row[side].items()}
                                                             for side in states(row) if side != "start"} for row in rows[1:])]


def own_truth(rows):
    """The model's imagination in place of the truth."""
    made = {(row["context"], row["action"]): row["imagined"] for row in rows[1:] if row["record"] == "effect"}
    return head([rows[0], *(row | {"real" if row["record"] == "effect" else "offered": made[row["context"], row["action"]]}
                            for row in rows[1:])], scales=[])


ARRANGED = {
    "one situation with jitter": (lambda rows: copies(rows, touched(rows, True)[:1], 0.002), "situations that differ"),
    "two situations with jitter": (lambda rows: copies(rows, touched(rows, True)[:2], 0.004), "situations that differ"),
    "one situation taken elsewhere": (lambda rows: copies(rows, touched(rows, True)[:1], 0.0005, 0.4),
                                      "situations that differ"),
    "without the null action": (without("null"), "without null"),
    "without the reverse action": (without("reverse"), "without reverse"),
    "two kinds of action": (without("dose 0.25", "dose 0.5", "reverse", "turn +90", "turn -90", "random direction",
                                    "random chunk"), "not all actions"),
    "two kinds of action under nine names": (renamed, "moves the robot"),
    "one error": (lambda rows: [*rows, {"record": "error", "context": "0", "action": "null", "error": "out of memory"}],
                  "out of memory"),
    "no effects": (lambda rows: head([rows[0], *(r for r in rows[1:] if r["record"] != "effect")],
                                     missing={"effects": "its future reads no action"}), "its future reads no action"),
    "nothing is touched": (lambda rows: numbered(head(only(rows, touched(rows, False)), scales=[])), "contexts, fewer than"),
    "a place in a unit of another spelling": (lambda rows: with_channel(rows, "Table Widths"), "spelt otherwise"),
    "a place as an angle": (lambda rows: with_channel(rows, "rad"), "z of robot is a place"),
    "a place in an unknown unit": (lambda rows: with_channel(rows, "table-widths"), "none that the protocol knows"),
    "contexts chosen afterwards": (best, "not numbered"),
    "tolerances blown up": (lambda rows: head(entity(rows, "object", tolerance=0.05), scales=[]), "tolerance 0.05"),
    "noise that hides": (lambda rows: head(rows, noise={"bystander": 0.02, "object": 0.02}, scales=[["robot", 0.1], [
        "object", 0.03], ["bystander", 0.02], ["goal", 0.02]]), "noise of"),
    "scales out of proportion": (lambda rows: head(rows, scales=[[n, v * 4 if n == "object" else v / 1.5 if n == "robot" else v]
                                                                 for n, v in rows[0]["scales"]]), "out of proportion"),
    "a ceiling that mutes": (lambda rows: dim(rows, 0.3), "the readout itself reaches"),
    "a ceiling worse than the model": (lambda rows: dim(rows, 0.04), "nearer to the truth"),
    "three contexts that decide": (larger, "in effect, fewer than"),
    "one thing under two names": (twice, "one thing under two names"),
    "the robot and a constant": (with_constant, "object goes with robot"),
    "a link of the robot": (link, "object goes with robot"),
    "a link that turns and mirrors": (lambda rows: link(rows, ((0.0, 0.9), (0.6, 0.2))), "object goes with robot"),
    "a link along one axis": (lambda rows: link(rows, ((0.7, 0.0), (0.0, 0.0))), "object goes with robot"),
    "a link of another length in each context": (lambda rows: link(rows, each=lambda c: 0.4 + c % 5 / 4 * (-1) ** c),
                                                 "object goes with robot"),
    "a link, and the disc as a bystander": (link_for_disc, "object goes with robot"),
    "what was offered as what was done": (obeyed, "nobody does what is shown that exactly"),
    "the first frame alone": (first_frame, "steps ahead"),
    "rounded": (every(lambda name, side, value: np.round(value / 0.02) * 0.02), "are rounded"),
    "its imagination as the truth": (own_truth, "to the last digits"),
}


def test_an_honest_file_of_a_good_model_gets_its_verdict(honest, tmp_path, capsys):
    found, card = judged(honest, tmp_path / "r.jsonl")
    assert found.lacking == () and card.verdict.words == FOLLOWS
    assert main(["card", "--from", str(tmp_path / "r.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["verdict"]["words"] == FOLLOWS


@pytest.fixture(scope="module")
def arranged(honest, tmp_path_factory):
    path = tmp_path_factory.mktemp("arranged") / "r.jsonl"
    return {name: judged(change(honest), path) for name, (change, _) in ARRANGED.items()}


@pytest.mark.parametrize("name", ARRANGED)
def test_arranged_records_are_refused_with_the_reason(name, arranged):
    (found, card), words = arranged[name], ARRANGED[name][1]
    assert card.verdict.words == "not enough evidence"
    assert any(why.startswith(WORDS) and words in why for why in found.lacking), found.lacking
    if decide(card.scores, True).words == FOLLOWS:
        assert set(found.lacking) <= set(card.verdict.reasons)


@pytest.mark.parametrize("name", ["bystander", "object"])
@pytest.mark.parametrize("beside", ["", "null"])
def test_a_thing_that_is_imagined_far_away_withholds_the_verdict(name, beside, honest, tmp_path):
    """Also where only the null future is right. The control: elsewhere by less than things truly move."""
    actions = [a for a in honest[0]["actions"] if a != beside]
    found, card = judged(far_away(honest, name, 0.3, actions), tmp_path / "r.jsonl")
    assert found.lacking == () and card.verdict.words == "not enough evidence"
    assert any(f"further than objects truly move: false_effect.{name}.far" in why for why in card.verdict.reasons)
    assert {s.metric: s.value for s in card.scores}[f"false_effect.{name}.far"] > 0.8
    assert judged(far_away(honest, name, 0.004, actions), tmp_path / "r.jsonl")[1].verdict.words == FOLLOWS


def tried(way, seed=0):
    """Evidence of effects alone: a robot that moves in every context, and the way of an object given the robot's."""
    draw = np.random.default_rng(seed)
    moves = {"robot": draw.normal(0, 0.1, (20, 9, 2, 2))}
    moves["object"] = way(moves["robot"], draw)
    spec = replace(SPEC, entities=tuple(EntitySpec(n, n, ("x", "y"), ("m", "m"), 0.01) for n in moves))
    start = {n: np.zeros((20, 2)) for n in moves}
    return Evidence("m", spec, effects=Effects(start, moves, moves, (4, 8), tuple(map(str, range(9))), ("free",) * 20))


@pytest.mark.parametrize("way, one", [
    (lambda robot, draw: robot * 0.5 + draw.normal(0, 0.003, robot.shape), True),
    (lambda robot, draw: robot[..., ::-1] * draw.uniform(-2, 2, (20, 1, 1, 1)), True),  # another map in each context
    (lambda robot, draw: robot * (np.arange(20) % 2)[:, None, None, None], True),  # seen in half of them, by one map for all
    (lambda robot, draw: robot * (np.arange(20) % 5 > 1)[:, None, None, None] * np.array([0.6, 1.0])[:, None] +  # often held
     np.maximum(robot, 0) * (np.arange(20) % 5 < 2)[:, None, None, None], False),
    (lambda robot, draw: np.maximum(robot, 0.05) - 0.05, False),  # pushed from one side
    (lambda robot, draw: draw.normal(0, 0.1, robot.shape), False)])
def test_a_thing_that_is_a_linear_map_of_the_robot_is_no_thing_of_its_own(way, one):
    assert bool([*entities(tried(way))]) == one


def test_most_arrangements_would_have_their_verdict_from_the_numbers_alone(arranged):
    """The control: without the minimum the intervals alone grant it."""
    granted = [name for name, (_, card) in arranged.items() if decide(card.scores, True).words == FOLLOWS]
    assert len(granted) >= 22, granted


def test_native_evidence_is_judged_by_the_same_minimum(branches, evidence):
    terms = terms_of(branches)
    assert lacking(evidence, terms) == ()
    far = replace(evidence, effects=None, missing={"effects": "out of memory"})
    assert any("out of memory" in why for why in lacking(far, terms)) and lacking(far, terms, wired=False) == ()
    alone = replace(far, answers=replace(evidence.answers, kinds=("factual", *OFFERED[2:], "late stop")))
    assert any("without null" in why for why in lacking(alone, terms, wired=False))


def test_a_log_that_says_nothing_of_its_evidence_carries_no_verdict_for_a_model(branches, evidence, tmp_path):
    scores = reading.Records(terms_of(branches), evidence, True).scores()
    silent = EvalLog({"capabilities": {"good": []}}, scores)
    assert from_log(silent)[0].verdict.words == "not enough evidence"
    assert "was not looked at" in from_log(silent)[0].verdict.reasons[-1]
    told = replace(silent, provenance={"capabilities": {"good": []}, "lacking": {"good/pushworld": []}})
    assert from_log(told)[0].verdict.words == FOLLOWS


def test_effective_number_of_situations():
    draw = np.random.default_rng(0)
    far = draw.uniform(-1000, 1000, (50, 4))
    assert effective(far, far) == pytest.approx(50, rel=1e-6)
    assert effective(far[:1].repeat(50, 0), far) == pytest.approx(1) == effective(far, far[:1].repeat(50, 0))
    assert effective(far[:25].repeat(2, 0), far[:25].repeat(2, 0)) == pytest.approx(25, rel=1e-6)
    many = draw.uniform(-1e4, 1e4, (40, 4)).repeat(100, 0)  # of 4,000 a part is compared
    assert effective(many, many) == pytest.approx(40, rel=0.1)
