"""The page: complete, self-contained, and honest about what is missing."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import av
import numpy as np
import pytest

from synthetic import OFFSETS, episode, picture, write_run
from wamlab.errors import DataError
from wamlab.evaluate.log import EvalLog, Score
from wamlab.report import films, html, media
from wamlab.report.figures import Mark, success_bars
from wamlab.report.scores import amount, headline

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Tags(HTMLParser):
    """Checks that tags nest, and keeps ids, references and images without a description."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.references, self.bare = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.references += [attrs[key] for key in ("src", "href", "poster", "srcset", "data", "action") if attrs.get(key)]
        if tag in ("img", "video", "svg") and not ("alt" in attrs or "aria-label" in attrs):
            self.bare.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    log = write_run(folder)
    page = html(log, folder / "log", folder / "report.html")
    return log, folder, page.read_text()


def test_page_is_one_well_formed_file_without_outside_references(run):
    _, _, text = run
    tags = Tags()
    tags.feed(text)
    assert tags.open == [] and tags.bare == []
    assert len(set(tags.ids)) == len(tags.ids)
    assert all(ref.startswith(("data:", "#")) for ref in tags.references)
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", re.sub(r"data:[^\"')]*", "", text))
    assert all(ref[1:] in tags.ids for ref in tags.references if ref.startswith("#"))


@pytest.mark.parametrize("words", [
    "The result", "The causal card", "not enough evidence", "because",
    "Success in closed loop", "open loop replay", "83 %|67%", "Imagined against executed", "not solved",
    "imagined in 4 steps", "happened in 8 steps", "Same state, different actions", "CC-A2F, robot", "wrong direction",
    "PSNR, changed", "copy of the last frame", "tidiness", "what the readout reaches on true frames",
    "Time per decision", "one control step: 50 ms", "wam run --size debug", "a processor",
    "McNemar p = 0.75", "this wiring has no future",
    "validation loss", r"55% \[41%,.68%\]; ceiling of the readout.62%", "median error on true frames: hand.4.2.mm", r"6\.1.mm"])
def test_page_says(run, words):
    assert re.search(words, run[2])


def test_a_film_opens_and_shows_executed_beside_imagined():
    one = episode("toy/left", 3, solved=True)
    uri = films.film("uwm", one).uri
    with av.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == len(one) + 1 + films.FPS
    shown = frames[12][:, :256].reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(shown - one.frames["main"][12]).mean() < 6
    assert np.abs(shown - one.frames["main"][0]).mean() > np.abs(shown - one.frames["main"][12]).mean()


def test_foreseen_shows_the_newest_picture_that_is_due_and_never_a_later_one():
    one = episode("toy/left", 3, solved=True)
    seen = films.foreseen(one)
    assert (seen[:OFFSETS[0]] == films.GREY).all()
    for t in range(OFFSETS[0], len(seen)):
        decided = t - OFFSETS[0] - (t - OFFSETS[0]) % 4
        assert (seen[t] == one.imagined[decided // 4].frames[0]).all()


def test_successes_and_failures_are_picked_in_order():
    episodes = [episode("toy/left", seed, solved=seed % 2 == 0) for seed in range(8)]
    assert [e.meta["seed"] for e in films.pick(episodes)] == [0, 2, 1, 3]
    assert films.pick([episode("toy/left", 0, True, imagines=False)]) == []


def test_an_empty_log_makes_a_page_of_reasons(tmp_path):
    text = html(EvalLog({}, ()), tmp_path, tmp_path / "deep" / "page.html").read_text()
    assert text.count("unavailable: ") >= 8
    Tags().feed(text)


def test_a_missing_store_is_named(run, tmp_path):
    log, _, _ = run
    text = html(replace(log, episodes={"uwm/gone": "nowhere"}), tmp_path, tmp_path / "page.html").read_text()
    assert "uwm/gone: there is no dataset here" in text


def test_names_are_escaped(tmp_path):
    log = EvalLog({"command": "<script>alert(1)</script>"}, (Score("<b>m", "t", "success", 0.5, 0.4, 0.6, 9),))
    assert "<script>alert" not in (text := html(log, tmp_path, tmp_path / "page.html").read_text()) and "<b>m" not in text


def test_a_page_that_cannot_be_written_is_an_error_of_the_user(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError):
        html(EvalLog({}, ()), tmp_path, tmp_path / "file" / "page.html")


def test_the_same_log_gives_the_same_page(run, tmp_path):
    log, folder, text = run
    assert html(log, folder / "log", tmp_path / "again.html").read_text() == text


@pytest.mark.parametrize("score, text", [
    (Score("m", "t", "success", 0.8, 0.6, 0.9, 10, "share"), "80% [60%,\u00a090%]"),
    (Score("m", "t", "psnr", 21.26, unit="dB"), "21.26\u00a0dB"),
    (Score("m", "t", "readout.hand.rmse", 0.0123, 0.01, 0.015, unit="m"), "12.3\u00a0mm [10.0,\u00a015.0]"),
    (Score("m", "t", "reach", 1.5, unit="m"), "1.50\u00a0m"),
    (Score("m", "t", "cc.robot", None, unavailable="no future"), "unavailable"),
    (None, "–"),
])
def test_amounts(score, text):
    assert amount(score) == text


def test_foresight_is_not_told_without_the_ceiling_of_its_readout(tmp_path):
    scores = (Score("m", "t", "fcs", 0.5, 0.4, 0.6, 9, "share"), Score("m", "t", "success", 0.6, 0.5, 0.7, 9, "share"))
    (table,) = headline(EvalLog({}, scores)).tables
    assert ["withheld: no ceiling of the readout"] in [row[2:3] for row in table.rows] and "[40%" not in str(table.rows)


def test_pictures_survive():
    frame = picture(np.array([5.0, 9.0]))
    from PIL import Image

    raw = Image.open(io.BytesIO(base64.b64decode(media.png(frame).partition(",")[2])))
    assert (np.asarray(raw) == frame).all()
    near = Image.open(io.BytesIO(base64.b64decode(media.jpeg(frame).partition(",")[2])))
    assert np.abs(np.asarray(near).astype(float) - frame).mean() < 3


def test_more_models_than_colours_are_drawn_and_told_apart():
    drawn = success_bars(["push"], {f"model{n}": [Mark("", 0.5, 0.4, 0.6)] for n in range(8)}, "eight")
    assert all(f"model{n}" in drawn for n in range(8)) and drawn.count("<pattern") >= 1
