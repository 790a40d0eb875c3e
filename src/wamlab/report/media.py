"""Pictures and films as data URIs, so that a page needs no second file.

Films are H.264 in MP4: every current browser plays it, and it can be paused and stepped. Frames of 64 pixels are
enlarged by whole factors without smoothing first, because the codec halves the colour resolution.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

Frames = UInt8[ndarray, "T h w 3"]
Picture = UInt8[ndarray, "h w 3"]

SAME_FILE = "bframes=0:mbtree=0"
"""without these x264 looks ahead in a way that now and then gives another file for the same frames"""


def data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def png(picture: Picture) -> str:
    """One picture, unchanged to the bit."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())


def enlarge(frames: UInt8[ndarray, "*any h w 3"], factor: int) -> UInt8[ndarray, "*any H W 3"]:
    """Every pixel becomes a square of `factor` pixels."""
    return frames.repeat(factor, axis=-3).repeat(factor, axis=-2)


def beside(parts: Sequence[UInt8[ndarray, "*any h _ 3"]], gap: int = 2, shade: int = 128) -> UInt8[ndarray, "*any h W 3"]:
    """Frames of one height next to each other with a grey line between."""
    line = np.full((*parts[0].shape[:-2], gap, 3), shade, np.uint8)
    row = [piece for part in parts for piece in (part, line)][:-1]
    return np.concatenate(row, axis=-2)


def mp4(frames: Frames, fps: float, factor: int = 4) -> str:
    """A film of `frames` at `fps` pictures a second, enlarged `factor` times, grown at the edge to the codec's blocks."""
    frames = enlarge(frames, factor)
    frames = np.pad(frames, [(0, 0), *((0, -side % 16) for side in frames.shape[1:3]), (0, 0)], mode="edge")
    height, width = frames.shape[1:3]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "20", "threads": "1", "x264-params": SAME_FILE}
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return data_uri("video/mp4", buffer.getvalue())


def jpeg(picture: Picture) -> str:
    """One picture, nearly unchanged (full colour resolution) and a quarter of the size."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "JPEG", quality=93, subsampling=0)
    return data_uri("image/jpeg", buffer.getvalue())
