"""What `wam run` does: its settings, and the folder they claim."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__, ranges, simulators
from ..config import to_json
from ..data.atomic import make_folder, write_whole
from ..errors import DataError, UnknownName, WamError
from ..ranges import Count, Seconds, Seed, Workers
from ..reading import load_json, table
from ..recipe import Size

REFERENCE_MINUTES = 5.0
"""the run that the recipes' step counts were chosen for"""


DEBUG: dict[str, Any] = {"episodes": 10, "starts": 2, "contexts": 3, "workers": 1}
"""what the debug size takes in place of the defaults"""


@dataclass(frozen=True)
class RunConfig:
    """What `wam run` does."""

    out: Path = Path("runs/first")
    """folder of the run; the same command goes on with what is there"""
    models: tuple[str, ...] = ("uwm", "vla")
    """recipes (names or paths): the first is the model on show, the others are compared with it"""
    tasks: tuple[str, ...] = ("metaworld/drawer-open", "metaworld/plate-slide")
    """tasks that are learned together"""
    size: Size = "small"
    """debug: about a minute, with 10 episodes, 2 starts, 3 contexts and one process, learns nothing; small: minutes on a
    laptop; base: for a GPU"""
    minutes: Seconds = REFERENCE_MINUTES
    """scales the steps of training; 5 is what the recipes were tuned for on two cores"""
    episodes: Count = 160
    """demonstrations per task, disturbed ones and play included"""
    starts: Count = 30
    """held-out starts per task for each model"""
    contexts: Count = 24
    """saved states per task for the counterfactual futures"""
    seed: Seed = 0
    execute: Count = 4
    """actions of a chunk that are executed before the model decides again"""
    workers: Workers = 2
    """processes for simulation"""

    def resized(self) -> RunConfig:
        """The debug size is small in everything that was not asked for, not only in training."""
        if self.size != "debug":
            return self
        base = RunConfig()
        return replace(self, **{key: few for key, few in DEBUG.items() if getattr(self, key) == getattr(base, key)})

    def check(self) -> None:
        """Refuse settings that cannot be, before anything is written.

        Raises:
            WamError: naming the option.
            UnknownName: for a task that does not exist.
        """
        ranges.check(self, "--")
        for key, named in (("models", self.models), ("tasks", self.tasks)):
            if not named or len(set(named)) < len(named):
                raise WamError("name at least one, and none twice", where=f"--{key}", expected="different names", got=named)
        for task in self.tasks:
            if ".py" not in task and task not in simulators.tasks():
                raise UnknownName("task", task, simulators.tasks())

    def command(self) -> str:
        """The command line that repeats this run."""
        base, words = RunConfig(), ["wam run"]
        for key, value in vars(self).items():
            if value != getattr(base, key):
                words += [f"--{key}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
        return f"{words[0]} {shlex.join(words[1:])}".rstrip()

    def claim(self) -> None:
        """Make the folder this run's own. Where the run lies and how many processes it takes change no number.

        Raises:
            DataError: if another run is there.
        """
        make_folder(self.out)
        path = self.out / "run.json"
        mine = {k: v for k, v in to_json(self).items() if k not in ("out", "workers", "class")} | {"wamlab": __version__}
        if not path.exists():
            write_whole(path, (json.dumps(mine, indent=1) + "\n").encode())
            return
        try:
            theirs = table(load_json(path), str(path))
        except DataError as error:
            raise DataError(f"the run's record is damaged: {error.problem}", where=error.where, expected=error.expected,
                            got=error.got, fix="choose another --out") from error
        changed = sorted(k for k in mine if theirs.get(k) != mine[k])
        if changed:
            raise DataError("another run is in this folder", where=self.out, expected={k: mine[k] for k in changed},
                            got={k: theirs.get(k) for k in changed}, fix="choose another --out, or repeat its options")
