"""Episodes whose camera looks otherwise than in the rest: mirrored, swapped, recoloured, or drawn by another renderer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from .content import CHUNK
from .finding import Finding, listing
from .source import Record, Source

SIDE = 16
"""pixels of a view's side"""
View = Float64[ndarray, "h w 3"]
CHANGES: dict[str, Callable[[ndarray], ndarray]] = {
    "mirrored left to right": lambda view: view[:, ::-1], "upside down": lambda view: view[::-1],
    "turned by 180 degrees": lambda view: view[::-1, ::-1], "turned by 90 degrees": lambda view: np.rot90(view, 1),
    "turned by 270 degrees": lambda view: np.rot90(view, 3), "with red and blue exchanged": lambda view: view[..., ::-1],
    "inverted": lambda view: 255 - view}
"""each is what was done to the picture; the inverse, applied to the reference, gives what is seen"""


@dataclass(frozen=True, eq=False)
class Look:
    """How one camera saw one episode."""

    view: View
    """the mean over time, made small"""
    traits: Float64[ndarray, "4"]
    """brightness, contrast, sharpness and noise, in grey values"""


def shrink(frames: ndarray, side: int = SIDE) -> Float64[ndarray, "N side side c"]:
    """Pictures as `side` x `side` averages over blocks; depth as grey in tenths of its unit."""
    if frames.ndim == 3:
        return shrink(frames[..., None], side).repeat(3, -1) / 10
    count, height, width, colours = frames.shape
    if min(height, width) < side:
        return frames.astype(np.float64)
    down, across = (_blocks(size, side) for size in (height, width))
    out = np.empty((count, side, side, colours))
    for start in range(0, count, CHUNK):  # sums of whole numbers below 2^53 (2^24 in small pictures), so exact
        part = frames[start:start + CHUNK].astype(down.dtype)
        rows = (down @ part.reshape(len(part), height, -1)).reshape(len(part), side, width, colours)
        out[start:start + CHUNK] = across @ rows
    return out / np.outer(down.sum(1), across.sum(1))[None, :, :, None]


@lru_cache(maxsize=32)
def _blocks(size: int, side: int) -> ndarray:
    """[side, size] of zeros and ones: which pixels belong to which block. Single precision where sums of it are exact."""
    edges = np.arange(side + 1) * size // side
    places = np.arange(size)
    exact = (-(-size // side)) ** 2 * 65535 < 2 ** 24
    return ((places >= edges[:-1, None]) & (places < edges[1:, None])).astype(np.float32 if exact else np.float64)


def look(frames: ndarray) -> Look:
    """Measure an episode's pictures."""
    taken = frames[np.unique(np.linspace(0, len(frames) - 1, 12).astype(int))]
    colours = 1 if taken.ndim == 3 else taken.shape[-1]
    planes = [taken.astype(np.int32)] if colours == 1 else [taken[..., n].astype(np.int16) for n in range(colours)]
    grey = sum(planes[1:], planes[0])  # whole numbers: colours times the grey value
    across = np.diff(grey, axis=2)
    rough = grey[:, 1:-1, 1:-1] * 4 - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:]
    traits = np.array([grey.mean(), grey.std(), np.abs(across).mean(), np.median(np.abs(rough))]) / colours
    return Look(shrink(taken).mean(0), traits)


def check_views(records: Sequence[Record], looks: Sequence[Mapping[str, Look]]) -> list[Finding]:
    """Cameras that are mirrored, turned, recoloured or exchanged in some episodes."""
    found = []
    cameras = list(looks[0]) if len(looks) >= 3 else []
    references = {camera: np.median([seen[camera].view for seen in looks], 0) for camera in cameras}
    for camera in cameras:
        reference = references[camera]
        scores = np.array([_alike(seen[camera].view, reference) for seen in looks])
        changed = {f"is {words}": change(reference) for words, change in CHANGES.items()}
        changed |= {f"shows what camera {other} shows elsewhere": references[other] for other in cameras if other != camera}
        changed = {words: view for words, view in changed.items() if view.shape == reference.shape}
        limit = float(np.median(scores)) - 3 * _spread(scores) - 0.02
        for record, seen, score in zip(records, looks, scores, strict=True):
            if score >= limit:
                continue
            options = {words: _alike(seen[camera].view, view) for words, view in changed.items()}
            words, best = max(options.items(), key=lambda item: item[1], default=("", 0.0))
            if best > score + 0.3 * (1 - score) and best > 0.5:
                found.append(Finding("camera flip", "error", record.files[camera], camera, record.index,
                                     f"the picture {words}", f"likeness {np.median(scores):.2f} to the other episodes",
                                     f"{score:.2f}; so changed {best:.2f}",
                                     "turn the episode's pictures back, or leave it out"))
    return found


def check_traits(records: Sequence[Record], looks: Sequence[Mapping[str, Look]], source: Source) -> list[Finding]:
    """Episodes that another renderer, exposure or codec made: by what they say, and by how they look."""
    found = []
    said: dict[str, list[Record]] = {}
    for record in records:
        name = record.meta.get("renderer", source.renderer)
        if isinstance(name, str):
            said.setdefault(name, []).append(record)
    if source.renderer is not None:
        for name, members in said.items():
            if name != source.renderer:
                found.append(Finding("renderer mix", "error", members[0].file, "meta.renderer", members[0].index,
                                     f"episodes {listing(r.index for r in members)} were drawn by another renderer",
                                     source.renderer, name,
                                     "collect them again on one machine, or keep them in a dataset of their own"))
    for camera in looks[0] if len(looks) >= 5 else ():
        traits = np.stack([seen[camera].traits for seen in looks])
        views = np.stack([seen[camera].view for seen in looks])
        middle = np.median(traits, 0)
        spread = 1.4826 * np.median(np.abs(traits - middle), 0) + np.array([1.5, 1.5, 0.5, 0.5]) + 0.03 * np.abs(middle)
        score = np.abs(traits - middle) / spread
        away = np.abs(views - np.median(views, 0)).mean((1, 2, 3))
        far = away > 4 * np.median(away) + 4
        names = ("brightness", "contrast", "sharpness", "noise")
        for number, record in enumerate(records):
            worst = int(score[number].argmax())
            if score[number, worst] > 6 or far[number]:
                found.append(Finding("renderer mix", "warning", record.files[camera], camera, record.index,
                                     f"the picture looks otherwise than in the other episodes: {names[worst]}",
                                     f"about {middle[worst]:.1f}", f"{traits[number, worst]:.1f}",
                                     "see whether light, camera, codec or renderer changed"))
    return found


def _alike(left: ndarray, right: ndarray) -> float:
    """Correlation of two views, over places and colours."""
    a, b = left.reshape(-1) - left.mean(), right.reshape(-1) - right.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 1e-9 else 0.0


def _spread(scores: ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(scores - np.median(scores))))
