"""Code and commands in the documentation."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "PHILOSOPHY.md", "CHANGELOG.md")),
         *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def files(page: Path) -> dict[str, str]:
    """Python blocks that are whole files: the first line names them."""
    named = {re.match(r"# (\S+\.py)\n", block): block for block in blocks(page, "python")}
    return {match[1]: block for match, block in named.items() if match}


def snippets(page: Path) -> list[str]:
    """Python blocks to be run where one stands."""
    return [block for block in blocks(page, "python") if not re.match(r"# \S+\.py\n", block)]


def commands(text: str) -> list[list[str]]:
    """Every `wam ...` line of a text, as words; also those joined by && and those in a table's or sentence's code."""
    lines = re.findall(r"(?:^\s*|&& |`)(wam [a-z][^`\n&]*)", text, re.MULTILINE)
    return [shlex.split(re.sub(r"  +.*", "", line), comments=True) for line in lines]
