"""Films as a player shows them: video files, animated pictures, and folders of numbered pictures.

Square pixels, upright, not mirrored, on a clock that begins with the first frame. Cover pictures are no films.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter
from jaxtyping import Float64, Int64, UInt8
from numpy import ndarray

from ...errors import DataError
from ...reading import PIXELS, inside, read_bytes
from .pictures import decoded as read_still
from .video import VideoInfo, check_kind, decoded

ENDINGS = (".mp4", ".mov", ".m4v", ".mkv", ".avi", ".webm", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp",
           ".ogv", ".gif")
STILLS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
"""endings of pictures that are a film where a folder holds several of them and no video"""
NUMBERED = re.compile(r"(.*?)(\d{1,18})")
FIX = "write it with 8 bits per channel; depth is no film, and is read from a dataset that says its scale"
STRETCH = 8
"""largest ratio of a pixel's sides that is believed"""


def films(source: Path) -> list[Path]:
    """The films that a path names: itself, or those below it: video files by their name's ending, and folders of pictures."""
    if source.is_file():
        return [source]
    found = [path for path in source.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()]
    with_video = {path.parent for path in found}
    return sorted(found + [folder for folder in (source, *source.rglob("*")) if folder.is_dir() and folder not in with_video
                           and len(stills(folder)) > 1])


def stills(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by the numbers at the end of their names, else by name."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in STILLS and path.is_file()]
    return sorted(found, key=lambda path: (*_numbered(path), path.name))


def _numbered(path: Path) -> tuple[str, int]:
    """(what stands before the number at the end of a name, the number); -1 where there is none."""
    found = NUMBERED.fullmatch(path.stem)
    return (found[1], int(found[2])) if found else (path.stem, -1)


def unread(source: Path) -> str:
    """How many files below a folder are no part of a film, by ending: "3 .txt, 1 .png"; "" if there are none."""
    if not source.is_dir():
        return ""
    used = {file for film in films(source) for file in ([film] if film.is_file() else stills(film))}
    rest = Counter(path.suffix.lower() or path.name for path in source.rglob("*") if path.is_file() and path not in used)
    return ", ".join(f"{count} {ending}" for ending, count in sorted(rest.items()))


@dataclass(frozen=True, eq=False)
class Stills:
    """A folder of pictures as a film."""

    file: Path
    files: tuple[Path, ...]
    places: Int64[ndarray, "N"]
    """of each picture in the sequence, from 0 on; a hole where pictures are missing"""
    rate: float
    """pictures a second"""

    @classmethod
    def open(cls, folder: Path, rate: float | None) -> Stills:
        """Raises DataError without a rate, which pictures do not tell, and for numbers that are those of no sequence."""
        files = stills(folder)
        if rate is None:
            raise DataError("a folder of pictures does not say how fast they follow each other", where=folder,
                            expected="pictures a second", got=f"{len(files)} pictures", fix="add --rate, say --rate 30")
        heads, numbers = zip(*map(_numbered, files), strict=True)
        places = np.arange(len(files))
        if len(set(heads)) == 1 and len(set(numbers)) == len(numbers) > 1:  # times, where the names say more than the order
            steps = np.diff(np.array(numbers, np.int64))
            places = np.append(0, np.cumsum(steps // np.gcd.reduce(steps)))
            if places[-1] > 2 * len(files):
                raise DataError("more pictures are missing from the sequence than are there", where=folder,
                                expected="names with numbers that follow each other",
                                got=f"{files[0].name} to {files[-1].name}, {len(files)} pictures", fix="number them one by one")
        return cls(folder, tuple(files), places, rate)

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def seconds(self) -> Float64[ndarray, "N"]:
        """When each picture is shown."""
        return self.places / self.rate

    @property
    def shorter(self) -> str:
        """How much is missing; "" if nothing is."""
        missing = int(self.places[-1]) + 1 - len(self)
        return f"{missing} pictures are missing in between" if missing else ""

    def shown(self, numbers: Int64[ndarray, "M"]) -> Iterator[tuple[UInt8[ndarray, "H W 3"], int]]:
        """Pictures by number, ascending, each with how often it is asked for. Raises DataError."""
        size = None
        for number, times in zip(*np.unique(numbers, return_counts=True), strict=True):
            file = self.files[number]
            inside(self.file, file.relative_to(self.file))
            picture = read_still(read_bytes(file), None, None, str(file), FIX)
            size = size or picture.shape
            if picture.shape != size:
                raise DataError("the pictures differ in size", where=file, expected=size, got=picture.shape,
                                fix="put those of each film into a folder of their own")
            yield picture, int(times)


@dataclass(frozen=True, eq=False)
class Moving:
    """A video file as a film."""

    info: VideoInfo

    @property
    def file(self) -> Path:
        return self.info.file

    @property
    def rate(self) -> float:
        """Mean frames per second."""
        return self.info.rate

    @property
    def seconds(self) -> Float64[ndarray, "N"]:
        """When each frame is shown."""
        return self.info.seconds

    @property
    def shorter(self) -> str:
        """How much is missing; "" if nothing is."""
        return f"{self.info.shorter} that its header says" if self.info.shorter else ""

    def __len__(self) -> int:
        return len(self.info)

    def shown(self, numbers: Int64[ndarray, "M"]) -> Iterator[tuple[UInt8[ndarray, "H W 3"], int]]:
        """Frames by number, ascending, each with how often it is asked for. Raises DataError."""
        check_kind(self.info, False, FIX)
        aspect, convert = float(self.info.aspect), VideoReformatter()
        for frame, times in decoded(self.info, numbers):
            width = round(frame.width * max(aspect, 1.0))
            height = round(frame.height / min(aspect, 1.0))
            if not 1 / STRETCH <= aspect <= STRETCH or width * height > PIXELS:
                raise DataError("the film's pixels have impossible proportions", where=self.file,
                                expected=f"1:{STRETCH} to {STRETCH}:1, at most {PIXELS} pixels in all", got=self.info.aspect)
            if aspect == 1:
                picture = convert.reformat(frame, format="rgb24", threads=1).to_ndarray()
            else:
                picture = convert.reformat(frame, width, height, "rgb24", interpolation="BILINEAR", threads=1).to_ndarray()
            yield turned(picture, frame, self.file), times


def turned(picture: UInt8[ndarray, "H W 3"], frame: Any, file: Path) -> UInt8[ndarray, "h w 3"]:
    """A picture as the display matrix of its frame lays it: turned by quarters, mirrored. Raises DataError for other angles."""
    stored = [bytes(data) for data in frame.side_data if data.type == Type.DISPLAYMATRIX]
    if not stored:
        return picture
    a, b, _, c, d, *_ = struct.unpack("=9i", stored[0])
    across, down = (a, d) if b == c == 0 else (c, b)
    if 0 in (across, down) or not (b == c == 0 or a == d == 0):
        raise DataError("the film lies askew", where=file, expected="upright, or turned by quarters",
                        got=f"{frame.rotation} degrees", fix="turn it with a video editor")
    upright = picture if b == c == 0 else picture.transpose(1, 0, 2)
    return upright[::-1 if down < 0 else 1, ::-1 if across < 0 else 1]
