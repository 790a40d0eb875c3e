"""Video files to an episode store without actions, for training beside a dataset that has them.

A film is resampled to the control rate by taking, for each control step, the frame that is nearest in time; cropped around its
centre to the shape of the other dataset's pictures, and scaled down. Long films become several episodes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Int64, UInt8
from numpy import ndarray

from ...errors import DataError
from ...ranges import SECONDS
from ...reading import inside
from ...spec import TaskSpec
from ...types import Episode
from ..store import code_version
from ..video import FILMED
from .begin import Begun
from .convert import Imported, Progress
from .episodes import fit
from .video import VideoInfo, opened, probe

ENDINGS = (".mp4", ".mov", ".m4v", ".mkv", ".avi", ".webm")
QUARTERS = {0: 0, 90: 1, -270: 1, 180: 2, -180: 2, 270: 3, -90: 3}
"""degrees against the clock that a player turns a film by -> quarter turns"""


def films(source: Path) -> list[Path]:
    """The video files that a path names: itself, or those below it, by their name's ending."""
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


@dataclass(frozen=True, eq=False)
class Film:
    """A video file, and which of its frames are shown at the control steps."""

    info: VideoInfo
    shown: Int64[ndarray, "T1"]
    """per control step: the number of the frame that is nearest in time"""

    @classmethod
    def open(cls, file: Path, hz: float) -> Film:
        """Raises DataError for what is no film of at least two control steps."""
        info = probe(file)
        if not len(info):
            raise DataError("the film is empty", where=file, expected="at least two frames", got="none")
        seconds = info.ticks * float(info.time_base)
        steps = int((seconds[-1] - seconds[0]) * hz + 1e-6) + 1
        if steps < 2:
            raise DataError("the film is too short", where=file, expected=f"at least {1 / hz:.3g} s, a step at {hz:g} Hz",
                            got=f"{seconds[-1] - seconds[0]:.3g} s", fix="leave it out: --skip-bad does")
        wanted = seconds[0] + np.arange(steps) / hz
        after = np.searchsorted(seconds, wanted).clip(1, len(seconds) - 1)
        return cls(info, np.where(wanted - seconds[after - 1] <= seconds[after] - wanted, after - 1, after))

    @property
    def repeats(self) -> int:
        """Control steps that show the frame of the step before: a film of fewer frames per second than control steps."""
        return int((np.diff(self.shown) == 0).sum())

    def pieces(self, longest: int) -> list[tuple[int, int]]:
        """(first, last + 1) control steps of episodes of about equal length, none of more than `longest` actions."""
        count = max(1, -(-(len(self.shown) - 1) // longest))
        edges = np.linspace(0, len(self.shown) - 1, count + 1).round().astype(int).tolist()
        return [(first, last + 1) for first, last in pairwise(edges)]

    def pictures(self, size: tuple[int, int]) -> Iterator[UInt8[ndarray, "h w 3"]]:
        """The frame of each control step, upright, cropped around its centre and scaled. Raises DataError."""
        convert, done = VideoReformatter(), 0
        ticks = self.info.ticks[self.shown]
        with opened(self.info.file) as container:
            for frame in container.decode(container.streams.video[0]):
                if frame.pts is None or frame.pts != ticks[done]:
                    continue
                if frame.rotation not in QUARTERS:
                    raise DataError("the film lies askew", where=self.info.file, expected="upright, or turned by quarters",
                                    got=f"{frame.rotation} degrees", fix="turn it with a video editor")
                picture = convert.reformat(frame, format="rgb24", threads=1).to_ndarray()
                upright = np.rot90(picture, QUARTERS[frame.rotation])
                made = fit(np.ascontiguousarray(centre(upright, size))[None], size)[0]
                while done < len(ticks) and ticks[done] == frame.pts:
                    yield made
                    done += 1
                if done == len(ticks):
                    return
        raise DataError("frames are missing from the film", where=self.info.file, expected=f"{len(ticks)} control steps",
                        got=f"{done} could be decoded", fix="copy the file again, or leave it out: --skip-bad does")


def centre(picture: UInt8[ndarray, "H W 3"], size: tuple[int, int]) -> UInt8[ndarray, "h w 3"]:
    """The largest middle part of a picture that has the proportions of `size` (height, width)."""
    scale = min(picture.shape[0] / size[0], picture.shape[1] / size[1])
    height, width = (max(1, round(side * scale)) for side in size)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top:top + height, left:left + width]


def import_videos(source: str | Path, target: str | Path, like: TaskSpec, *, instruction: str = "", seconds: float = 20.0,
                  skip_bad: bool = False, progress: Progress | None = None) -> Imported:
    """Write a video, or all below a folder, to an episode store; pieces that are there already are left as they are.

    Args:
        like: the spec of the dataset that they will be used beside: rate, picture size, actions, states.
        instruction: what is done in them; empty: the spec's.
        seconds: longer films are cut into episodes of at most this length.
        skip_bad: leave films out that cannot be read, in place of an error.

    Raises:
        DataError: if there is no film, one is broken, or the store was made from others.
    """
    SECONDS.check(seconds, "seconds")
    root, hz = Path(source), like.control_hz
    found = films(root)
    if not found:
        raise DataError("there is no video here", where=root, expected=f"a video file, or a folder with {', '.join(ENDINGS)}",
                        got="no such file" if not root.exists() else "none", fix="check the path")
    names = [(file.relative_to(root).as_posix() if file != root else file.name, file.stat().st_size) for file in found]
    spec = replace(like, instruction=instruction or like.instruction)
    store = Begun(target, spec, FILMED, {
        "source": "video", "video": True, "films": len(found), "seconds": seconds,
        "digest": hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]})
    skipped: list[tuple[int, str]] = []
    index = 0
    for number, (file, (name, _)) in enumerate(zip(found, names, strict=True)):
        pieces: list[tuple[int, int]] = []
        try:
            inside(root if root.is_dir() else root.parent, file.relative_to(root) if file != root else Path(file.name))
            film = Film.open(file, hz)
            pieces = film.pieces(max(1, round(seconds * hz)))
            if not all(store.has(index + piece) for piece in range(len(pieces))):
                for piece, frames in enumerate(episodes_of(film, pieces, spec.image_size)):
                    if not store.has(index + piece):
                        store.put(index + piece, episode_of(frames, spec, {
                            "film": name, "from_step": pieces[piece][0], "frames_per_second": rate(film.info),
                            "repeated_frames": film.repeats}))
        except DataError as error:
            if not skip_bad:
                raise
            skipped.append((number, f"{error.problem} ({error.where})"))
        index += len(pieces)
        if progress:
            progress(number + 1, len(found))
    return Imported(store.finished("; ".join(why for _, why in skipped[:1])), tuple(skipped))


