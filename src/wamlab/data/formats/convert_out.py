"""Episode stores written as LeRobot datasets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...errors import DataError
from ...spec import TaskSpec
from ...types import Episode
from ..store import EpisodeStore
from . import depth
from .episodes import CAMERA, MODALITY
from .features import Feature
from .lerobot_write import Writer
from .sidecar import FILE, SUMS, Sidecar, sums
from .whole import taking_place

Progress = Callable[[int, int], None]


def export_lerobot(source: EpisodeStore, target: str | Path, *, video: Literal["h264", "av1", "lossless"] = "h264",
                   truth: bool = True,
                   robot_type: str = "", progress: Progress | None = None) -> Path:
    """Write a store as a LeRobot v3.0 dataset, whole or not at all; episodes are numbered from 0 in the store's order.

    Args:
        video: codec of the cameras; "lossless" embeds PNG pictures in the tables. Depth is always embedded.
        truth: write privileged state as columns `truth.<entity>` (float64).

    Raises:
        DataError: if the store is empty or damaged, its rate is not a whole number, or the disk refuses.
    """
    spec, indices = source.task_spec, source.indices()
    fps = round(spec.control_hz)
    if abs(fps - spec.control_hz) > 1e-6 or fps < 1:
        raise DataError("LeRobot datasets have a whole number of frames a second", where=f"{source.path}, field control_hz",
                        expected="a whole number", got=spec.control_hz)
    if not indices:
        raise DataError("the dataset holds no episodes", where=source.path, expected="at least one", got=0)
    entities = tuple(entity for entity in spec.entities if truth)
    features = {"observation.state": Feature("float32", (len(spec.state),), spec.state)} if spec.state else {}
    features["action"] = Feature("float32", (spec.action.width,), spec.action.names)
    judged = {source.meta(index).get("success") != "unknown" for index in indices}
    if True in judged:  # whole numbers where some outcomes are unknown: -1, which is neither
        features["next.success"] = Feature("bool" if judged == {True} else "int8", (1,))
    features |= {"next.done": Feature("bool", (1,)), "wam.imitate": Feature("bool", (1,))}
    features |= {f"truth.{entity.name}": Feature("float64", (len(entity.channels),), entity.channels) for entity in entities}
    for camera in spec.cameras:
        deep = camera.endswith(depth.SUFFIX)
        info = {"is_depth_map": True, "unit": "m", "scale": depth.SCALE} if deep else {}
        kind = "image" if deep or video == "lossless" else "video"
        features[CAMERA + camera] = Feature(kind, (*spec.image_size, 1 if deep else 3), info=info)
    measured = {MODALITY + name: Feature(str(value.dtype), (value[0].size,))
                for name, value in source[indices[0]].modalities.items()}
    features |= measured
    with taking_place(Path(target)) as root:
        writer = Writer(root, features, fps=fps, robot_type=robot_type, codec=video if video != "lossless" else "h264")
        said: dict[int, dict[str, Any]] = {}
        for done, index in enumerate(indices):
            episode = source[index]
            if not episode.complete:
                raise DataError("an episode has no actions or states, which LeRobot's format demands", where=source.path,
                                expected="known actions and states", got=f"episode {index} is a video",
                                fix="keep the video files it was made from, and import those")
            if not len(episode):
                raise DataError("an episode has no step, and a row without an action cannot be written",
                                where=f"{source.path}, episode {index}", expected="at least one action", got=0,
                                fix="wam data filter copies the episodes that have steps")
            if {MODALITY + name for name in episode.modalities} != set(measured):
                raise DataError("the episodes differ in what was measured", where=f"{source.path}, episode {index}",
                                expected=", ".join(measured) or "no modality", got=", ".join(episode.modalities) or "none",
                                fix="export those with and those without into two datasets")
            frames = {CAMERA + name: depth.unpack(value) if name.endswith(depth.SUFFIX) else value for name,
                      value in episode.frames.items()}
            number = writer.add(episode_columns(episode, [entity.name for entity in entities], spec), frames,
                                [episode.instruction_at(t) for t in range(len(episode) + 1)])
            said[number] = {"meta": dict(episode.meta), "solved_at_start": bool(episode.success[0]), "index": index}
            if progress:
                progress(done + 1, len(indices))
        writer.close()
        (root / FILE).write_bytes(Sidecar(spec, source.renderer, dict(source.provenance), said).content())
        (root / SUMS).write_bytes(sums(root))
    return Path(target)


def episode_columns(episode: Episode, entities: list[str], spec: TaskSpec) -> Mapping[str, ndarray]:
    """The rows of an Episode: T + 1 of them."""
    assert episode.imitate is not None
    last = episode.meta.get("last_action")
    known = isinstance(last, list) and len(last) == spec.action.width
    final: Float[ndarray, "A"] = np.array(last, np.float32) if known else episode.action[-1]
    after = np.append(episode.success[1:], episode.success[-1])
    columns = {"action": np.concatenate([episode.action, final[None]]),
               "next.success": (after if episode.outcome_known else np.full(len(after), -1, np.int8))[:, None],
               "next.done": (np.arange(len(episode) + 1) == len(episode))[:, None],
               "wam.imitate": np.append(episode.imitate, False)[:, None]}
    if spec.state:
        columns["observation.state"] = episode.state
    columns |= {MODALITY + name: value.reshape(len(value), -1) for name, value in episode.modalities.items()}
    return columns | {f"truth.{name}": episode.truth[name] for name in entities}
