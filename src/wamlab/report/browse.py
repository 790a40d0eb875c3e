"""A page that plays the episodes of a dataset, with state and actions drawn beside and a line that follows the picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from ..data.atomic import write_whole
from ..data.formats import depth
from ..data.formats.lerobot import LeRobot
from ..data.instructions import spoken
from ..data.kinds import is_store
from ..data.store import EpisodeStore
from ..errors import DataError
from ..reading import shown
from .media import mp4
from .template import environment

PAGE = "browse.html"
LARGEST = 480
"""pixels to which pictures are enlarged at most"""


@dataclass(frozen=True, eq=False)
class Shown:
    """One episode for the page."""

    title: str
    note: str
    films: Mapping[str, UInt8[ndarray, "T1 h w 3"]]
    """per camera"""
    state: Float[ndarray, "T1 P"]
    action: Float[ndarray, "T A"]


def browse(target: str | Path, title: str, episodes: Iterable[Shown], state: tuple[str, ...], action: tuple[str, ...],
           fps: float) -> Path:
    """Write the page; it needs nothing else to be opened.

    Raises:
        DataError: if the disk refuses.
    """
    told = [_json(episode, fps) for episode in episodes]
    template = environment().from_string((Path(__file__).parent / PAGE).read_text(encoding="utf-8"))
    data = {"episodes": told, "state": [*map(shown, state)], "action": [*map(shown, action)], "fps": fps}
    # "</" would end the script; "<!--" would begin a comment in it
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    write_whole(Path(target), template.render(title=title, count=len(told), data=text).encode())
    return Path(target)


def _json(episode: Shown, fps: float) -> dict[str, Any]:
    films = {}
    for name, frames in episode.films.items():
        factor = max(1, min(4, LARGEST // max(frames.shape[1:3])))
        films[shown(name)] = mp4(frames, fps, factor)
    return {"title": shown(episode.title), "note": shown(episode.note), "films": films, "state": _rows(episode.state),
            "action": _rows(episode.action)}


def _rows(values: ndarray) -> list[list[float | None]]:
    """Channels first; rounded, and null where a number is not finite."""
    return [[round(float(v), 5) if np.isfinite(v) else None for v in channel] for channel in values.T]


def browse_dataset(source: str | Path, target: str | Path, episodes: Sequence[int] = ()) -> list[int]:
    """A page of a dataset's episodes (none named: the first ten), of either kind; returns which are on it.

    Raises:
        DataError: if there is no dataset or no such episode, or the disk refuses.
    """
    root = Path(source)
    if is_store(root):
        store = EpisodeStore.open(root)
        wanted, spec = chosen(store.indices(), episodes), store.task_spec
        browse(target, f"{spec.task}: {len(store)} episodes", stored(store, wanted), spec.state, spec.action.names,
               spec.control_hz)
    else:
        dataset = LeRobot.open(root)
        wanted, features = chosen(dataset.indices(), episodes), dataset.info.features
        state, action = (features[name].names if name in features else () for name in ("observation.state", "action"))
        browse(target, f"{root.resolve().name}: {len(dataset)} episodes", recorded(dataset, wanted), state, action,
               float(dataset.info.fps))
    return wanted


def chosen(there: list[int], wanted: Sequence[int]) -> list[int]:
    """Raises DataError for an episode that is not there."""
    missing = sorted(set(wanted) - set(there))
    if missing:
        raise DataError(f"there is no episode {missing[0]}", where="--episodes", expected=f"{len(there)} episodes",
                        got=missing[0])
    return list(wanted) or there[:10]


def coloured(frames: np.ndarray) -> np.ndarray:
    """Depth as grey, near is bright; anything else as it is."""
    if frames.dtype == np.uint8:
        return frames
    far = max(float(frames.max()), 1.0)
    return np.repeat((255 * (1 - frames / far)).astype(np.uint8)[..., None], 3, -1)


def stored(store: EpisodeStore, wanted: list[int]) -> Iterator[Shown]:
    """Episodes of a store for the page."""
    for index in wanted:
        episode = store[index]
        films = {name: coloured(depth.unpack(f)) if name.endswith(depth.SUFFIX) else f for name, f in episode.frames.items()}
        outcome = "not known whether solved" if not episode.outcome_known else "solved" if episode.solved else "not solved"
        note = f"{spoken(episode.instructions)} ({outcome}; {episode.meta.get('source', '')})"
        assert episode.has_action is not None
        yield Shown(f"episode {index}", note, films, np.where(episode.has_state, episode.state, np.nan),
                    np.where(episode.has_action[:, None], episode.action, np.nan))


def recorded(dataset: LeRobot, wanted: list[int]) -> Iterator[Shown]:
    """Episodes of a LeRobot dataset for the page."""
    for index in wanted:
        columns: dict[str, Any] = dataset.columns(index)
        length = dataset.length(index)
        films = {name: coloured(dataset.frames(index, name)) for name in dataset.info.cameras}
        blank = np.zeros((length, 0), np.float32)
        text = spoken(dataset.instructions(index, columns["task_index"]))
        yield Shown(f"episode {index}", text, films, columns.get("observation.state", blank).reshape(length, -1),
                    columns.get("action", blank).reshape(length, -1))
