"""Video files through PyAV: frames by their ordinal number, never by a sum of floating-point times.

A file's frames are numbered by ascending presentation time, read from the packets without decoding. Colour conversion is
FFmpeg's default, which is also what other tools that decode with FFmpeg show, to the bit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Int64, UInt8, UInt16
from numpy import ndarray

from ...errors import DataError
from ...reading import PIXELS

Codec = Literal["h264", "av1"]
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"crf": "18", "g": "2", "preset": "veryfast", "threads": "1", "x264-params": "bframes=0:mbtree=0"}),
    "av1": ("libsvtav1", {"crf": "30", "g": "2", "preset": "12", "svtav1-params": "lp=1"}),
}
"""encoder and options; a keyframe at every second frame makes random access cheap (the convention of LeRobot)"""


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """What a video file holds, from its packets alone."""

    file: Path
    width: int
    height: int
    codec: str
    pixels: str
    """pixel format, such as "yuv420p" """
    time_base: Fraction
    """seconds per tick"""
    ticks: Int64[ndarray, "N"]
    """presentation time of each frame, ascending"""

    def __len__(self) -> int:
        return len(self.ticks)

    def second(self, frame: int) -> float:
        """Presentation time of a frame, in seconds."""
        return float(int(self.ticks[frame]) * self.time_base)


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """The container of a video file. Raises DataError for anything that FFmpeg refuses."""
    try:
        with av.open(str(file.absolute()), metadata_errors="ignore") as container:  # absolute: never a URL or a protocol
            if not container.streams.video:
                raise DataError("the file holds no video", where=file, expected="a video stream", got="none")
            container.streams.video[0].codec_context.thread_count = 1
            yield container
    except (av.error.FFmpegError, OSError, ValueError, EOFError) as error:
        raise DataError("the video cannot be read", where=file, expected="a whole video file", got=str(error)[:160],
                        fix="copy the file again, or drop its episodes") from error


def probe(file: Path) -> VideoInfo:
    """Frames, size and times of a video without decoding it. Raises DataError."""
    with opened(file) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        if context.width * context.height > PIXELS or min(context.width, context.height) < 1:
            raise DataError("the video's size is impossible", where=file, expected=f"at most {PIXELS} pixels",
                            got=f"{context.width} x {context.height}")
        ticks = [packet.pts for packet in container.demux(stream) if packet.pts is not None and not packet.is_discard]
        return VideoInfo(file, context.width, context.height, context.name, context.pix_fmt or "", Fraction(stream.time_base),
                         np.sort(np.array(ticks, np.int64)))


def read_frames(info: VideoInfo, first: int, count: int, depth: bool = False) -> UInt8[ndarray, "N h w 3"] | UInt16[ndarray,
                                                                                                                    "N h w"]:
    """Frames `first` to `first + count - 1` of a probed file.

    Args:
        depth: one channel of 16 bits in place of red, green and blue.

    Raises:
        DataError: if the file does not have them or cannot be decoded there.
    """
    if count < 1 or first < 0 or first + count > len(info):
        raise DataError("the video is too short", where=info.file, expected=f"frames {first} to {first + count - 1}",
                        got=f"{len(info)} frames")
    wanted = info.ticks[first:first + count]
    out = np.empty((count, info.height, info.width) + (() if depth else (3,)), np.uint16 if depth else np.uint8)
    seen = np.zeros(count, bool)
    convert = VideoReformatter()  # one for all frames, in one thread: many times faster than frame.to_ndarray
    with opened(info.file) as container:
        stream = container.streams.video[0]
        if first:
            container.seek(int(wanted[0]), stream=stream)
        for frame in container.decode(stream):
            if frame.pts is None:
                continue
            at = int(np.searchsorted(wanted, frame.pts))
            if at < count and wanted[at] == frame.pts:
                picture = convert.reformat(frame, format="gray16le" if depth else "rgb24", threads=1).to_ndarray()
                if picture.shape != out.shape[1:]:
                    raise DataError("the video changes its size", where=info.file, expected=out.shape[1:], got=picture.shape)
                out[at], seen[at] = picture, True
            if seen[-1] and frame.pts >= wanted[-1]:
                break
    if not seen.all():
        raise DataError("frames are missing from the video", where=info.file, expected=f"{count} frames from {first} on",
                        got=f"{int(seen.sum())} could be decoded", fix="copy the file again, or drop its episodes")
    return out


class VideoWriter:
    """One video file into which whole episodes are encoded one after the other; frame n is shown at n / fps exactly."""

    def __init__(self, target: BinaryIO | str, size: tuple[int, int], fps: int, codec: str = "h264", **options: str):
        """`size` is height, width in pixels. MP4 needs a target that can seek."""
        os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings otherwise
        height, width = size
        encoder, usual = ENCODERS[codec]
        self.container = av.open(target, "w", format="mp4")
        stream: Any = self.container.add_stream(encoder, rate=fps, options=usual | options)
        self.stream = stream
        self.stream.width, self.stream.height = width, height
        self.stream.pix_fmt = "yuv420p" if height % 2 == 0 and width % 2 == 0 else "yuv444p"
        self.stream.codec_context.time_base = Fraction(1, fps)
        self.time_base = Fraction(1, fps)
        self.count = self.bytes = 0
        self._convert = VideoReformatter()

    def add(self, frames: UInt8[ndarray, "N h w 3"]) -> None:
        """Append an episode; its first frame is a keyframe."""
        for number, frame in enumerate(frames):
            given = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture = self._convert.reformat(given, format=self.stream.pix_fmt, threads=1)
            picture.pts, picture.time_base = self.count, self.time_base
            if number == 0:
                picture.pict_type = av.video.frame.PictureType.I
            self._write(self.stream.encode(picture))
            self.count += 1

    def _write(self, packets: list[av.Packet]) -> None:
        self.bytes += sum(packet.size for packet in packets)
        self.container.mux(packets)

    def close(self) -> None:
        self._write(self.stream.encode())
        self.container.close()
