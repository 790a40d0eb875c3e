"""`wam report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .console import print_json, say


@dataclass(frozen=True)
class Command:
    """Write the HTML page of a finished run again, from its log and episodes alone.

    The page is one file without references to anything outside: it can be mailed and opens offline.

    examples:
      wam report runs/standard
      wam report runs/standard/log --out share/result.html
    """

    log: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="LOG")]
    """folder of the run or of its log"""
    out: Path | None = None
    """the page; default: report.html beside the log"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        from ..evaluate.log import EvalLog
        from ..report import html
        from .places import log_folder

        folder = log_folder(self.log)
        page = html(EvalLog.load(folder), folder, self.out or folder.parent / "report.html")
        if self.json:
            print_json({"report": page, "log": folder})
        else:
            say(f"report: {page}")
