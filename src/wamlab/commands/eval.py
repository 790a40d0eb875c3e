"""`wam eval`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..data.store import EpisodeStore
from ..errors import DataError
from ..evaluate.metrics import Metric, discover, get, load
from ..evaluate.scoring.score import score_rollouts
from ..job.judge import rescored
from ..types import Episode
from .console import print_json, print_table
from .places import stores


@dataclass(frozen=True)
class Command:
    """Score recorded rollouts, again or with a metric of your own. Nothing is run: only what was recorded counts.

    A metric of your own is a Python file with METRICS = (Metric(...),); see CONTRIBUTING. A measure that needs what was not
    recorded (branches, a readout) says so: it is unavailable, never zero.

    examples:
      wam eval runs/small
      wam eval rollouts/uwm --metric success
      wam eval rollouts/uwm --metric success my_metric.py --json
    """

    rollouts: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="ROLLOUTS")]
    """dataset of rollouts (wam rollout), or a run's folder: then all its rollouts, branches and imagined futures"""
    metric: tuple[str, ...] = ()
    """names of metrics or Python files of your own; default: all metrics of the package"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        metrics = [one for name in self.metric for one in chosen(name)] or list(discover().values())
        if (self.rollouts / "run.json").exists():
            scores = rescored(self.rollouts, metrics)
        else:
            scores = [score for name, store in stores(self.rollouts).items()
                      for score in score_rollouts(name, store.task_spec, acted(store), metrics=metrics)]
        if self.json:
            print_json([asdict(score) for score in scores])
        else:
            print_table("scores", ["rollouts", "task", "measure", "value", "95 % interval", "n", "note"], [
                [s.model, s.task, s.metric, "unavailable" if s.value is None else f"{s.value:.3g} {s.unit}".strip(),
                 "" if s.low is None or s.high is None else f"{s.low:.3g} to {s.high:.3g}", s.n or "",
                 s.unavailable or s.note] for s in scores])


def acted(store: EpisodeStore) -> tuple[Episode, ...]:
    """The episodes of a dataset of rollouts. Raises DataError for one that is empty, or of demonstrations."""
    episodes = tuple(store)
    if not any(episode.imagined for episode in episodes):
        raise DataError("these are no rollouts: no decision of a model is recorded in them", where=store.path,
                        expected="a dataset that wam rollout or wam run wrote", fix="wam rollout CHECKPOINT TASK --out DIR",
                        got=f"{len(episodes)} episodes, source {store.provenance.get('source', 'unknown')}")
    return episodes


def chosen(name: str) -> tuple[Metric, ...]:
    """The metrics of a name or of a user's file."""
    return load(name) if name.endswith(".py") else (get(name),)
