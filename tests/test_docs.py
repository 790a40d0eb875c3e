"""What the documentation says is so: code runs, commands parse, links lead somewhere, tables are current."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree

import pytest

from documents import PAGES, ROOT, blocks, commands, files, snippets
from wamlab import cli, recipe
from wamlab.commands.list import facts, markdown

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SOURCES = [*PAGES, *EXAMPLES, *sorted((ROOT / "src").rglob("*.py"))]
PLACEHOLDER = re.compile(r"[A-Z]{3,}|\.\.\.")


def requirements(lines: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9._-]+", line)[0].lower() for line in lines}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = requirements(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"])


def test_snippets_of_the_readme_run_in_a_finished_run(debug_run):
    assert len(snippets(ROOT / "README.md")) == 1
    for code in snippets(ROOT / "README.md"):
        code += "print(answer.future.shape, answer.action.shape)"
        done = subprocess.run([sys.executable, "-c", code], cwd=debug_run, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "torch.Size([1, 2, 3, 64, 64]) torch.Size([1, 8, 4])" in done.stdout


def test_first_screen_has_two_commands_and_eight_lines_of_python():
    first = (ROOT / "README.md").read_text().partition("<!-- recipes")[0]
    assert "pip install -e . -c constraints.txt && wam run\n" in first
    assert "pip install -e '.[test]' -c constraints.txt && pytest\n" in first
    lines = [line for line in snippets(ROOT / "README.md")[0].splitlines() if line]
    assert len(lines) == 8 and "predict" in lines[-1]


def test_examples_run(debug_run):
    done = subprocess.run([sys.executable, ROOT / "examples" / "what_if.py"], cwd=debug_run, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert (debug_run / "what_if.png").read_bytes()[:4] == b"\x89PNG"


def test_what_the_run_printed(debug_run):
    printed = json.loads((debug_run / "printed.json").read_text())
    assert set(printed) == {"report", "log", "seconds", "models"} and len(printed["models"]) == 2
    page = (debug_run / printed["report"]).read_text()
    for model, tasks in printed["models"].items():
        assert len(tasks) >= 2 and model in page
        for values in tasks.values():
            assert 0 <= values["ci"][0] <= values["success"] <= values["ci"][1] <= 1 and values["episodes"] >= 1
    for words in ("Imagined against executed", "Same state, different actions", "wrong direction", "replay", "video/mp4"):
        assert words in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)


RECIPES = [path for path in EXAMPLES if "from wamlab import recipe" in path.read_text()]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_examples_that_are_recipes_load(path):
    assert recipe.axes(recipe.load(str(path)))


def test_recipe_table_is_current():
    text = (ROOT / "README.md").read_text()
    table = text.partition("`wam list --markdown` -->\n")[2].partition("<!-- end of recipes")[0]
    assert table == markdown([facts(recipe.load(name)) for name in recipe.names()]) + "\n"


def test_cards_table_is_current():
    text = (ROOT / "docs" / "causal-card.md").read_text()
    block = text.partition("summarise.py --cards` -->\n")[2].partition("<!-- end of cards")[0]
    assert block == runpy.run_path(str(ROOT / "benchmarks" / "summarise.py"))["cards"]()


def test_recipes_table_of_results_is_current():
    text = (ROOT / "docs" / "recipes.md").read_text()
    block = text.partition("summarise.py --recipes` -->\n")[2].partition("<!-- end of recipes")[0]
    assert block == runpy.run_path(str(ROOT / "benchmarks" / "summarise.py"))["recipes"]()


def test_results_table_is_current():
    text = (ROOT / "README.md").read_text()
    block = text.partition("summarise.py --table` -->\n")[2].partition("<!-- end of results")[0]
    assert block == runpy.run_path(str(ROOT / "benchmarks" / "summarise.py"))["table"]()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_shown_exist(path):
    for _, name, *words in commands(path.read_text()):
        assert name in cli.COMMANDS or PLACEHOLDER.search(name), f"wam {name}"
        if name in cli.COMMANDS and words and not any(PLACEHOLDER.search(word) for word in words):
            try:
                cli.parse(name, words)
            except SystemExit as stop:
                assert stop.code == 0, f"wam {name} {' '.join(words)}"


def test_every_command_is_in_the_table_of_the_readme():
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `wam ")]
    assert {row.split("`")[1].split()[1] for row in rows} >= set(cli.COMMANDS) - {"run"}


def test_the_command_test_can_fail():
    assert commands("x `wam list --tasks` y\n    wam show uwm  # so\n") == [["wam", "list", "--tasks"], ["wam", "show", "uwm"]]
    with pytest.raises(SystemExit):
        cli.parse("list", ["--tusks"])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_pictures_are_well_formed():
    for path in (ROOT / "docs").rglob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_every_dependency_has_its_line_and_its_pin():
    text = (ROOT / "docs/dependencies.md").read_text()
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (.+?) \| (.+?) \| ([\d.]+ MB) \|$", text, re.MULTILINE)
    assert {name for name, *_ in rows} == DIRECT and len(rows) == len(DIRECT)
    pins = requirements((ROOT / "constraints.txt").read_text().splitlines())
    assert pins >= DIRECT
    assert not {pin for pin in pins if pin.startswith(("nvidia", "torchvision", "triton"))}


def test_shown_files_are_python():
    assert set(files(ROOT / "README.md")) == {"my_wam.py", "my_world.py", "my_metric.py", "my_two_eyes.py"}
    for page in PAGES:
        for code in blocks(page, "python"):
            compile(code, page.name, "exec")
