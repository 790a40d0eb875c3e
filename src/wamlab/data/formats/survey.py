"""What the numbers of a whole dataset say, read before anything is written: which episodes can be imported, the limits of the
actions and what they mean, of those episodes alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...errors import DataError
from ...spec import ActionKind, ActionSpec, TaskSpec
from .chosen import Chosen
from .episodes import camera_name, columns_of, numbers_of
from .features import Feature, Info
from .lerobot import LeRobot
from .noticed import Noticed
from .semantics import guess_kind

Numbers = tuple[Float32[ndarray, "N P"], Float32[ndarray, "N A"]]


@dataclass(frozen=True, eq=False)
class Survey:
    """The numbers of the episodes that can be read, and why the others cannot."""

    dataset: LeRobot
    chosen: Chosen
    good: dict[int, Numbers] = field(default_factory=dict)
    bad: dict[int, DataError] = field(default_factory=dict)

    def spec(self, size: tuple[int, int] | None, kind: ActionKind | None, without: Collection[int] = ()) -> TaskSpec:
        """What the episodes have in common; limits are the smallest and largest action in them.

        Args:
            without: episodes that turned out not to be importable later.

        Raises:
            DataError: if no episode is left, or the dataset has no camera.
        """
        dataset, info, chosen = self.dataset, self.dataset.info, self.chosen
        kept = [numbers for index, numbers in self.good.items() if index not in without]
        if not kept:
            raise DataError("the dataset holds no episodes that can be read", where=dataset.root, expected="at least one",
                            got=next((f"{error.problem} ({error.where})" for error in self.bad.values()), "none"),
                            fix="wam data check DATASET says what is wrong with it")
        low = np.min([action.min(0) for _, action in kept], 0)
        high = np.max([action.max(0) for _, action in kept], 0)
        names = channel_labels(info.features[chosen.action], "action")
        state = channel_labels(info.features[chosen.state], "state") if chosen.state else ()
        first = info.features[info.cameras[0]].shape
        return TaskSpec(
            task=f"lerobot/{dataset.root.resolve().name}",
            instruction=chosen.text or next(iter(dataset.tasks.values()), ""),
            cameras=tuple(camera_name(name, info.features[name].depth) for name in info.cameras),
            image_size=size or (first[0], first[1]), state=state,
            action=ActionSpec(names, tuple(map(float, low)), tuple(map(float, high)), ("?",) * len(names),
                              kind or guess_kind(kept)),
            entities=(), control_hz=float(info.fps),
            max_steps=max(len(action) for _, action in kept))


def survey(dataset: LeRobot, chosen: Chosen, noticed: Noticed, without: Collection[int] = ()) -> Survey:
    """Read the numbers of all episodes. Raises DataError if there is no camera."""
    found = Survey(dataset, chosen)
    if not dataset.info.cameras:
        raise DataError("the dataset has no camera", where=f"{dataset.root}/meta/info.json, field features",
                        expected="a video or image")
    names = columns_of(dataset.info, chosen, own=False)
    for index in dataset.indices():
        if index in without:
            continue
        try:
            columns = dataset.columns(index, names)
            found.good[index] = numbers_of(dataset, index, columns, chosen)
            noticed.episode(index, columns)
        except DataError as error:
            found.bad[index] = error
    return found


def channel_labels(feature: Feature, what: str) -> tuple[str, ...]:
    """The names of a vector's numbers; numbered where it has none."""
    return feature.names or tuple(f"{what} {number}" for number in range(int(np.prod(feature.shape))))


def fit_spec(spec: TaskSpec, info: Info, chosen: Chosen) -> None:
    """Raises DataError if a spec from the sidecar does not belong to the columns."""
    cameras = tuple(camera_name(name, info.features[name].depth) for name in info.cameras)
    found = {"cameras": (sorted(cameras), sorted(spec.cameras)),
             "state": (int(np.prod(info.features[chosen.state].shape)) if chosen.state else 0, len(spec.state)),
             "action": (int(np.prod(info.features[chosen.action].shape)), spec.action.width)}
    for name, (here, wanted) in found.items():
        if here != wanted:
            raise DataError(f"the columns do not fit the spec: {name}", where="meta/wamlab.json, field task_spec",
                            expected=wanted, got=here,
                            fix="move meta/wamlab.json out of the dataset, and keep it, to import by the columns alone")