def rate(info: VideoInfo) -> float:
    """Mean frames per second."""
    span = float((info.ticks[-1] - info.ticks[0]) * info.time_base)
    return round((len(info) - 1) / span, 3) if span > 0 else 0.0


def episodes_of(film: Film, pieces: list[tuple[int, int]], size: tuple[int, int]) -> Iterator[UInt8[ndarray, "T1 h w 3"]]:
    """The pictures of each piece; neighbours share the one between them."""
    pictures, last = film.pictures(size), list[ndarray]()
    for first, end in pieces:
        held = last + [next(pictures) for _ in range(end - first - len(last))]
        last = held[-1:]
        yield np.stack(held)


def episode_of(frames: UInt8[ndarray, "T1 h w 3"], spec: TaskSpec, meta: dict[str, object]) -> Episode:
    """Frames as an Episode of which nothing else is known."""
    steps = len(frames) - 1
    return Episode(
        spec.task, spec.instruction, {spec.cameras[0]: frames}, np.zeros((steps + 1, len(spec.state)), np.float32),
        np.zeros((steps, spec.action.width), np.float32), np.zeros(steps + 1, bool), has_action=np.zeros(steps, bool),
        has_state=False, meta={"source": "video", **meta, "success": "unknown", "renderer": FILMED, "wamlab": code_version()})
