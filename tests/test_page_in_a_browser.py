"""The page as a stranger sees it: the film stands first, nothing runs off its side, and the slider moves every picture."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from browser import PROGRAM, WHY_NOT, look
from synthetic import write_run
from wamlab.evaluate.log import EvalLog, Score
from wamlab.report import html

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)
SCREENS = [(1280, 800), (390, 844)]
"""of a laptop and of a telephone, in pixels"""
WIDE = "[innerWidth, document.documentElement.scrollWidth]"
OPEN = "document.querySelectorAll('details:not(.film)').forEach(one => one.open = true)"
BOX = """(it => { const b = document.querySelector(it).getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] })"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("run")
    return html(write_run(folder), folder / "log", folder / "report.html").read_text()


@pytest.fixture(scope="module")
def crowded(tmp_path_factory) -> str:
    """Names without a space to break at, six models, and a table of a hundred numbers."""
    folder = tmp_path_factory.mktemp("crowded")
    log, long = write_run(folder), "a_name_that_is_longer_than_any_screen_of_a_telephone_is_wide"
    more = [Score(f"{long}_{n}", task, "success", 0.5, 0.4, 0.6, 9, "share", note=long * 3)
            for n in range(6) for task in ("toy/left", f"toy/{long}")]
    facts = {**log.provenance, "models": {long: long * 4}, "command": f"wam run --out {long * 3}",
             "counterfactual": {"actions": [long, "null", "reverse", "turn +90"]}}
    return html(replace(log, scores=(*log.scores, *more), provenance=facts), folder / "log", folder / "page.html").read_text()


@pytest.mark.parametrize("width, height", SCREENS)
def test_the_film_is_in_the_first_screen_and_nothing_runs_off_the_side(page, tmp_path, width, height):
    (seen, wide), (left, top, right, bottom) = look(page, tmp_path, width, height, f"[{WIDE}, {BOX}('.film[open] .reel')]",
                                                    picture=f"first-{width}.png")
    assert seen == width and wide <= width
    assert 0 <= left < right <= width and 0 <= top < bottom <= height and bottom - top > 100
    with Image.open(tmp_path / f"first-{width}.png") as shot:
        assert shot.size == (width, height) and len(shot.getcolors(1 << 24)) > 50  # and it is not blank


@pytest.mark.parametrize("width, height", SCREENS)
@pytest.mark.parametrize("first", [OPEN, f"{OPEN}; document.querySelector('.all').click()"])
def test_with_everything_open_nothing_runs_off_the_side(page, crowded, tmp_path, width, height, first):
    for text in (page, crowded):
        _, wide = look(text, tmp_path, width, height, WIDE, first)
        assert wide <= width
    _, wide = look(page, tmp_path, width, height, WIDE, f"{first}; document.body.append(document.createElement('pre')); "
                   "document.body.lastChild.style.width = '2000px'")  # the control
    assert wide >= 2000


@pytest.mark.parametrize("width, height", SCREENS)
def test_the_branches_fit_the_window(page, tmp_path, width, height):
    left, top, right, bottom = look(page, tmp_path, width, height, f"{BOX}('.film[open] .fan')")
    assert 0 <= left < right <= width and 0 < bottom - top <= height


def test_the_slider_moves_every_picture_to_the_same_decision(page, tmp_path):
    """As a key does, and with the words beside it."""
    asked = """(() => {
      const film = document.querySelector('.film[open]'), scrub = film.querySelector('.scrub'), places = [];
      for (const k of [0, 3]) {
        scrub.value = k; scrub.dispatchEvent(new Event('input'));
        places.push([...film.querySelectorAll('.cell')].map(cell => Math.round(
          (cell.getBoundingClientRect().left - cell.firstChild.getBoundingClientRect().left) / cell.clientWidth)));
      }
      return [places, film.querySelector('.at').textContent, scrub.getAttribute('aria-valuetext'), scrub.max];
    })()"""
    (start, later), said, spoken, last = look(page, tmp_path, 1280, 800, asked)
    assert start == [0] * 5 and later == [3] * 5  # now, and two moments, imagined and happened
    assert said == spoken == "decision 4 of 6, step 12" and last == "5"


def test_tabs_open_one_film_and_one_start(page, tmp_path):
    asked = """[...document.querySelectorAll('.choice')].map(choice => {
      const films = [...choice.querySelectorAll('.film')], tabs = [...choice.querySelectorAll('.tabs input')];
      tabs[1].click();
      return [films.length, tabs.length, films.findIndex(it => it.open && it.checkVisibility()),
              films.filter(it => it.open).length];
    })"""
    films, starts = look(page, tmp_path, 1280, 800, asked)
    assert films == [8, 8, 1, 1] and starts == [2, 2, 1, 1]


def test_without_scripts_a_still_is_shown_and_every_film_opens_by_hand(page, tmp_path):
    bare = re.sub(r"<script>.*?</script>", "", page, count=1, flags=re.DOTALL)
    asked = f"""[{BOX}('.film[open] .reel'), [...document.querySelectorAll('.live')].some(it => it.checkVisibility()),
      [...document.querySelectorAll('.film > summary')].filter(it => it.checkVisibility()).length,
      getComputedStyle(document.querySelector('.reel')).getPropertyValue('--k'), {WIDE}]"""
    (_, top, _, bottom), live, summaries, place, (_, wide) = look(bare, tmp_path, 390, 844, asked)
    assert 0 <= top < bottom <= 844 and not live and summaries == 10 and int(place) == 3 and wide <= 390


def test_a_page_of_reasons_fits(tmp_path):
    text = html(EvalLog({}, ()), tmp_path, tmp_path / "empty.html").read_text()
    assert look(text, tmp_path, 390, 844, WIDE, OPEN) == [390, 390]


def test_the_look_can_fail(tmp_path: Path):
    with pytest.raises(AssertionError, match="did not answer"):
        look("<p>no body", tmp_path, 390, 844, "1")
