"""`wam run`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..evaluate.log import EvalLog
from ..job.run import RunConfig, run
from ..report import html
from ..report.scores import headline, is_quiet
from .console import print_json, print_table, progress, say


def by_model(log: EvalLog) -> dict[str, dict[str, Any]]:
    """Success and all other values, per model that acted and task, as a machine reads them."""
    acted = {score.model for score in log.scores if score.metric == "success" and not is_quiet(score.model)}
    found: dict[str, dict[str, Any]] = {}
    for score in log.scores:
        if score.model not in acted:
            continue
        entry = found.setdefault(score.model, {}).setdefault(score.task, {"measures": {}})
        if score.metric == "success":
            entry |= {"success": score.value, "ci": [score.low, score.high], "episodes": score.n}
        entry["measures"][score.metric] = score.value
    return found


@dataclass(frozen=True)
class Command:
    """Do the whole job, from nothing to a page that you open in a browser.

    Collects demonstrations from scripted experts, trains a world action model and a reactive baseline on them, lets both
    act from starts that were never shown, asks the model what other actions would have done and compares with what the
    simulator really does then, scores everything beside controls that must fail, and writes one HTML page.

    Ctrl-C at any moment: the same command goes on where it was and ends in the same result.

    examples:
      wam run
      wam run --size debug --out runs/debug
      wam run --tasks metaworld/drawer-open metaworld/plate-slide --models unipi vla --out runs/unipi
      wam run --minutes 20 --json
    """

    config: Annotated[RunConfig, tyro.conf.arg(name="")] = field(default_factory=RunConfig)
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        start = time.monotonic()
        log = run(self.config, progress=progress)
        folder = self.config.out / "log"
        page: Path = html(log, folder, self.config.out / "report.html")
        seconds = time.monotonic() - start
        if self.json:
            print_json({"report": page, "log": folder, "seconds": round(seconds, 1), "models": by_model(log)})
            return
        for table in headline(log).tables:
            print_table("result", table.head, table.rows)
        say("", f"report: {page}", f"log: {folder}", f"done in {seconds:.0f} s")
