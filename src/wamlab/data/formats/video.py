"""Video files through PyAV: frames by their ordinal number and their presentation time.

A file's frames are numbered by ascending presentation time, read from the packets without decoding. Colour conversion is
FFmpeg's default, which is also what other tools that decode with FFmpeg show, to the bit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
import av.error
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from jaxtyping import Float64, Int64, UInt8, UInt16
from numpy import ndarray

from ...errors import DataError
from ...reading import PIXELS
from .depth import FIX, Coding

Codec = Literal["h264", "av1"]
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"crf": "18", "g": "2", "preset": "veryfast", "threads": "1", "x264-params": "bframes=0:mbtree=0"}),
    "av1": ("libsvtav1", {"crf": "30", "g": "2", "preset": "12", "svtav1-params": "lp=1"}),
}
"""encoder and options; a keyframe at every second frame makes random access cheap (the convention of LeRobot)"""
TIE = 1e-4
"""seconds by which times may differ and still be the same; the official reader's tolerance"""


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
    stream: int = 0
    """number of the stream in the file"""
    aspect: Fraction = Fraction(1)
    """width of a pixel by its height, as a player shows it"""
    shorter: str = ""
    """how much less is there than the header says; "" if nothing is missing"""

    def __len__(self) -> int:
        return len(self.ticks)

    @cached_property
    def seconds(self) -> Float64[ndarray, "N"]:
        """Presentation time of each frame on a player's clock, which begins with the first."""
        return (self.ticks - self.ticks[:1]).astype(np.float64) * float(self.time_base)

    @property
    def rate(self) -> float:
        """Mean frames per second; 0 where that cannot be said."""
        return round((len(self) - 1) / float(self.seconds[-1]), 3) if len(self) > 1 and self.seconds[-1] > 0 else 0.0

    @property
    def bits(self) -> tuple[int, ...]:
        """Of each channel."""
        return tuple(int(part.bits) for part in av.VideoFormat(self.pixels).components) if self.pixels else (8,)


def nearest(seconds: Float64[ndarray, "N"], wanted: Float64[ndarray, "M"]) -> Int64[ndarray, "M"]:
    """For each wanted time the number of the frame that is nearest; of two equally near (to `TIE`) the earlier, which is still
    shown then. `seconds` ascends."""
    return np.searchsorted((seconds[1:] + seconds[:-1]) / 2, wanted - TIE)


@contextmanager
def opened(file: Path) -> Iterator[tuple[Any, Any]]:
    """(the container, the stream of the film) of a video file: cover pictures are none, and of several the one that a player
    chooses. Raises DataError for anything that FFmpeg refuses."""
    limits = {"max_pixels": str(PIXELS)}  # frames beyond are refused before they are allocated, also while the file is opened
    try:
        with av.open(str(file.absolute()), metadata_errors="ignore", options=limits) as container:  # never a URL or a protocol
            films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            if not films:
                raise DataError("the file holds no video", where=file, expected="a video stream",
                                got="a cover picture" if container.streams.video else "none")
            best = container.streams.best("video")
            stream = best if best in films else films[0]
            stream.codec_context.thread_count = 1
            stream.codec_context.options = limits
            yield container, stream
    except (av.error.FFmpegError, OSError, ValueError, EOFError) as error:
        raise DataError("the video cannot be read", where=file, expected="a whole video file", got=str(error)[:160],
                        fix="copy the file again, or leave its episodes out") from error


def probe(file: Path) -> VideoInfo:
    """Frames, size and times of a video without decoding it. Raises DataError."""
    with opened(file) as (container, stream):
        context = stream.codec_context
        if context.width * context.height > PIXELS or min(context.width, context.height) < 1:
            raise DataError("the video's size is impossible", where=file, expected=f"at most {PIXELS} pixels",
                            got=f"{context.width} x {context.height}")
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        while packets and packets[-1].is_corrupt:  # where the file was cut off
            packets.pop()
        ticks = [packet.pts for packet in packets if not packet.is_discard]
        return VideoInfo(file, context.width, context.height, context.name, context.pix_fmt or "", Fraction(stream.time_base),
                         np.sort(np.array(ticks, np.int64)), stream.index, stream.sample_aspect_ratio or Fraction(1),
                         _shorter(container, stream, packets))


