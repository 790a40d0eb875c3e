"""LeRobot datasets to episode stores and back.

A LeRobot episode of N rows has N observations and N actions; an Episode has T = N - 1 actions and N observations. The
action of the last row leads beyond the last observation: on import it is kept in the episode's `meta`, on export the last
row repeats it or, where there was none, the last action (`wam.imitate` is False there, and `next.done` True).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from numpy import ndarray

from ...errors import DataError
from ...spec import ActionKind, ActionSpec, TaskSpec
from ...types import Episode
from ..store import EpisodeStore, code_version
from . import depth
from .features import Feature, Info
from .index import digest
from .lerobot import LeRobot
from .semantics import guess_kind
from .sidecar import Sidecar, read_sidecar

Progress = Callable[[int, int], None]
CAMERA, MODALITY = "observation.images.", "modality."


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    store: EpisodeStore
    skipped: tuple[tuple[int, str], ...]
    """episodes that are not in the store, and why"""


def import_lerobot(source: str | Path, target: str | Path, *, size: tuple[int, int] | None = None,
                   action_kind: ActionKind | None = None,
                   state: str = "observation.state", skip_bad: bool = False, progress: Progress | None = None) -> Imported:
    """Copy a LeRobot dataset into an episode store; episodes that are there already are left as they are.

    Args:
        size: height, width to resize every camera to; None keeps the first camera's.
        action_kind: what the actions mean; None: what the dataset says, else what its numbers show (`semantics`).
        state: the column with proprioception; a dataset without it gets a state of width 0.
        skip_bad: leave episodes out that cannot be read, in place of an error.

    Raises:
        DataError, SpecError: if the dataset is damaged or unsafe, or the store was made otherwise or of another dataset.
    """
    dataset = LeRobot.open(source)
    origin = same_origin(dataset, Path(target))
    sidecar = read_sidecar(dataset.root)
    if "action" not in dataset.info.columns:
        raise DataError("the dataset has no actions", where=f"{dataset.root}/meta/info.json, field features", expected="action",
                        got=", ".join(dataset.info.columns))
    spec = sidecar.task_spec if sidecar else build_spec(dataset, state, size, action_kind)
    fit_spec(spec, dataset.info, state)
    renderer = sidecar.renderer if sidecar else f"lerobot-{dataset.info.robot_type or 'camera'}"
    if sidecar and size is not None and size != spec.image_size:  # resized pictures are not what the renderer drew
        spec, renderer = replace(spec, image_size=size), f"{renderer}@{size[0]}x{size[1]}"
    store = EpisodeStore.open_or_create(target, spec, renderer, {
        "source": "lerobot", "name": dataset.root.resolve().name, "version": dataset.info.version,
        "robot": dataset.info.robot_type, "action_kind": spec.action.kind, **origin})
    skipped = []
    for done, index in enumerate(dataset.indices()):
        if not store.has(index):
            try:
                episode = read_episode(dataset, index, spec, sidecar, state)
                store.put(index, replace(episode, meta={**episode.meta, "renderer": renderer}))
            except DataError as error:
                if not skip_bad:
                    raise DataError(f"episode {index} cannot be imported: {error.problem}", where=error.where,
                                    expected=error.expected,
                                    got=error.got,
                                    fix=error.fix or "repair it, or leave such episodes out with --skip-bad") from error
                skipped.append((index, f"{error.problem} ({error.where})"))
        if progress:
            progress(done + 1, len(dataset))
    return Imported(store, tuple(skipped))


def same_origin(dataset: LeRobot, target: Path) -> dict[str, str]:
    """What a store says of the dataset that it comes from: its digest. Nothing for a store that was made before there was one.

    Raises:
        DataError: if the store at `target` comes from another dataset.
    """
    found = digest(dataset.root, dataset.info)
    if (target / "dataset.json").exists():
        made = EpisodeStore.open(target).provenance
        if made.get("source") == "lerobot" and "digest" not in made:
            return {}
        if made.get("source") == "lerobot" and made["digest"] != found:
            raise DataError("the store here was imported from another dataset, or from this one before it changed",
                            where=target, expected=f"the dataset of digest {made['digest']}",
                            got=f"{found} ({dataset.root})", fix="choose another --out, or remove the store to import again")
    return {"digest": found}


def build_spec(dataset: LeRobot, state: str, size: tuple[int, int] | None, kind: ActionKind | None) -> TaskSpec:
    """A spec from what the dataset says and from its numbers: limits are the smallest and largest action seen."""
    info = dataset.info
    if not info.cameras:
        raise DataError("the dataset has no camera", where=f"{dataset.root}/meta/info.json, field features",
                        expected="a video or image")
    parts = [dataset.columns(index, ["action", *([state] if state in info.columns else [])]) for index in dataset.indices()]
    if not parts:
        raise DataError("the dataset holds no episodes", where=dataset.root, expected="at least one", got=0)
    action = np.concatenate([part["action"].reshape(len(part["action"]), -1) for part in parts])
    low, high = (tuple(float(value) for value in extreme) for extreme in (action.min(0), action.max(0)))
    if kind is None:
        pairs = [(part[state].reshape(len(part[state]), -1), part["action"]) for part in parts] if state in info.columns else []
        kind = guess_kind(pairs)
    names = info.features["action"].names or tuple(f"action {number}" for number in range(action.shape[1]))
    feature = info.features.get(state, Feature("float32", (0,)))
    width = int(np.prod(feature.shape))
    text, first = next(iter(dataset.tasks.values()), ""), info.features[info.cameras[0]].shape
    return TaskSpec(
        task=f"lerobot/{dataset.root.resolve().name}", instruction=text,
        cameras=tuple(map(camera_name, info.cameras, _depths(info))),
        image_size=size or (first[0], first[1]),
        state=feature.names or tuple(f"state {number}" for number in range(width)),
        action=ActionSpec(names, low, high, ("?",) * len(names), kind), entities=(), control_hz=float(info.fps),
        max_steps=max((dataset.row(index).length for index in dataset.indices()), default=1))


def _depths(info: Info) -> list[bool]:
    return [info.features[name].depth for name in info.cameras]


def camera_name(feature: str, is_depth: bool = False) -> str:
    """The name of a camera in an Episode."""
    name = feature.removeprefix(CAMERA)
    return name + depth.SUFFIX if is_depth and not name.endswith(depth.SUFFIX) else name


def fit_spec(spec: TaskSpec, info: Info, state: str) -> None:
    """Raises DataError if a spec from the sidecar does not belong to the columns."""
    cameras = tuple(map(camera_name, info.cameras, _depths(info)))
    found = {"cameras": (sorted(cameras), sorted(spec.cameras)),
             "state": (int(np.prod(info.features[state].shape)) if state in info.features else 0, len(spec.state)),
             "action": (int(np.prod(info.features["action"].shape)), spec.action.width)}
    for name, (here, wanted) in found.items():
        if here != wanted:
            raise DataError(f"the columns do not fit the spec: {name}", where="meta/wamlab.json, field task_spec",
                            expected=wanted, got=here,
                            fix="remove meta/wamlab.json to import by the columns alone")


def read_episode(dataset: LeRobot, index: int, spec: TaskSpec, sidecar: Sidecar | None, state: str) -> Episode:
    """One episode as the store wants it. Raises DataError."""
    info, row = dataset.info, dataset.row(index)
    if row.length < 2:
        raise DataError("the episode has fewer than two frames", where=f"{row.source}, field length", expected="2 or more",
                        got=row.length)
    said = dict(sidecar.episodes.get(index, {})) if sidecar else {}
    extras = [name for name in info.columns if name.startswith(("truth.", MODALITY))] if sidecar else []
    wanted = [name for name in (state, "next.success", "wam.imitate") if name in info.columns]
    columns = dataset.columns(index, ["action", "task_index", *wanted, *extras])
    action = columns["action"].reshape(row.length, -1).astype(np.float32)
    values = columns[state].reshape(row.length, -1).astype(np.float32) if state in columns else np.zeros((row.length, 0),
                                                                                                         np.float32)
    success = np.zeros(row.length, bool)
    if "next.success" in columns:
        success[1:] = columns["next.success"].reshape(-1)[:-1] > 0
        success[0] = bool(said.get("solved_at_start", False))
    imitate = columns["wam.imitate"].reshape(-1)[:-1] > 0 if "wam.imitate" in columns else None
    frames = {camera_name(name, info.features[name].depth): fit(dataset.frames(index, name), spec.image_size)
              for name in info.cameras}
    kept = said.get("meta")
    meta = {"source": "lerobot", "dataset": dataset.root.resolve().name, "episode": index, "wamlab": code_version()}
    meta |= dict(kept) if isinstance(kept, dict) else {}
    meta["last_action"] = [float(value) for value in action[-1]]
    if "next.success" not in columns:
        meta["success"] = "unknown"
    (_, instruction), *later = dataset.instructions(index, columns["task_index"])
    return Episode(spec.task, instruction, frames, values, action[:-1].copy(), success, later=tuple(later),
                   truth={name.removeprefix("truth."): columns[name].astype(np.float64) for name in extras
                          if name.startswith("truth.")}, imitate=imitate, meta=meta,
                   modalities={name.removeprefix(MODALITY): _shaped(columns[name], meta, name.removeprefix(MODALITY))
                               for name in extras if name.startswith(MODALITY)})


def _shaped(rows: ndarray, meta: dict[str, Any], name: str) -> ndarray:
    """A modality in the shape that the episode's provenance says. Raises DataError."""
    said = meta.get("modalities")
    shape = said[name].get("shape") if isinstance(said, dict) and isinstance(said.get(name), dict) else None
    if not isinstance(shape, list) or not all(isinstance(side, int) and side > 0 for side in shape) or \
            int(np.prod(shape)) != rows[0].size:
        raise DataError("a modality has no shape", where=f"meta/wamlab.json, field episodes.meta.modalities.{name}.shape",
                        expected=f"sides of {rows[0].size} numbers", got=shape, fix="export the dataset again")
    return rows.reshape(len(rows), *shape)


