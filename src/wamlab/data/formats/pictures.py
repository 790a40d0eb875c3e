"""Pictures embedded in a table, as arrays and back; and pictures of any source held and scaled within a budget.

What a picture's numbers are is looked at before they are converted: colours of 8 bits become red, green and blue, measurements
become millimetres or are refused. Sizes are compared before anything is decoded.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import av
import numpy as np
import pyarrow as pa
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, UnidentifiedImageError

from ...errors import DataError
from ...reading import PIXELS
from . import depth
from .features import Feature

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
NUMERIC = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
"""modes of one channel whose numbers are no grey values of 8 bits"""
PICTURE_BYTES = 8 * 2**30
"""bytes of pictures of one episode that are held at once"""
BLOCK = 64 * 2**20
"""bytes of pictures that are scaled together"""


def room(count: int, height: int, width: int, deep: bool, where: object) -> ndarray:
    """An empty array for pictures: uint8 [count, h, w, 3], or uint16 [count, h, w] for depth.

    Raises:
        DataError: if they would take more than `PICTURE_BYTES`, or one of them has more than `PIXELS`.
    """
    if height * width > PIXELS or count * height * width * (2 if deep else 3) > PICTURE_BYTES:
        raise DataError("the pictures take too much memory", where=where,
                        expected=f"at most {PIXELS} pixels each, {PICTURE_BYTES} bytes in all",
                        got=f"{count} pictures of {height} x {width}",
                        fix="scale them down (wam data import --size), or cut the episode into shorter ones")
    return np.empty((count, height, width) + (() if deep else (3,)), np.uint16 if deep else np.uint8)


def gathered(source: Iterator[ndarray], count: int, size: tuple[int, int], target: tuple[int, int] | None, deep: bool,
             where: object) -> ndarray:
    """Pictures of a source as one array.

    Args:
        source: `count` of them, of `size` (height, width).
        target: height, width to scale them to as `fit` does, some at a time; None keeps them as they are.
    """
    if target is None:
        out = room(count, *size, deep, where)
        for number, picture in enumerate(source):
            out[number] = picture
        return out
    out = room(count, *target, False, where)
    held = room(min(count, max(1, BLOCK // (size[0] * size[1] * 3))), *size, deep, where)
    for first in range(0, count, len(held)):
        part = held[:count - first]
        for place in part:
            place[...] = next(source)
        out[first:first + len(part)] = fit(part, target)
    return out


def fit(frames: ndarray, size: tuple[int, int]) -> UInt8[ndarray, "N h w 3"]:
    """Frames of the wanted size: colour by area, depth (16 bit) by the nearest pixel and packed into three channels."""
    if frames.dtype == np.uint16:
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, frames.shape[1:], strict=True))
        return depth.pack(frames[:, rows][:, :, columns])
    if frames.shape[1:3] == tuple(size):
        return frames
    out, convert = room(len(frames), *size, False, "size"), VideoReformatter()
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        out[number] = convert.reformat(picture, size[1], size[0], interpolation="AREA", threads=1).to_ndarray()
    return out


def pictures(column: pa.ChunkedArray, feature: Feature, coding: depth.Coding | None, where: str,
             size: tuple[int, int] | None = None) -> ndarray:
    """A column of embedded pictures: uint8 [rows, h, w, 3], or uint16 [rows, h, w] millimetres for depth, which has a coding;
    scaled to `size` as `fit` does, if there is one. Raises DataError."""
    height, width, _ = feature.shape

    def rows() -> Iterator[ndarray]:
        for row, cell in enumerate(column):
            stored = cell.as_py()
            content, place = stored.get("bytes") if isinstance(stored, dict) else stored, f"{where}, row {row}"
            if not isinstance(content, bytes):  # a path outside the table is never followed
                raise DataError("the picture is not in the table", where=place, expected="embedded bytes",
                                got=type(content).__name__, fix="write the dataset with its pictures embedded")
            yield decoded(content, (height, width), coding, place)

    return gathered(rows(), len(column), (height, width), size, feature.depth, where)


def decoded(content: bytes, size: tuple[int, int] | None, coding: depth.Coding | None, where: str,
            fix: str = f"if it is depth, {depth.FIX}; if it is colour, write it with 8 bits") -> ndarray:
    """One picture file: uint8 [h, w, 3]; with a coding uint16 [h, w], millimetres.

    Args:
        size: height and width that it must have; None: any up to `PIXELS`.
        fix: what to do about colours that hold measurements.

    Raises:
        DataError: if it is damaged, of another size, or holds what would be lost.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                wide, high = picture.size
                if wide * high > PIXELS or (size is not None and (high, wide) != size):
                    raise DataError("the picture has another size", where=where, got=f"{wide} x {high}",
                                    expected=f"at most {PIXELS} pixels" if size is None else f"{size[1]} x {size[0]}")
                if getattr(picture, "is_animated", False):
                    raise DataError("there are several pictures in one", where=where, expected="one picture per row",
                                    got=f"a {picture.format} of several", fix="write one file per picture")
                return _colours(picture, content, where, fix) if coding is None else _depths(picture, content, coding, where)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError("the picture is too large", where=where, expected=f"at most {PIXELS} pixels",
                        got=str(error)[:60]) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, TypeError) as error:
        raise DataError("the picture is damaged", where=where, expected=f"a picture: {', '.join(FORMATS)}",
                        got=str(error)[:120]) from error


def bits_of(picture: Image.Image, content: bytes) -> int:
    """Bits per channel in the file, which Pillow's mode does not say: it cuts colours of 16 bits down to 8."""
    if picture.format == "PNG":
        return content[24]
    if picture.format == "TIFF":
        return max(picture.tag_v2.get(258, (1,)))  # type: ignore[attr-defined]
    return 8


def _colours(picture: Image.Image, content: bytes, where: str, fix: str) -> UInt8[ndarray, "h w 3"]:
    if picture.mode in NUMERIC or bits_of(picture, content) > 8:
        raise DataError("the picture holds measurements, or colours finer than 8 bits, and nothing says which", where=where,
                        expected="8 bits per channel", got=f"{bits_of(picture, content)} bits ({picture.mode})",
                        fix=fix)
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    if picture.mode in ("LA", "RGBA", "PA"):
        if picture.convert("RGBA").getchannel("A").getextrema()[0] != 255:
            raise DataError("the picture has a fourth channel that would be lost", where=where, expected="opaque colours",
                            got=picture.mode, fix="write colours alone; what the fourth channel holds as a feature of its own")
    elif picture.mode not in ("RGB", "L", "1"):
        raise DataError("colours of this kind are not read", where=where, expected="red, green, blue or grey",
                        got=picture.mode, fix="convert the pictures to RGB with the colour profile that they were made for")
    return np.asarray(picture.convert("RGB"))


def _depths(picture: Image.Image, content: bytes, coding: depth.Coding, where: str) -> ndarray:
    bits = bits_of(picture, content)
    if picture.mode not in (*NUMERIC, "L") or bits < 8:
        raise DataError("the picture is marked as depth and holds none", where=where, expected="one channel of 8 bits or more",
                        got=f"{picture.mode}, {bits} bits", fix="write depth as numbers; a coloured drawing of it is no depth: "
                        "mend is_depth_map in meta/info.json")
    values = np.asarray(picture)
    if picture.mode == "I" and bits == 16:  # Pillow widens what is stored in 16 bits
        values = values.astype(np.uint16)
    return coding.numbers_to_units(values.astype(values.dtype.newbyteorder("="), copy=False))


def png(picture: ndarray) -> bytes:
    """One picture, uint8 [h, w, 3] or uint16 [h, w], unchanged to the bit."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
