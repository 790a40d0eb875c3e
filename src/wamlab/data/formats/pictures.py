"""Pictures embedded in a table, as arrays and back."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
from numpy import ndarray
from PIL import Image, UnidentifiedImageError

from ...errors import DataError
from .features import Feature


def pictures(column: pa.ChunkedArray, feature: Feature, where: str) -> ndarray:
    """A column of embedded pictures as uint8 [rows, h, w, 3], or uint16 [rows, h, w] for depth. Raises DataError."""
    height, width, _ = feature.shape
    out = np.empty((len(column), height, width) + (() if feature.depth else (3,)), np.uint16 if feature.depth else np.uint8)
    for row, cell in enumerate(column):
        said = cell.as_py()
        content = said.get("bytes") if isinstance(said, dict) else said
        if not isinstance(content, bytes):  # a path outside the table is never followed
            raise DataError("the picture is not in the table", where=f"{where}, row {row}", expected="embedded bytes",
                            got=type(content).__name__, fix="write the dataset with its pictures embedded")
        try:
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as picture:
                if picture.size != (width, height):
                    raise DataError("the picture has another size", where=f"{where}, row {row}", expected=f"{width} x {height}",
                                    got=f"{picture.size[0]} x {picture.size[1]}")
                out[row] = np.asarray(picture if feature.depth else picture.convert("RGB"))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError("the picture is damaged", where=f"{where}, row {row}", expected="a PNG, JPEG or WebP picture",
                            got=str(error)[:120]) from error
    return out


def png(picture: ndarray) -> bytes:
    """One picture, uint8 [h, w, 3] or uint16 [h, w], unchanged to the bit."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