def _shorter(container: Any, stream: Any, packets: list[Any]) -> str:
    """How much less is there than the header of a file says."""
    if len(packets) < stream.frames:
        return f"{len(packets)} of {stream.frames} frames"
    said = float(stream.duration * stream.time_base) if stream.duration else 0.0
    if not said and container.duration and len(container.streams) == 1:
        said = container.duration / av.time_base
    ends = [packet.pts + (packet.duration or 0) for packet in packets]
    there = float((max(ends) - min(packet.pts for packet in packets)) * stream.time_base) if packets else 0.0
    return f"{there:.2f} of {said:.2f} s" if there < said - max(0.5, 0.02 * said) else ""


def decoded(info: VideoInfo, numbers: Int64[ndarray, "M"]) -> Iterator[tuple[Any, int]]:
    """Frames of a probed file by number, ascending, each with how often it is asked for, one after the other.

    Raises:
        DataError: if the file does not have them or cannot be decoded there.
    """
    if not len(numbers) or numbers[0] < 0 or numbers[-1] >= len(info) or (np.diff(numbers) < 0).any():
        raise DataError("the video is too short", where=info.file, got=f"{len(info)} frames",
                        expected=f"frames {numbers[0]} to {numbers[-1]}" if len(numbers) else "at least one frame")
    wanted, times = np.unique(info.ticks[numbers], return_counts=True)
    done = 0
    with opened(info.file) as (container, stream):
        if numbers[0]:
            container.seek(int(wanted[0]), stream=stream)
        for frame in _frames(container, stream, int(info.ticks[-1])):
            if frame.pts is None or frame.pts < wanted[done]:
                continue
            if frame.pts > wanted[done]:
                break
            yield frame, int(times[done])
            done += 1
            if done == len(wanted):
                return
    raise DataError("frames are missing from the video", where=info.file, got=f"{times[:done].sum()} could be decoded",
                    expected=f"{len(numbers)} frames from {numbers[0]} on", fix="copy the file again, or leave these out")


def _frames(container: Any, stream: Any, last: int) -> Iterator[Any]:
    """Frames as they are decoded, without what was cut off behind the last whole one."""
    for packet in container.demux(stream):
        if not (packet.is_corrupt and packet.pts is not None and packet.pts > last):
            yield from packet.decode()


def read_frames(info: VideoInfo, numbers: Int64[ndarray, "M"], coding: Coding | None = None) -> Iterator[
        UInt8[ndarray, "h w 3"] | UInt16[ndarray, "h w"]]:
    """Frames of a probed file by number, ascending; the same number may come several times.

    Args:
        coding: what the codes of a depth video mean; its frames are then millimetres.

    Raises:
        DataError: if the file does not have them, cannot be decoded there, or holds codes where colours are wanted.
    """
    check_kind(info, coding is not None)
    convert = VideoReformatter()  # one for all frames, in one thread: many times faster than frame.to_ndarray
    for frame, times in decoded(info, numbers):
        if (frame.height, frame.width) != (info.height, info.width):
            raise DataError("the video changes its size", where=info.file, expected=(info.height, info.width),
                            got=(frame.height, frame.width))
        if coding is not None:
            picture = coding.codes_to_units(plane(frame), info.bits[0])
        else:
            picture = convert.reformat(frame, format="rgb24", threads=1).to_ndarray()
        for _ in range(times):
            yield picture


def check_kind(info: VideoInfo, deep: bool, fix: str = FIX) -> None:
    """Raises DataError if a film holds measurements where colours are wanted, which `fix` mends, or the other way round."""
    coded, got = len(info.bits) == 1 and 8 < info.bits[0] <= 16, f"{info.pixels}, {info.bits[0]} bits"
    if deep and not coded:
        raise DataError("the video is marked as depth and holds none", where=info.file, got=got,
                        expected="one channel of 9 to 16 bits",
                        fix="mend is_depth_map in meta/info.json, or write depth with gray12le or gray16le")
    if not deep and (coded or max(info.bits) > 12):  # screens and cameras have up to 12
        raise DataError("the video holds measurements, and nothing says which", where=info.file,
                        expected="colours, or grey of 8 bits", got=got, fix=fix)


def plane(frame: Any) -> UInt16[ndarray, "h w"]:
    """The numbers of a frame's only channel of 9 to 16 bits, as they are."""
    kind = np.dtype(">u2" if frame.format.name.endswith("be") else "<u2")
    stored = np.frombuffer(frame.planes[0], kind).reshape(frame.height, -1)
    return stored[:, :frame.width].astype(np.uint16)


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
