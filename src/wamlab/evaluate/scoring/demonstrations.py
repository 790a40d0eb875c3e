"""The control of success itself: each demonstration's own actions, from its own start. It must succeed wherever the
demonstration did; where it does not, what is measured is the simulator or the recording, not the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DataError
from ...simulators import Simulator, make
from ...spec import TaskSpec
from ...types import Episode
from ..log import Score
from ..metric import Evidence
from ..statistics import clopper_pearson

MODEL = "control/oracle_replay"


def oracle_replay(task: str, demonstrations: Sequence[Episode], *, options: Mapping[str, Any] | None = None,
                  make_simulator: Callable[[], Simulator] | None = None,
                  progress: Callable[[int, int], None] | None = None) -> tuple[Score, ...]:
    """Replay demonstrations from their own starts; only those that were solved, not already at the start,
    and whose actions are known, are asked.

    Args:
        task, options: as for `simulators.make`. make_simulator: builds the simulator in their place.

    Returns:
        Scores of "control/oracle_replay": `success` (share that is solved again), `success.held` (share that is still
        solved at the end, of those that were), `success.drift` (largest difference of a true position from the record, in
        tolerances; 0 for exact simulators).

    Raises:
        DataError: for a demonstration that does not say its scene.
    """
    simulator = make_simulator() if make_simulator is not None else make(task, **dict(options or {}))
    simulator.renders = False
    again, held, drift = [], [], 0.0
    try:
        spec: TaskSpec = simulator.task_spec
        asked = [e for e in demonstrations if e.solved and not e.success[0] and np.all(e.has_action)]
        for number, episode in enumerate(asked, 1):
            if "scene" not in episode.meta:
                raise DataError("a demonstration does not say from which scene it started", where=f"{task}, meta.scene",
                                expected="the simulator's seed", got=sorted(episode.meta), fix="collect it with wam collect")
            simulator.reset(seed=int(episode.meta["scene"]))
            success = [simulator.step(action)[4]["success"] for action in episode.action]
            again.append(any(success))
            if episode.success[-1]:
                held.append(bool(success[-1]))
            drift = max(drift, _drift(simulator, episode))
            if progress is not None:
                progress(number, len(asked))
    finally:
        simulator.close()
    evidence = Evidence(MODEL, spec)
    if not again:
        return (evidence.score("success", None, unavailable="no demonstration was solved from an unsolved start"),)
    scores = [_share(evidence, "success", again)]
    scores.append(_share(evidence, "success.held", held) if held else
                  evidence.score("success.held", None, unavailable="no demonstration was still solved at its end"))
    return (*scores, evidence.score("success.drift", drift, n=len(again), unit="tolerances"))


def _share(evidence: Evidence, name: str, solved: Sequence[bool]) -> Score:
    return evidence.score(name, sum(solved) / len(solved), clopper_pearson(sum(solved), len(solved)), n=len(solved),
                          unit="share")


def _drift(simulator: Simulator, episode: Episode) -> float:
    """Where things end against where they ended, in tolerances."""
    truth = simulator.truth()
    return max((float(np.abs(truth[e.name] - episode.truth[e.name][-1]).max()) / e.tolerance
                for e in simulator.task_spec.entities if e.name in episode.truth), default=0.0)
