"""Text from a file is shown, not obeyed: by terminals, tables, pages and drawings, and by outputs that are not UTF-8."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from data_fakes import SPEC, episode
from lerobot_fakes import bench_store
from wamlab import cli
from wamlab.commands import console
from wamlab.commands.console import line
from wamlab.control.teleop_page import Browser
from wamlab.curate.value.page import page as value_page
from wamlab.data.formats.convert_out import export_lerobot
from wamlab.data.store import EpisodeStore
from wamlab.errors import DataError, UnknownName, WamError
from wamlab.evaluate.log import EvalLog, Score
from wamlab.reading import shown
from wamlab.report import html
from wamlab.report.browse import browse_dataset
from wamlab.report.figures import Mark, against_nulls, curves, success_bars

OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
CLEAR, TURNED, RING = "\x1b[2J\x1b[H", "\u202egnp.exe", "\x07\x9b31m"
HOSTILE = f"push {CLEAR}[red]{TURNED} <script>alert(1)</script> & $\\frac$ {RING}"
NAMES = ("[bold]a", "<b>b</b>\x1b]0;x\x07")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A store whose every text was written by an enemy, and its export."""
    folder = tmp_path_factory.mktemp("hostile")
    spec = replace(SPEC, task=HOSTILE, instruction=HOSTILE, state=NAMES, action=replace(SPEC.action, names=NAMES),
                   image_size=(16, 16))
    store = EpisodeStore.create(folder / "store", spec, HOSTILE, {"source": HOSTILE, "list": [HOSTILE], HOSTILE: HOSTILE})
    for number in range(2):
        plain = episode(number, 6, source=HOSTILE, renderer=HOSTILE)
        frames = {"main": np.random.default_rng(number).integers(60, 200, (7, 16, 16, 3)).astype(np.uint8)}
        store.append(replace(plain, task=HOSTILE, instruction=HOSTILE, later=((3, f"{HOSTILE} 2"),), frames=frames))
    return folder


def lines_of(capsys, *words: object, status: tuple[int, ...] = (0,)) -> tuple[str, str]:
    assert cli.main([*map(str, words)]) in status
    out, err = capsys.readouterr()
    for text in (out, err):
        assert not OBEYED.search(text), repr(OBEYED.search(text))
    return out, err


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_what_is_harmless_stays_and_what_is_obeyed_is_written_out(text):
    told = line(text)
    assert not OBEYED.search(shown(text)) and not OBEYED.search(told) and "\n" not in told
    assert OBEYED.search(text) or shown(text) == text
    assert OBEYED.search(f"{text}{CLEAR}")  # the control


def test_commands_show_what_a_dataset_says(hostile, tmp_path, capsys):
    store = hostile / "store"
    for words in (("data", "info", store), ("show", store)):
        out, _ = lines_of(capsys, *words)
        assert "[red]" in out and "\\x1b[2J" in out and "<script>" in out and "[bold]a" in out
    out, err = lines_of(capsys, "data", "check", store, status=(0, 2))
    out, err = lines_of(capsys, "data", "view", store, "--out", tmp_path / "page.html")
    _, err = lines_of(capsys, "data", "info", tmp_path / f"no{CLEAR}\nsuch", status=(2,))
    assert [row[:9] for row in err.splitlines()] == ["error: th", "  where: ", "  expecte", "  got: no", "  fix: ch"]
    lines_of(capsys, "data", "info", os.fsdecode(b"/tmp/\xff"), status=(2,))  # a name that is no UTF-8