def fit(frames: ndarray, size: tuple[int, int]) -> UInt8[ndarray, "N h w 3"]:
    """Frames of the wanted size: colour by area, depth (16 bit) by the nearest pixel and packed into three channels."""
    if frames.dtype == np.uint16:
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, frames.shape[1:], strict=True))
        return depth.pack(frames[:, rows][:, :, columns])
    if frames.shape[1:3] == tuple(size):
        return frames
    out, convert = np.empty((len(frames), *size, 3), np.uint8), VideoReformatter()
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        out[number] = convert.reformat(picture, size[1], size[0], interpolation="AREA", threads=1).to_ndarray()
    return out


def describe(path: Path) -> dict[str, Any]:
    """What a LeRobot dataset says it holds, for people."""
    dataset = LeRobot.open(path)
    info = dataset.info
    said = {name: {"type": feature.dtype, "shape": list(feature.shape), "names": list(feature.names)} for name,
            feature in info.features.items()}
    lengths = [row.length for row in dataset.rows]
    return {"kind": f"LeRobotDataset {info.version}", "robot": info.robot_type, "episodes": len(dataset),
            "frames": sum(lengths),
            "seconds": sum(lengths) / info.fps, "fps": info.fps, "longest": max(lengths, default=0),
            "shortest": min(lengths, default=0),
            "tasks": [dataset.tasks[number] for number in sorted(dataset.tasks)], "features": json.loads(json.dumps(said))}
