"""Matplotlib drawings as inline SVG whose colours are the page's own, so that one drawing suits light, dark and paper."""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..reading import shown

# Stand-ins that matplotlib writes into the SVG, and the CSS variables that take their place.
INK, MUTED, LINE = "#000001", "#000002", "#000003"
SERIES = ("#000011", "#000012", "#000013", "#000014", "#000015", "#000016")
NULL = "#000021"
VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", NULL: "--null"} | {
    colour: f"--s{number + 1}" for number, colour in enumerate(SERIES)}

STYLE: Any = {
    "svg.fonttype": "none", "text.parse_math": False, "svg.hashsalt": "wamlab", "font.size": 10, "font.family": "sans-serif",
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": LINE, "axes.titlecolor": INK,
    "axes.titlelocation": "left", "axes.titlesize": 10, "axes.titleweight": "bold",
    "xtick.color": LINE, "ytick.color": LINE, "xtick.labelcolor": MUTED, "ytick.labelcolor": INK, "grid.color": LINE,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "legend.frameon": False,
    "legend.labelcolor": INK, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}


class Drawing:
    """One figure: `axes` to draw on; `svg` once the `drawing` block has ended."""

    def __init__(self, figure: Figure, axes: list[Axes], alt: str):
        self.figure, self.axes, self.alt = figure, axes, alt
        self.svg = ""


@contextmanager
def drawing(alt: str, width: float, height: float, panels: int = 1, sharey: bool = False) -> Iterator[Drawing]:
    """A figure of `width` by `height` inches with `panels` side by side; `alt` says in words what it shows."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        canvas = Drawing(figure, list(figure.subplots(1, panels, squeeze=False, sharey=sharey)[0]), alt)
        yield canvas
        buffer = io.StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # the page's font draws the text, not this one
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    canvas.svg = inline(shown(buffer.getvalue()), shown(alt))


def inline(text: str, alt: str) -> str:
    """A whole SVG file as an element for a page: own ids, the page's colours and fonts, a spoken description."""
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    width = re.search(r'width="([\d.]+)pt"', text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    mark = f"f{hashlib.sha256((alt + text).encode()).hexdigest()[:8]}-"
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{mark}", text)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px; font-family: inherit", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    size = f"max-width:{float(width.group(1)) * 4 / 3:.0f}px" if width else ""
    return text.replace("<svg", f'<svg class="figure" role="img" aria-label="{html.escape(alt)}" style="{size}"', 1)