@pytest.mark.parametrize("word", [CLEAR, TURNED, RING, "\ud800", os.fsdecode(b"\xff")])
def test_a_word_that_is_no_choice_is_repeated_as_it_reads(word, capsys, monkeypatch):
    """Also where tyro itself answers, which repeats a word as it stands; in colours, on a terminal."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    for words in (("card", "runs/x", "--mode", word), ("run", word), ("run", f"--{word}", "1"), ("run", "--seed", word)):
        with pytest.raises(SystemExit) as stop:
            cli.main([*words])
        out, err = capsys.readouterr()
        assert stop.value.code == 2 and not out and not OBEYED.search(err) and shown(word) in "".join(err.split()), words
    with pytest.raises(SystemExit):
        cli.main(["run", "--help", word])
    assert "--seed" in capsys.readouterr().out


def test_json_is_alone_on_stdout_and_ascii(hostile, tmp_path, capsys):
    bench_store(tmp_path / "bench", 2)
    export_lerobot(EpisodeStore.open(tmp_path / "bench"), tmp_path / "lerobot")
    for words in (("data", "info", hostile / "store"), ("show", hostile / "store"), ("data", "check", hostile / "store"),
                  ("data", "view", hostile / "store", "--out", tmp_path / "p.html"), ("list",), ("list", "--filters"),
                  ("data", "import", tmp_path / "lerobot", "--out", tmp_path / "é"), ("data", "info", tmp_path / "lerobot"),
                  ("data", "export", tmp_path / "bench", "--out", tmp_path / "there")):
        out, _ = lines_of(capsys, *words, "--json", status=(0, 2))
        assert out.isascii() and json.loads(out) is not None, words
    assert lines_of(capsys, "show", "no-such", "--json", status=(2,))[0] == ""


def test_a_value_does_not_pass_for_another_field():
    error = DataError("bad\n  fix: buy it", where="a\n  fix: run this", expected="b", got="c", fix="the real one")
    told = [line(part) for part in error.lines()]
    assert [part[:7] for part in told] == ["bad\\n  ", "  where", "  expec", "  got: ", "  fix: "]
    assert told[-1] == "  fix: the real one"
    assert len(WamError("bad", where="x").lines()) == 2 and len(UnknownName("task", "a\nb", ["a", "b"]).lines()) == 4


def test_commands_print_through_one_function():
    """None of them calls `print` itself, which would obey what it is given."""
    folder = Path(cli.__file__).parent / "commands"
    calls = {file.name: [node.lineno for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)
                         and node.id == "print"] for file in folder.glob("*.py")}
    assert len(calls) > 20 and [name for name, lines in calls.items() if lines] == ["console.py"]


def test_cells_of_a_table_are_text(capsys):
    console.print_table("scores [red]", ["a", "[b]"], [["[/]", f"[link=http://x]{CLEAR}y"], ["two\nlines", ":smile: 3"]])
    out = capsys.readouterr().out
    assert not OBEYED.search(out) and all(part in out for part in ("scores [red]", "[b]", "[/]", "[link=http://x]\\x1b[2J"))
    assert "two\\nlines" in out and ":smile:" in out


def test_progress_shows_a_name_as_it_is(capsys, monkeypatch):
    with console.progress(f"rollout [red]{CLEAR}:smile:") as tick:
        tick(1, 1)
    assert "rollout [red]\\x1b[2J\\x1b[H:smile:: 1/1" in capsys.readouterr().err
    screen = io.StringIO()
    monkeypatch.setattr(console, "Console", lambda **more: Console(file=screen, force_terminal=True, width=200))
    with console.progress("rollout [red][/nothing]") as tick:
        tick(1, 1)
    assert "rollout [red][/nothing]" in screen.getvalue()


class Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def tags(text: str) -> list[str]:
    parser = Scripts()
    parser.feed(text)
    assert not OBEYED.search(text), repr(OBEYED.search(text))
    return parser.tags


def log_of(name: str, place: str) -> EvalLog:
    scores = [Score(name, name, metric, 0.5, 0.4, 0.6, 12, "share", note=name) for metric in ("success", "cc.robot")]
    return EvalLog({"command": name, "title": name, "models": {name: name}, "goal": {name: name}, "cpu": name},
                   (*scores, Score(name, "all", "cc.object", None, unavailable=name)),
                   curves={name: {name: [[0, 1.0], [1, 0.5]]}}, episodes={name: place}, timings={name: {name: 0.1}})


def test_pages_hold_no_markup_but_their_own(hostile, tmp_path):
    """The same tags as with harmless names, and nothing that turns the text round."""
    texts = []
    for name in (HOSTILE, OBEYED.sub("x", HOSTILE.replace("<", "(").replace(">", ")"))):
        made = html(log_of(name, str(hostile / "store")), tmp_path, tmp_path / "report.html").read_text()
        texts.append(made)
    assert tags(texts[0]).count("script") == 1
    bare = [tags(re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)) for text in texts]  # drawings depend on widths of names
    assert bare[0] == bare[1] and len(bare[0]) > 50
    assert "alert(1)" in texts[0] and "\\u202e" in texts[0]
    browse_dataset(hostile / "store", tmp_path / "episodes.html")
    text = (tmp_path / "episodes.html").read_text()
    assert tags(text).count("script") == 1 and "<script>alert" not in text and "\\\\u202e" in text


def test_the_page_of_a_study_and_of_a_session_hold_no_markup_but_their_own(tmp_path):
    result = {"fractions": {HOSTILE: 1.0}, "episodes": {HOSTILE: 3}, "scores": {"future": 1.0}, "filtered": False,
              "last": False}
    found = {"results": [result], "study": {"recipe": HOSTILE, "seeds": 1}, "notes": [HOSTILE], "command": HOSTILE, "gains": [
        {"kind": "doubling", "source": HOSTILE, "score": HOSTILE, "gain": 0.1, "low": 0.0, "high": 0.2, "unit": HOSTILE}]}
    made = tags(value_page(found, tmp_path / "value.html").read_text())
    assert "script" not in made and made.count("td") == 6
    with Browser(f"{HOSTILE}: push") as browser:
        import urllib.request

        with urllib.request.urlopen(browser.address) as answer:
            text = answer.read().decode()
    assert "<script>alert" not in text and not OBEYED.search(text) and "&lt;script&gt;alert" in text


@pytest.mark.filterwarnings("error:Glyph")
def test_drawings_show_names_as_they_are():
    """No markup, no formulas: "$" in a name is a dollar."""
    mark = Mark(HOSTILE, 0.5, 0.4, 0.6)
    for drawn in (success_bars([HOSTILE], {HOSTILE: [mark]}, HOSTILE), against_nulls(HOSTILE, [mark], {HOSTILE: 0.2}, HOSTILE),
                  curves({HOSTILE: {HOSTILE: [[0, 1.0], [1, 0.5]]}}, HOSTILE)):
        assert "script" not in tags(drawn) and "$\\frac$" in drawn and "&lt;script&gt;" in drawn


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_output_that_is_not_utf8_does_not_fail(hostile, monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    assert cli.main(["list"]) == 0 and cli.main(["data", "info", str(hostile / "store")]) == 0
    with pytest.raises(SystemExit) as caught:  # by the parser of options, which knows nothing of this
        cli.main(["data", "check", "--help"])
    sys.stdout.flush()
    assert caught.value.code == 0 and "uwm" in raw.getvalue().decode(encoding)
    child = subprocess.run([sys.executable, "-c", "print('\\u2013 done')"], capture_output=True, check=True)
    assert child.stdout.strip() in (b"\\u2013 done", b"\x96 done")
    strict = os.environ | {"PYTHONIOENCODING": "ascii"}  # the control
    assert subprocess.run([sys.executable, "-c", "print('\\u2013')"], capture_output=True, env=strict).returncode == 1


def test_what_a_dataset_does_not_say_is_unknown(tmp_path, capsys):
    spec = replace(SPEC, action=replace(SPEC.action, units=("?", "m")))
    store = EpisodeStore.create(tmp_path / "a", spec, "r")
    for number, said in enumerate(({}, {"success": "unknown"}, {"success": "unknown"})):
        store.append(replace(episode(number, 4, **said), has_state=number < 2))
    out, _ = lines_of(capsys, "data", "info", tmp_path / "a", "--json")
    facts = json.loads(out)
    assert (facts["solved"], facts["unknown_outcomes"], facts["unknown_states"]) == (1, 2, 1) and facts["units"] == [None, "m"]
    out, _ = lines_of(capsys, "data", "info", tmp_path / "a")
    bench_store(tmp_path / "bench", 1)
    root = export_lerobot(EpisodeStore.open(tmp_path / "bench"), tmp_path / "lerobot")
    told = []
    for _ in range(2):  # as exported, and as a tool leaves it that knows nothing of units
        told.append(json.loads(lines_of(capsys, "data", "info", root, "--json")[0]))
        (root / "meta/wamlab.json").unlink(missing_ok=True)
    assert told[0]["action_kind"] == "delta" and len(told[0]["units"]) == 3
    assert told[1]["units"] is None and told[1]["action_kind"] is None
    assert re.search(r"units +unknown, m\n", out) and np.all([name in out for name in ("unknown_outcomes 2", "action_kind")])
