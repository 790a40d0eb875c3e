"""A page in a headless browser: what it measures there, and how it looks."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "google-chrome-stable")
PROGRAM = next((found for name in NAMES if (found := shutil.which(name))), None)
WHY_NOT = f"no browser to look with: none of {', '.join(NAMES)} is installed"
NARROWEST = 600
"""windows cannot be narrower than some 500 pixels, so the page stands in a frame of the width that is asked for"""


def look(text: str, folder: Path, width: int, height: int, asked: str, first: str = "", picture: str = "") -> Any:
    """Open a page of so many pixels.

    Args:
        folder: for the page and its pictures.
        asked: a JavaScript expression, whose value comes back as JSON.
        first: statements that are run before that.
        picture: name of a PNG to write.
    """
    say = (f"addEventListener('load', () => {{ {first}; "
           f"setTimeout(() => parent.postMessage(JSON.stringify({asked}), '*'), 50); }})")
    (folder / "page.html").write_text(text.replace("</body>", f"<script>{say}</script></body>"))
    (folder / "frame.html").write_text(
        f'<!doctype html><body style="margin:0"><iframe src="page.html" style="border:0;width:{width}px;height:{height}px">'
        '</iframe><p id="said"></p><script>addEventListener("message", e => said.textContent = e.data)</script>')
    told = opened(folder, width, height, "--dump-dom").stdout
    said = re.search(r'<p id="said">(.+?)</p>', told)
    assert said, f"the page did not answer: {told[-400:]}"
    if picture:
        opened(folder, width, height, f"--screenshot={folder / picture}")
        with Image.open(folder / picture) as shot:
            whole = shot.convert("RGB").crop((0, 0, width, height))
        whole.save(folder / picture)
    return json.loads(html.unescape(said[1]))


def opened(folder: Path, width: int, height: int, way: str) -> subprocess.CompletedProcess[str]:
    assert PROGRAM is not None, WHY_NOT
    ways = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000",
            f"--user-data-dir={folder / 'profile'}", f"--window-size={max(width, NARROWEST)},{height + 150}", way]
    return subprocess.run([PROGRAM, *ways, (folder / "frame.html").as_uri()], capture_output=True, text=True, timeout=120,
                          check=True)
