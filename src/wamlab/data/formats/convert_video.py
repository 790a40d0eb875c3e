"""Films to an episode store without actions, for training beside a dataset that has them.

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
from jaxtyping import Int64, UInt8
from numpy import ndarray

from ...errors import DataError
from ...ranges import RATE, SECONDS
from ...reading import NUMBER, inside
from ...spec import TaskSpec
from ...types import Episode
from ..check.finding import Finding
from ..store import code_version
from ..video import FILMED
from .begin import Begun, one_at_a_time
from .convert import Imported, Progress
from .films import ENDINGS, STILLS, Moving, Stills, films, stills, unread
from .pictures import fit
from .video import nearest, probe


@dataclass(frozen=True, eq=False)
class Film:
    """A film, and which of its frames are shown at the control steps."""

    source: Moving | Stills
    shown: Int64[ndarray, "T1"]
    """per control step: the number of the frame that is nearest in time"""

    @classmethod
    def open(cls, file: Path, hz: float, rate: float | None = None) -> Film:
        """Raises DataError for what is no film of two control steps or more; `rate`: pictures a second, of a folder of them."""
        source: Moving | Stills = Stills.open(file, rate) if file.is_dir() else Moving(probe(file))
        if not len(source):
            raise DataError("the film is empty", where=file, expected="at least two frames", got="none")
        seconds = float(source.seconds[-1])
        steps = int(seconds * hz + 1e-6) + 1
        if steps < 2:
            raise DataError("the film is too short", where=file, expected=f"at least {1 / hz:.3g} s, a step at {hz:g} Hz",
                            got=f"{seconds:.3g} s", fix="leave it out: --skip-bad does")
        if steps > NUMBER:
            raise DataError("the film is too long", where=file, expected=f"at most {NUMBER} steps", got=steps)
        return cls(source, nearest(source.seconds, np.arange(steps) / hz))

    @property
    def repeats(self) -> int:
        """Control steps that show the frame of the step before: a film of fewer frames per second than control steps."""
        return int((np.diff(self.shown) == 0).sum())

    def findings(self, hz: float) -> list[Finding]:
        """What is to be said of it: what is missing, and steps that repeat a frame."""
        found, file = list[Finding](), str(self.source.file)
        if self.source.shorter:
            found.append(Finding("film", "warning", file, "", None, "the film is not whole: what is there was read",
                                 "all of it", self.source.shorter, "copy it again"))
        if self.repeats:
            found.append(Finding("film", "note", file, "", None, "control steps repeat the frame before",
                                 f"{hz:g} frames/s",
                                 f"{self.source.rate:g} frames/s: {self.repeats} of {len(self.shown)} repeat"))
        return found

    def pieces(self, longest: int) -> list[tuple[int, int]]:
        """(first, last + 1) control steps of episodes of about equal length, none of more than `longest` actions."""
        count = max(1, -(-(len(self.shown) - 1) // longest))
        edges = np.linspace(0, len(self.shown) - 1, count + 1).round().astype(int).tolist()
        return [(first, last + 1) for first, last in pairwise(edges)]

    def pictures(self, size: tuple[int, int]) -> Iterator[UInt8[ndarray, "h w 3"]]:
        """The frame of each control step, as a player shows it, cropped around its centre and scaled. Raises DataError."""
        for picture, times in self.source.shown(self.shown):
            made = fit(np.ascontiguousarray(centre(picture, size))[None], size)[0]
            for _ in range(times):
                yield made


def centre(picture: UInt8[ndarray, "H W 3"], size: tuple[int, int]) -> UInt8[ndarray, "h w 3"]:
    """The largest middle part of a picture that has the proportions of `size` (height, width)."""
    scale = min(picture.shape[0] / size[0], picture.shape[1] / size[1])
    height, width = (max(1, round(side * scale)) for side in size)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top:top + height, left:left + width]


@one_at_a_time
def import_videos(source: str | Path, target: str | Path, like: TaskSpec, *, instruction: str = "", seconds: float = 20.0,
                  rate: float | None = None, skip_bad: bool = False, progress: Progress | None = None) -> Imported:
    """Write a film, or all below a folder, to an episode store; pieces that are there already are left as they are.

    Args:
        like: the spec of the dataset that they will be used beside: rate, picture size, actions, states.
        instruction: what is done in them; empty: the spec's.
        seconds: longer films are cut into episodes of at most this length.
        rate: pictures a second, of films that are folders of pictures.
        skip_bad: leave films out that cannot be read, in place of an error.

    Raises:
        DataError: if there is no film, one is broken, or the store was made from others.
    """
    SECONDS.check(seconds, "seconds")
    root, hz = Path(source), like.control_hz
    if rate is not None:
        RATE.check(rate, "rate")
    found = films(root)
    if not found:
        raise DataError("there is no video here", where=root, fix="check the path",
                        expected=f"a video file, or a folder with {', '.join(ENDINGS)}, or of several {', '.join(STILLS)}",
                        got="no such file" if not root.exists() else unread(root) or "nothing")
    names = [(file.relative_to(root).as_posix() if file != root else file.name,
              sum(part.stat().st_size for part in (stills(file) if file.is_dir() else [file]))) for file in found]
    spec = replace(like, instruction=instruction or like.instruction)
    store = Begun(target, spec, FILMED, {
        "source": "video", "video": True, "films": len(found), "seconds": seconds,
        "digest": hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16], **({} if rate is None else {"rate": rate})})
    skipped, noticed = list[tuple[int, str]](), list[Finding]()
    index = 0
    for number, (file, (name, _)) in enumerate(zip(found, names, strict=True)):
        pieces: list[tuple[int, int]] = []
        try:
            if file.is_file():
                inside(root if root.is_dir() else root.parent, file.relative_to(root) if file != root else Path(file.name))
            film = Film.open(file, hz, rate)
            noticed += film.findings(hz)
            pieces = film.pieces(max(1, round(seconds * hz)))
            if not all(store.has(index + piece) for piece in range(len(pieces))):
                for piece, frames in enumerate(episodes_of(film, pieces, spec.image_size)):
                    if not store.has(index + piece):
                        store.put(index + piece, episode_of(frames, spec, {
                            "film": name, "from_step": pieces[piece][0], "frames_per_second": film.source.rate,
                            "repeated_frames": film.repeats}))
        except DataError as error:
            if not skip_bad:
                raise
            skipped.append((number, f"{error.problem} ({error.where})"))
        index += len(pieces)
        if progress:
            progress(number + 1, len(found))
    rest = unread(root)
    if rest:
        noticed.append(Finding("film", "note", str(root), "", None, "files were not read: they are no films",
                               ", ".join(ENDINGS), rest))
    made = store.finished("; ".join(why for _, why in skipped[:1]))
    return Imported(made, tuple(skipped), tuple(noticed))


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
